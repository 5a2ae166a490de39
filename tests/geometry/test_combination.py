"""Sparse combinations against the dense product, with their derivatives."""

import pytest
import torch

from nwedge._random import derive
from nwedge.geometry import Bezier, Path, Sheet
from nwedge.geometry.combination import combine

F64 = torch.float64


def drawn(batch: int = 5, terms: int = 3, vertices: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vertices, rows with repeats within a combination, and weights."""
    rows = torch.randint(vertices, (batch, terms), generator=derive(0))
    rows[0] = rows[0, 0]
    values = torch.randn(vertices, 4, generator=derive(1), dtype=F64)
    return values, rows, torch.randn(batch, terms, generator=derive(2), dtype=F64)


def dense(vertices: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The obvious reference."""
    matrix = weights.new_zeros(len(rows), len(vertices)).scatter_add(1, rows, weights)
    return matrix @ vertices


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_combination_is_the_dense_product_and_so_is_its_gradient(dtype: torch.dtype) -> None:
    vertices, rows, weights = drawn()
    given = (vertices.to(dtype).requires_grad_(), rows, weights.to(dtype).requires_grad_())
    found, expected = combine(*given), dense(*given)
    torch.testing.assert_close(found, expected)
    slope = torch.randn(found.shape, generator=derive(3), dtype=dtype)
    ours, theirs = (torch.autograd.grad(one, (given[0], given[2]), slope) for one in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_derivatives_of_every_order_are_those_of_finite_differences() -> None:
    vertices, rows, weights = drawn()
    inputs = (vertices.requires_grad_(), weights.requires_grad_())
    assert torch.autograd.gradcheck(lambda v, w: combine(v, rows, w), inputs)
    assert torch.autograd.gradgradcheck(lambda v, w: combine(v, rows, w), inputs)


def test_vertices_that_never_count_have_no_slope_and_no_combination_is_none() -> None:
    vertices, rows, weights = drawn(vertices=50)
    vertices.requires_grad_()
    (slope,) = torch.autograd.grad(combine(vertices, rows, weights).sum(), vertices)
    assert (slope[~torch.isin(torch.arange(50), rows)] == 0).all()
    assert combine(vertices, rows[:0], weights[:0]).shape == (0, 4)


@pytest.mark.parametrize("chart", ["path", "bezier", "sheet"])
def test_charts_embed_with_the_few_vertices_that_count(chart: str) -> None:
    vertices = torch.randn(6, 4, generator=derive(4), dtype=F64)
    made = {"path": Path(vertices), "bezier": Bezier(vertices), "sheet": Sheet(vertices)}[chart]
    coords = made.coordinates(40, derive(5))
    rows, weights = made.terms(coords)
    assert rows.shape == weights.shape == (40, {"path": 2, "bezier": 6, "sheet": 6}[chart])
    torch.testing.assert_close(made.embed(coords), made.weights(coords) @ made.vertices)


def test_the_hats_of_a_path_have_their_tops_at_its_vertices() -> None:
    path = Path(torch.randn(5, 4, generator=derive(6), dtype=F64))
    t = torch.cat([torch.rand(50, 1, generator=derive(7), dtype=F64), torch.linspace(0, 1, 5, dtype=F64)[:, None]])
    t = torch.cat([t, t.new_tensor([[-0.5], [1.5]])])
    hats = (1 - (t.clamp(0, 1) * 4 - torch.arange(5, dtype=F64)).abs()).clamp(min=0)
    torch.testing.assert_close(path.weights(t), hats)
    assert path.embed(t.new_tensor([[torch.nan]])).isnan().all()
