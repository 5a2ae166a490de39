"""A landscape seen through a chart is a landscape."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points, check_same_shape, same_device
from nwedge.geometry import Chart
from nwedge.landscape import Landscape, Predictive, attached_loss, loss_and_gradient


def restrict(landscape: Landscape, chart: Chart, origin: Tensor | None = None) -> "RestrictedLandscape":
    """The landscape L'(c) = L(embed(c)), or L(origin + embed(c)) for a chart of displacements.

    Args:
        landscape: any landscape; if it is predictive, so is the result.
        chart: Line, Path, Bezier and Sheet embed to points; Plane and RandomSubspace to displacements.
        origin: shape (dim,); to be given with a chart of displacements, and only then.

    Raises:
        ValueError: a chart of another dimension, dtype or device, or an origin that is missing or too much.
    """
    kind = RestrictedPredictive if isinstance(landscape, Predictive) else RestrictedLandscape
    return kind(landscape, chart, origin)


class RestrictedLandscape:
    """What `restrict` returns: coordinates of the chart are its points."""

    def __init__(self, landscape: Landscape, chart: Chart, origin: Tensor | None) -> None:
        _check_fit(landscape, chart, origin)
        self.landscape, self.chart, self.origin = landscape, chart, origin
        self.dim, self.dtype, self.device = chart.dim, chart.dtype, landscape.device
        self.unbiased = getattr(landscape, "unbiased", True)

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points of the whole landscape at these coordinates, shape (batch, ambient)."""
        check_points(self, coords)
        points = self.chart.embed(coords)
        return points if self.origin is None else self.origin + points

    def loss(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, " batch"]:
        """The loss of the whole landscape at these coordinates, shape (batch,)."""
        return attached_loss(self.landscape, self.embed(points))

    def loss_and_gradient(
        self, points: Float[Tensor, "batch coords"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch coords"]]:
        """The losses and their gradients, detached: the chart's derivative times the whole landscape's own gradient."""
        with torch.enable_grad():
            leaf = points.detach().requires_grad_()
            embedded = self.embed(leaf)
        losses, slopes = loss_and_gradient(self.landscape, embedded.detach())
        return losses, torch.autograd.grad(embedded, leaf, slopes)[0]

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Coordinates to start from, as the chart draws them."""
        return self.chart.coordinates(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "RestrictedLandscape":
        """The stochastic view of the whole landscape, seen through the same chart."""
        return RestrictedLandscape(self.landscape.minibatch(generator), self.chart, self.origin)


class RestrictedPredictive(RestrictedLandscape):
    """A predictive landscape seen through a chart."""

    landscape: Predictive

    @property
    def held_out(self) -> "RestrictedPredictive | Any":  # as in NetworkLandscape
        """The held-out data seen through the same chart; None where there are none."""
        unseen = self.landscape.held_out
        return None if unseen is None else RestrictedPredictive(unseen, self.chart, self.origin)

    def predict(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example."""
        return self.landscape.predict(self.embed(points))

    def accuracy(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, " batch"]:
        """The fraction of examples whose most probable class is the label."""
        return self.landscape.accuracy(self.embed(points))


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
