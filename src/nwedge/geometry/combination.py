"""Combinations of few of many vertices: the sums that charts of vertices embed to, and their derivatives."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

from nwedge._checks import check_points

Terms = tuple[Int64[Tensor, "batch term"], Float[Tensor, "batch term"]]
"""Which vertices count in each combination, by row, and how much; the rows of one combination may repeat."""


def combine(
    vertices: Float[Tensor, "vertex ambient"],
    rows: Int64[Tensor, "batch term"],
    weights: Float[Tensor, "batch term"],
) -> Float[Tensor, "batch ambient"]:
    """sum_j weights[:, j] vertices[rows[:, j]], shape (batch, ambient).

    Differentiable any number of times in the vertices and the weights. No step takes a product with vertices that do
    not count, nor stores a copy of those that do for each combination, unless the weights' derivative is asked for.
    """
    batch, terms = rows.shape
    bags = torch.arange(batch, device=rows.device).repeat_interleave(terms)
    return _Sums.apply(vertices, weights.flatten(), rows.flatten(), bags, batch)  # pyright: ignore[reportReturnType]


class OfVertices:
    """What charts share that are linear in their vertices, embed(c) = W(c) V, with a sparse W."""

    dim: int
    ambient: int
    dtype: torch.dtype
    device: torch.device
    vertices: Float[Tensor, "vertex ambient"]

    def terms(self, coords: Float[Tensor, "batch coords"]) -> Terms:
        """The vertices that count at each coordinate and how much; see `nwedge.geometry.VertexChart`."""
        raise NotImplementedError

    def weights(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch vertex"]:
        """W(c), how much each vertex counts, with all its zeros."""
        rows, weights = self.terms(coords)
        return weights.new_zeros(len(coords), len(self.vertices)).scatter_add(1, rows, weights)

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points W(c) V, shape (batch, ambient)."""
        check_points(self, coords, "coords")
        return combine(self.vertices, *self.terms(coords))


class _Sums(torch.autograd.Function):
    """sums[b] = sum over the entries e with bag[e] = b of weight[e] values[row[e]], the bags being in order.

    The derivative in the values is a sum of the same kind, in which rows and bags change places.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, row: Tensor, bag: Tensor, bags: int) -> Tensor:
        ctx.save_for_backward(values, weight, row, bag)
        first = torch.searchsorted(bag, torch.arange(bags, device=bag.device))
        return embedding_bag(row, values, first, per_sample_weights=weight, mode="sum")

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, row, bag = ctx.saved_tensors
        of_values = of_weight = None
        if ctx.needs_input_grad[0]:
            order = row.argsort(stable=True)
            of_values = _Sums.apply(slopes[0], weight[order], bag[order], row[order], len(values))
        if ctx.needs_input_grad[1]:
            of_weight = (slopes[0][bag] * values[row]).sum(1)
        return of_values, of_weight, None, None, None  # pyright: ignore[reportReturnType]
