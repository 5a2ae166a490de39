"""Random subspaces: orthonormal for every dimension, exact adjoints, each plane as if alone, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nwedge._random import derive
from nwedge.geometry import RandomSubspace, hadamard
from nwedge.geometry.hadamard import sylvester, transform
from nwedge.geometry.subspace import KINDS, RandomSubspaces, stored_bytes

F64 = torch.float64
CPU = torch.device("cpu")
SIZES = [(1, 1), (2, 1), (7, 3), (7, 7), (64, 64), (63, 40), (100, 5), (257, 16), (1000, 33), (1000, 700)]


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(*shape, generator=derive(seed, "test"), dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim", "d"), SIZES)
def test_columns_are_orthonormal_and_no_weight_stands_still(kind: str, dim: int, d: int) -> None:
    for seed in range(3):
        basis = RandomSubspace(dim, d, kind, seed, dtype=F64).basis
        torch.testing.assert_close(basis.T @ basis, torch.eye(d, dtype=F64), rtol=0, atol=1e-13)
        assert (basis != 0).any(1).all()


@pytest.mark.parametrize("kind", ["hadamard", "sparse"])
def test_all_weights_move_about_equally_far_where_planes_are_small(kind: str) -> None:
    shares = RandomSubspace(5003, 37, kind, dtype=F64).basis.square().sum(1) * 5003 / 37
    assert shares.min() > 0.98
    assert shares.max() < 1.02


@st.composite
def cases(draw_: st.DrawFn) -> tuple[str, int, int, int, torch.dtype]:
    dim = draw_(st.integers(1, 300))
    d, rows = draw_(st.integers(1, dim)), draw_(st.integers(0, 3))
    return draw_(st.sampled_from(list(KINDS))), dim, d, rows, draw_(st.sampled_from([torch.float32, F64]))


@settings(deadline=None, max_examples=150)
@given(cases(), st.integers(0, 10))
def test_the_transpose_is_the_exact_adjoint(case: tuple[str, int, int, int, torch.dtype], seed: int) -> None:
    """<Q c, v> = <c, Q^T v>, the norm is kept, and Q^T Q c = c."""
    kind, dim, d, rows, dtype = case
    chart = RandomSubspace(dim, d, kind, seed, dtype=dtype)
    c, v = draw(rows, d, dtype=dtype), draw(rows, dim, seed=1, dtype=dtype)
    moves, back = chart.embed(c), chart.transpose(v)
    rounding = 30 * torch.finfo(dtype).eps
    scale = (c.norm(dim=1) * v.norm(dim=1)).amax().item() if rows else 1.0
    torch.testing.assert_close((moves * v).sum(1), (c * back).sum(1), rtol=0, atol=rounding * scale)
    torch.testing.assert_close(moves.norm(dim=1), c.norm(dim=1), rtol=rounding, atol=0)
    torch.testing.assert_close(chart.transpose(moves), c, rtol=0, atol=rounding * math.sqrt(d))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_embed_and_transpose_are_products_with_the_basis(kind: str, dtype: torch.dtype) -> None:
    chart = RandomSubspace(333, 21, kind, 4, dtype=dtype)
    c, v = draw(5, 21, dtype=dtype), draw(5, 333, dtype=dtype)
    torch.testing.assert_close(chart.embed(c), c @ chart.basis.T)
    torch.testing.assert_close(chart.transpose(v), v @ chart.basis)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_pass_through_both_ways_and_twice(kind: str) -> None:
    chart = RandomSubspace(19, 5, kind, dtype=F64)
    c, v = draw(2, 5).requires_grad_(), draw(2, 19).requires_grad_()
    assert torch.autograd.gradcheck(chart.embed, c)
    assert torch.autograd.gradcheck(chart.transpose, v)
    assert torch.autograd.gradgradcheck(lambda x: chart.embed(x).pow(3), c)


@pytest.mark.parametrize("kind", ["hadamard", "sparse"])
def test_a_derivative_costs_one_transpose(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    there, back = KINDS[kind]._embed, KINDS[kind]._transpose
    monkeypatch.setattr(KINDS[kind], "_embed", lambda self, x: calls.append("embed") or there(self, x))
    monkeypatch.setattr(KINDS[kind], "_transpose", lambda self, x: calls.append("transpose") or back(self, x))
    RandomSubspace(50, 7, kind).embed(torch.ones(3, 7, requires_grad=True)).sum().backward()
    assert calls == ["embed", "transpose"]


@pytest.mark.parametrize("kind", KINDS)
def test_planes_side_by_side_are_those_that_stand_alone(kind: str) -> None:
    planes = RandomSubspaces(100, 9, kind, seeds=(3, 8, 3), dtype=F64)
    c, v = draw(3, 2, 9), draw(3, 2, 100)
    moves, back, matrices = planes.embed(c), planes.transpose(v), planes.matrices()
    for row, seed in enumerate((3, 8, 3)):
        alone = RandomSubspace(100, 9, kind, seed, dtype=F64)
        torch.testing.assert_close(moves[row], alone.embed(c[row]))
        torch.testing.assert_close(back[row], alone.transpose(v[row]))
        torch.testing.assert_close(matrices[row], alone.basis)
    assert not torch.allclose(matrices[0], matrices[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_projection_is_uniform(kind: str) -> None:
    """E[Q Q^T] = (d / dim) I, as for a uniform subspace; exactly so on the diagonal where d divides dim."""
    draws = [RandomSubspace(8, 4, kind, seed, dtype=F64).basis for seed in range(400)]
    mean = torch.stack([one @ one.T for one in draws]).mean(0)
    torch.testing.assert_close(mean, 0.5 * torch.eye(8, dtype=F64), atol=0.09, rtol=0)


def test_weights_of_other_blocks_are_as_incoherent_as_those_of_a_uniform_subspace() -> None:
    """Products of two rows have the mean square d / dim^2, within a block and between blocks."""
    dim, d = 1024, 65
    for kind in ("hadamard", "dense"):
        basis = RandomSubspace(dim, d, kind, dtype=F64).basis
        products = (basis @ basis.T).fill_diagonal_(0).abs() * dim / d
        assert products.square().mean().item() == pytest.approx(1 / d, rel=0.1)
        assert products.max() < 0.8


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("size", [1, 2, 8, 16, 32, 128, 1024])
def test_the_fast_transform_is_the_product_with_the_matrix(size: int, dtype: torch.dtype) -> None:
    """On small integers, whose sums have no rounding."""
    matrix = sylvester(size, dtype, CPU)
    assert torch.equal(matrix @ matrix, size * torch.eye(size, dtype=dtype))
    x = torch.randint(-8, 9, (3, 2, size), generator=derive(size)).to(dtype)
    assert torch.equal(transform(x.clone()), x @ matrix)


def test_blocks_transformed_in_turn_are_those_transformed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    chart = RandomSubspace(1000, 30, "hadamard", dtype=F64)
    c, v = draw(3, 30), draw(3, 1000)
    moves, back = chart.embed(c), chart.transpose(v)
    monkeypatch.setattr(hadamard, "CPU_ELEMENTS", 200)
    torch.testing.assert_close(chart.embed(c), moves)
    torch.testing.assert_close(chart.transpose(v), back)


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_fixed_by_its_seed(kind: str) -> None:
    first, again, other = (RandomSubspace(40, 6, kind, seed).basis for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_nan_in_its_row(kind: str) -> None:
    coords = torch.ones(2, 6)
    coords[0, 2] = math.nan
    moves = RandomSubspace(40, 6, kind).embed(coords)
    assert moves[0].isnan().any()
    assert moves[1].isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(("dim", "d"), [*SIZES, (5000, 70), (4096, 70), (5000, 3000)])
def test_the_bytes_that_are_stated_are_those_that_are_held(kind: str, dim: int, d: int, dtype: torch.dtype) -> None:
    bases = RandomSubspaces(dim, d, kind, seeds=(0,), dtype=dtype)._bases
    slots = [part.slots for part in getattr(bases, "parts", ())]
    held = [value for value in [*vars(bases).values(), *slots] if isinstance(value, Tensor)]
    assert sum(tensor.nbytes for tensor in held) == stored_bytes(kind, dim, d, dtype)


@pytest.mark.parametrize("kind", ["hadamard", "sparse"])
def test_what_is_held_grows_with_the_weights_alone(kind: str) -> None:
    for dim in (5000, 50_000):
        for d in (1, 70, 700, dim):
            assert stored_bytes(kind, dim, d, torch.float32) <= 20 * dim


def test_bad_input_gets_one_sentence() -> None:
    with pytest.raises(ValueError, match="d must be between 1 and 7; got 8"):
        RandomSubspace(7, 8)
    with pytest.raises(ValueError, match="kind must be one of 'dense', 'hadamard', 'sparse'; got 'fastfood'"):
        RandomSubspace(7, 2, kind="fastfood")
    with pytest.raises(ValueError, match=r"takes 7\.5 GiB, over the 2 GiB .* kind='hadamard' or 'sparse'"):
        RandomSubspace(10**6, 2000)
    with pytest.raises(ValueError, match=r"takes 7\.5 GiB, over the 2 GiB .* use embed and transpose"):
        _ = RandomSubspace(10**6, 2000, "sparse").basis
    with pytest.raises(ValueError, match=r"vectors must have shape \(batch, 7\); got \(2, 3\)"):
        RandomSubspace(7, 3).transpose(torch.zeros(2, 3))
    planes = RandomSubspaces(7, 3, seeds=(0, 1))
    with pytest.raises(ValueError, match=r"coords must be a tensor of shape \(2, rows, 3\); got \(3, 2, 3\)"):
        planes.embed(torch.zeros(3, 2, 3))
    with pytest.raises(ValueError, match=r"vectors of a subspace must have shape \(batch, 7\)"):
        planes.transpose(torch.zeros(2, 2, 6))
    with pytest.raises(ValueError, match="seeds must hold at least one"):
        RandomSubspaces(7, 3, seeds=())
