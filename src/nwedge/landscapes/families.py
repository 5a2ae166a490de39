"""Families of wedges: given the coordinates of points, which wedge is nearest.

Every wedge is the set where its short coordinates are 0. The coordinates are those of the point itself for axis-aligned
wedges, and its products with the rows of a basis for randomly oriented ones.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

from nwedge.landscapes.selection import keep_smallest, smallest

AXES = 4000
"""Coordinates whose squares are transposed at once on a CPU, so that they are gathered from the cache; no power of 2,
at which the rows would fall on the same lines of it."""
MOST_BLOCKS = 64
"""Of axes: where there are more, the blocks are larger."""

Found = tuple[Float[Tensor, " batch"], Tensor]
"""The squared norm of the nearest wedge's short coordinates, and what tells this wedge from the others, (batch,)."""


class Complete:
    """One wedge for every choice of `short` coordinates: the nearest is short where |coordinate| is smallest.

    No wedge is stored: the largest |coordinate| that is short tells it. Of equal ones the first are short.
    """

    def __init__(self, short: int) -> None:
        self.short = short

    def find(self, coordinates: Float[Tensor, "batch axes"]) -> Found:
        """The nearest wedge; NaN counts as smallest and so reaches the squares."""
        return smallest(coordinates, self.short)

    def part(
        self, values: Float[Tensor, "batch axes"], coordinates: Float[Tensor, "batch axes"], level: Tensor
    ) -> Float[Tensor, "batch axes"]:
        """The values where the wedge that was found for the coordinates is short, and 0 elsewhere."""
        return keep_smallest(values, coordinates, self.short, level)

    def nearest(self, coordinates: Float[Tensor, "batch axes"]) -> Int64[Tensor, "batch short"]:
        """The short coordinates of the nearest wedge, unordered; of equal ones those that `part` takes."""
        ones = self.part(torch.ones_like(coordinates), coordinates, self.find(coordinates)[1])
        return ones.topk(self.short, dim=1, sorted=False).indices


class Sampled:
    """Given wedges, each by its set of short coordinates.

    Args:
        sets: the short coordinates of each wedge, shape (wedges, most), padded with -1.
    """

    def __init__(self, sets: Int64[Tensor, "wedges most"]) -> None:
        self.sets = sets
        wedges, flat = len(sets), sets[sets >= 0]
        axes = int(flat.max()) + 1 if len(flat) else 1
        self._size = max(AXES, -(-axes // MOST_BLOCKS)) if sets.device.type == "cpu" else axes
        place = flat // self._size * wedges + torch.nonzero(sets >= 0)[:, 0]  # the block, and in it the wedge
        blocks = -(-axes // self._size)
        counts = torch.bincount(place, minlength=blocks * wedges).view(blocks, wedges)
        inside = (flat[place.argsort(stable=True)] % self._size).split(counts.sum(1).tolist())
        self._blocks = list(zip(inside, counts.cumsum(1) - counts, strict=True))

    def squares(self, coordinates: Float[Tensor, "batch axes"]) -> Float[Tensor, "batch wedges"]:
        """The squared norm of each wedge's short coordinates, added up one block of axes after another."""
        sums = None
        for (inside, first), block in zip(self._blocks, coordinates.split(self._size, dim=1), strict=False):
            some = embedding_bag(inside, block.T.square().contiguous(), first, mode="sum")
            sums = some if sums is None else sums.add_(some)
        assert sums is not None
        return sums.T

    def find(self, coordinates: Float[Tensor, "batch axes"]) -> Found:
        """The nearest wedge by its index; one whose distance is NaN counts as nearest."""
        wedge = self.squares(coordinates).argmin(1)
        rows = self.sets[wedge]
        short = coordinates.gather(1, rows.clamp(min=0)).masked_fill_(rows < 0, 0.0)
        return short.square_().sum(1), wedge

    def part(
        self, values: Float[Tensor, "batch axes"], coordinates: Float[Tensor, "batch axes"], wedge: Tensor
    ) -> Float[Tensor, "batch axes"]:
        """The values where the wedge that was found for the coordinates is short, and 0 elsewhere."""
        rows, axes = self.sets[wedge], values.shape[1]
        result = values.new_zeros(len(values), axes + 1)  # the last column takes the -1
        result.scatter_(1, rows.where(rows >= 0, axes), values.gather(1, rows.clamp(min=0)))
        return result[:, :axes]

    def nearest(self, coordinates: Float[Tensor, "batch axes"]) -> Int64[Tensor, "batch most"]:
        """The short coordinates of the nearest wedge, padded with -1."""
        return self.sets[self.find(coordinates)[1]]


def nearest_squares(coordinates: Float[Tensor, "batch axes"], family: Complete | Sampled) -> Float[Tensor, " batch"]:
    """The squared norm of the nearest wedge's short coordinates, twice differentiable on that wedge alone.

    Of the wedge no more is kept for the derivatives than what tells it from the others.
    """
    if not (torch.is_grad_enabled() and coordinates.requires_grad):
        return family.find(coordinates)[0]
    return _NearestSquares.apply(coordinates, family)  # pyright: ignore[reportReturnType]


class _NearestSquares(torch.autograd.Function):
    """|c_S|^2 with its derivative 2 c_S."""

    @staticmethod
    def forward(ctx: Any, coordinates: Tensor, family: Complete | Sampled) -> Tensor:
        squares, key = family.find(coordinates)
        ctx.save_for_backward(coordinates, key)
        ctx.family = family
        return squares

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        coordinates, key = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return ctx.family.part(coordinates, coordinates, key).mul_(2 * slopes[0][:, None]), None
        return 2 * slopes[0][:, None] * _Part.apply(coordinates, coordinates.detach(), key, ctx.family), None


class _Part(torch.autograd.Function):
    """Values where a wedge is short, and 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, coordinates: Tensor, key: Tensor, family: Complete | Sampled) -> Tensor:
        ctx.save_for_backward(coordinates, key)
        ctx.family = family
        return family.part(values, coordinates, key)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        coordinates, key = ctx.saved_tensors
        return _Part.apply(slopes[0], coordinates, key, ctx.family), None, None, None  # pyright: ignore[reportReturnType]
