"""Families of wedges: given the coordinates of points, which wedge is nearest.

Every wedge is the set where its short coordinates are 0. The coordinates are those of the point itself for axis-aligned
wedges, and its products with the rows of a basis for randomly oriented ones.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag


class Complete:
    """One wedge for every choice of `short` coordinates: the nearest is short where |coordinate| is smallest.

    No wedge is stored.
    """

    def __init__(self, short: int) -> None:
        self.short = short

    def nearest(self, coordinates: Float[Tensor, "batch axes"]) -> Int64[Tensor, "batch short"]:
        """The short coordinates of the nearest wedge, unordered; NaN counts as smallest and so reaches the loss."""
        sizes = coordinates.abs().nan_to_num_(nan=-1.0, posinf=torch.inf)
        return sizes.topk(self.short, dim=1, largest=False, sorted=False).indices


class Sampled:
    """Given wedges, each by its set of short coordinates.

    Args:
        sets: the short coordinates of each wedge, shape (wedges, most), padded with -1.
    """

    def __init__(self, sets: Int64[Tensor, "wedges most"]) -> None:
        self.sets = sets
        counts = (sets >= 0).sum(1)
        self._flat = sets[sets >= 0]
        self._offsets = counts.cumsum(0) - counts

    def squares(self, coordinates: Float[Tensor, "batch axes"]) -> Float[Tensor, "batch wedges"]:
        """The squared norm of each wedge's short coordinates."""
        table = coordinates.T.square().contiguous()
        return embedding_bag(self._flat, table, self._offsets, mode="sum").T

    def nearest_wedge(self, coordinates: Float[Tensor, "batch axes"]) -> Int64[Tensor, " batch"]:
        """The index of the nearest wedge; one whose distance is NaN counts as nearest."""
        return self.squares(coordinates).argmin(1)

    def nearest(self, coordinates: Float[Tensor, "batch axes"]) -> Int64[Tensor, "batch most"]:
        """The short coordinates of the nearest wedge, padded with -1."""
        return self.sets[self.nearest_wedge(coordinates)]
