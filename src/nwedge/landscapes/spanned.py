"""The mean loss over a path or a sheet is a landscape, too: its points are the free vertices."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points
from nwedge._random import derive
from nwedge.geometry import VertexChart
from nwedge.geometry.combination import combine
from nwedge.landscape import Landscape, attached_loss, loss_and_gradient

QUADRATURE = 128
"""Fixed uniform coordinates over which `loss` is averaged."""


C = TypeVar("C", bound=VertexChart)


class SpannedLandscape(Generic[C]):
    """L(V) = E_c loss(embed_V(c)) over uniform coordinates c, as a function of the flattened free vertices V.

    `loss` takes the mean over 128 fixed coordinates; `minibatch` draws `samples` fresh ones, so its expectation is the
    mean over the whole chart and only nearly `loss`: the view declares `unbiased = False`.

    Args:
        landscape: any landscape.
        chart: a path, a curve or a sheet with free vertices.
        samples: coordinates a minibatch draws.

    Raises:
        ValueError: a chart without free vertices.
    """

    def __init__(self, landscape: Landscape, chart: C, *, samples: int) -> None:
        if not chart.free:
            raise ValueError(f"this {type(chart).__name__} has no free vertices: give it at least one bend")
        self.landscape, self.chart, self.samples = landscape, chart, samples
        self.dim = len(chart.free) * chart.ambient
        self.dtype, self.device = landscape.dtype, landscape.device
        self._coords = chart.coordinates(QUADRATURE, derive(0, "quadrature"))
        self._free = torch.tensor(chart.free, device=self.device)
        numbers = torch.arange(len(chart.free), device=self.device)
        self._number = torch.full((len(chart.vertices),), -1, device=self.device).index_copy(0, self._free, numbers)

    @property
    def start(self) -> Float[Tensor, " dim"]:
        """The chart's free vertices as a point, shape (dim,)."""
        return self.chart.vertices[list(self.chart.free)].flatten()

    def chart_at(self, point: Float[Tensor, " dim"]) -> C:
        """The chart whose free vertices are this point."""
        return self.chart.moved(self.chart.vertices.index_copy(0, self._free, point.view(-1, self.chart.ambient)))

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The mean loss over the fixed coordinates, shape (batch,)."""
        check_points(self, points)
        return self.mean_loss(points, *self._fixed(points))

    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The mean losses over the fixed coordinates and their gradients, detached: (batch,) and (batch, dim)."""
        check_points(self, points)
        return self.mean_loss_and_gradient(points, *self._fixed(points))

    def _fixed(self, points: Tensor) -> tuple[list[Landscape], list[Tensor]]:
        return [self.landscape] * len(points), [self._coords] * len(points)

    def mean_loss(
        self, points: Tensor, landscapes: Sequence[Landscape], coords: Sequence[Tensor]
    ) -> Float[Tensor, " batch"]:
        """Row by row, the mean loss over a row's own coordinates in its own view of the landscape."""
        rows = zip(self._embed(points, coords), landscapes, strict=True)
        return torch.stack([attached_loss(view, embedded).mean() for embedded, view in rows])

    def mean_loss_and_gradient(
        self, points: Tensor, landscapes: Sequence[Landscape], coords: Sequence[Tensor]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The `mean_loss` and its gradient, detached: W(c)^T g / len(c), with g the landscape's own gradients."""
        if not len(points):
            return points.new_empty(0), torch.empty_like(points)
        with torch.enable_grad():
            leaf = points.detach().requires_grad_()
            embedded = self._embed(leaf, coords)
        rows = zip(landscapes, embedded, strict=True)
        losses, slopes = zip(*(loss_and_gradient(view, row.detach()) for view, row in rows), strict=True)
        (gradient,) = torch.autograd.grad(embedded, leaf, [slope / len(slope) for slope in slopes])
        return torch.stack([loss.mean() for loss in losses]), gradient

    def _embed(self, points: Tensor, coords: Sequence[Tensor]) -> Sequence[Tensor]:
        """`chart_at(point).embed(at)` for each point and its coordinates, without a copy of any vertices."""
        counts = [len(at) for at in coords]
        rows, weights = self.chart.terms(torch.cat(list(coords)))
        number = self._number[rows]
        moves = number >= 0
        number = torch.cat([own + point * len(self._free) for point, own in enumerate(number.split(counts))])
        fixed = combine(self.chart.vertices, rows * ~moves, weights * ~moves)
        free = combine(points.reshape(-1, self.chart.ambient), number * moves, weights * moves)
        return (fixed + free).split(counts)

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """The chart's own free vertices, `count` times: training starts from there."""
        return self.start.expand(count, -1).clone()

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "SpannedMinibatch":
        """Fresh coordinates, and one minibatch of the landscape that all of them see."""
        return SpannedMinibatch(self, generator)


class SpannedMinibatch:
    """A stochastic view of a `SpannedLandscape`."""

    unbiased = False

    def __init__(self, whole: SpannedLandscape, generator: Generator | Sequence[Generator]) -> None:
        generators = [generator] if isinstance(generator, Generator) else generator
        self.whole, self.shared = whole, isinstance(generator, Generator)
        self.dim, self.dtype, self.device = whole.dim, whole.dtype, whole.device
        self._coords = [whole.chart.coordinates(whole.samples, one) for one in generators]
        self._views = [whole.landscape.minibatch(one) for one in generators]

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The mean loss over the drawn coordinates on the drawn minibatch, shape (batch,).

        Raises:
            ValueError: another number of points than of generators.
        """
        return self.whole.mean_loss(points, *self._drawn(points))

    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The losses and their gradients, shapes (batch,) and (batch, dim), detached.

        Raises:
            ValueError: another number of points than of generators.
        """
        return self.whole.mean_loss_and_gradient(points, *self._drawn(points))

    def _drawn(self, points: Tensor) -> tuple[list[Landscape], list[Tensor]]:
        check_points(self, points)
        repeats = len(points) if self.shared else 1
        if not self.shared and len(points) != len(self._views):
            raise ValueError(
                f"this view was drawn for {len(self._views)} points, one generator each; got {len(points)}"
            )
        return self._views * repeats, self._coords * repeats

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """As in the whole landscape."""
        return self.whole.initial(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "SpannedMinibatch":
        """A fresh draw from the whole landscape."""
        return self.whole.minibatch(generator)
