"""A landscape seen through a chart is a landscape."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nwedge._checks import check_points, check_same_shape, same_device
from nwedge.geometry import Chart
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, Predictive, Separable, attached_loss, loss_and_gradient


def restrict(landscape: Landscape, chart: Chart, origin: Tensor | None = None) -> "RestrictedLandscape":
    """The landscape L'(c) = L(embed(c)), or L(origin + embed(c)) for a chart of displacements.

    Args:
        landscape: any landscape; if it is predictive or on finite data, so is the result.
        chart: Line, Path, Bezier and Sheet embed to points; Plane and RandomSubspace to displacements.
        origin: shape (dim,); to be given with a chart of displacements, and only then.

    Raises:
        ValueError: a chart of another dimension, dtype or device, or an origin that is missing or too much.
    """
    kinds = {
        (False, False): RestrictedLandscape,
        (True, False): RestrictedPredictive,
        (False, True): RestrictedSeparable,
        (True, True): RestrictedClassifier,
    }
    return kinds[isinstance(landscape, Predictive), isinstance(landscape, Separable)](landscape, chart, origin)


class RestrictedLandscape:
    """What `restrict` returns: coordinates of the chart are its points."""

    def __init__(self, landscape: Landscape, chart: Chart, origin: Tensor | None) -> None:
        _check_fit(landscape, chart, origin)
        self.landscape, self.chart, self.origin = landscape, chart, origin
        self.dim, self.dtype, self.device = chart.dim, chart.dtype, landscape.device
        self.unbiased, self.units = getattr(landscape, "unbiased", True), getattr(landscape, "units", "1")
        self.recomputes = getattr(landscape, "recomputes", False)

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points of the whole landscape at these coordinates, shape (batch, ambient)."""
        check_points(self, coords)
        points = self.chart.embed(coords)
        return points if self.origin is None else self.origin + points

    def loss(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, " batch"]:
        """The loss of the whole landscape at these coordinates, shape (batch,); few of its points are held at once."""
        return torch.cat([attached_loss(self.landscape, self.embed(part)) for part in self._parts(points)])

    def loss_and_gradient(
        self, points: Float[Tensor, "batch coords"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch coords"]]:
        """The losses and their gradients, detached: the chart's derivative times the whole landscape's own gradient."""
        losses, slopes = zip(*map(self._loss_and_gradient, self._parts(points)), strict=True)
        return torch.cat(losses), torch.cat(slopes)

    def _loss_and_gradient(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = coords.detach().requires_grad_()
            embedded = self.embed(leaf)
        losses, slopes = loss_and_gradient(self.landscape, embedded.detach())
        return losses, torch.autograd.grad(embedded, leaf, slopes)[0]

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Coordinates to start from, as the chart draws them."""
        return self.chart.coordinates(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "RestrictedLandscape":
        """The stochastic view of the whole landscape, seen through the same chart."""
        return RestrictedLandscape(self.landscape.minibatch(generator), self.chart, self.origin)

    def _parts(self, coords: Tensor) -> Sequence[Tensor]:
        """Coordinates whose points are held at once: as many as have 2^22 coordinates in the whole landscape."""
        return coords.split(max(1, ELEMENTS_AT_ONCE // self.chart.ambient))


class RestrictedPredictive(RestrictedLandscape):
    """A predictive landscape seen through a chart."""

    landscape: Predictive

    @property
    def held_out(self) -> "RestrictedPredictive | Any":  # as in NetworkLandscape
        """The held-out data seen through the same chart; None where there are none."""
        unseen = self.landscape.held_out
        return None if unseen is None else type(self)(unseen, self.chart, self.origin)

    def predict(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example."""
        return self.landscape.predict(self.embed(points))

    def accuracy(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, " batch"]:
        """The fraction of examples whose most probable class is the label."""
        return self.landscape.accuracy(self.embed(points))


class RestrictedSeparable(RestrictedLandscape):
    """A landscape on finite data seen through a chart."""

    landscape: Separable

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self.landscape.examples

    def take(self, indices: Int[Tensor, " count"]) -> "RestrictedSeparable":
        """Some of the examples seen through the same chart."""
        return type(self)(self.landscape.take(indices), self.chart, self.origin)

    def example_losses(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch examples"]:
        """The loss of every example at these coordinates, without a graph."""
        return torch.cat([self.landscape.example_losses(self.embed(part)) for part in self._parts(points)])


class RestrictedClassifier(RestrictedPredictive, RestrictedSeparable):
    """A predictive landscape on finite data seen through a chart."""

    landscape: Any


def _check_fit(landscape: Landscape, chart: Chart, origin: Tensor | None) -> None:
    if chart.ambient != landscape.dim:
        raise ValueError(f"the chart embeds into {chart.ambient} dimensions; the landscape has {landscape.dim}")
    if chart.dtype != landscape.dtype:
        raise ValueError(f"the chart has dtype {chart.dtype}; the landscape has {landscape.dtype}")
    if not same_device(chart.device, landscape.device):
        raise ValueError(f"the chart is on device {chart.device}; the landscape is on {landscape.device}")
    name = type(chart).__name__
    if chart.displaces and origin is None:
        raise ValueError(f"a {name} embeds to displacements: give the origin that they are added to")
    if not chart.displaces and origin is not None:
        raise ValueError(f"a {name} embeds to points: leave the origin out")
    if origin is not None:
        check_same_shape(torch.empty(landscape.dim, dtype=chart.dtype, device=landscape.device), origin, "the origin")
