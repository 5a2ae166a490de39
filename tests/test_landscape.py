"""The free functions: exact on quadratics, indifferent to chunks, and clear about what they refuse."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge import landscape as module
from nwedge.landscape import Landscape, Predictive, evaluate, gradient, hvp, loss_and_gradient, row_finite

DIM = 4
LIGHT = settings(deadline=None, max_examples=25)


class Base:
    """A landscape that notes the size of every batch that `loss` sees, and whether a graph was wanted."""

    def __init__(self, dtype=torch.float64):
        self.dim, self.dtype, self.device = DIM, dtype, torch.device("cpu")
        self.batches, self.graphs = [], []

    def loss(self, points):
        self.batches.append(len(points))
        self.graphs.append(torch.is_grad_enabled())
        return self.value(points)

    def value(self, points):
        raise NotImplementedError

    def initial(self, count, generator):
        return torch.randn(count, DIM, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self


class Quadratic(Base):
    """P.A P / 2 + b.P, whose gradient is A P + b and whose Hessian is A."""

    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        draws = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)
        self.a, self.b = draws + draws.T, draws[0]

    def value(self, points):
        return (points @ self.a * points).sum(1) / 2 + points @ self.b


class Linear(Base):
    def value(self, points):
        return points.sum(1)


class Wavy(Base):
    def value(self, points):
        return points.sin().prod(1) + (points**2).sum(1).sqrt()


class Detached(Base):
    def value(self, points):
        return points.detach().sum(1)


class Own(Base):
    """Derivatives that differentiating `loss` would not give, so that one sees where they come from."""

    def value(self, points):
        return points.sum(1)

    def gradient(self, points):
        return 7 * points

    def hvp(self, points, vectors):
        return 3 * vectors


def points_of(count, seed=0, dtype=torch.float64):
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_a_quadratic_is_exact():
    landscape, points, vectors = Quadratic(), points_of(5), points_of(5, seed=1)
    for row, point in enumerate(points):
        loss = point @ landscape.a @ point / 2 + landscape.b @ point
        torch.testing.assert_close(evaluate(landscape, points)[row], loss)
    torch.testing.assert_close(gradient(landscape, points), points @ landscape.a + landscape.b)
    torch.testing.assert_close(hvp(landscape, points, vectors), vectors @ landscape.a)


def test_derivatives_agree_with_central_differences():
    landscape, points, h = Wavy(), points_of(6), 1e-5
    for axis in torch.eye(DIM, dtype=torch.float64):
        ahead, behind, along = points + h * axis, points - h * axis, axis.expand_as(points)
        slope = (evaluate(landscape, ahead) - evaluate(landscape, behind)) / (2 * h)
        torch.testing.assert_close(gradient(landscape, points) @ axis, slope, rtol=1e-6, atol=1e-8)
        curvature = (gradient(landscape, ahead) - gradient(landscape, behind)) / (2 * h)
        torch.testing.assert_close(hvp(landscape, points, along), curvature, rtol=1e-6, atol=1e-8)


@LIGHT
@given(count=st.integers(1, 12), chunk=st.integers(1, 15))
def test_chunks_change_nothing_but_the_batches(count, chunk):
    points, vectors = points_of(count), points_of(count, seed=1)
    for one in (evaluate, gradient, lambda *args, **options: hvp(*args[:1], points, vectors, **options)):
        landscape = Wavy()
        torch.testing.assert_close(one(landscape, points, chunk=chunk), one(Wavy(), points), rtol=1e-12, atol=1e-12)
        assert max(landscape.batches) == min(chunk, count)
        assert sum(landscape.batches) == count


@pytest.mark.parametrize(("elements", "batch"), [(3 * DIM, 3), (3 * DIM + 1, 3), (1, 1), (100 * DIM, 10)])
def test_memory_is_bounded_where_no_chunk_is_given(monkeypatch, elements, batch):
    monkeypatch.setattr(module, "ELEMENTS_AT_ONCE", elements)
    landscape, points = Wavy(), points_of(10)
    evaluate(landscape, points)
    gradient(landscape, points)
    hvp(landscape, points, points)
    assert max(landscape.batches) == batch
    assert sum(landscape.batches) == 30


def test_own_derivatives_are_used_chunk_by_chunk():
    landscape, points = Own(), points_of(5)
    seen = []
    landscape.gradient = lambda rows: seen.append(len(rows)) or 7 * rows
    torch.testing.assert_close(gradient(landscape, points, chunk=2), 7 * points)
    assert seen == [2, 2, 1]
    torch.testing.assert_close(hvp(landscape, points, points, chunk=2), 3 * points)
    assert landscape.batches == []
    losses, slopes = loss_and_gradient(landscape, points)
    torch.testing.assert_close(losses, points.sum(1))
    torch.testing.assert_close(slopes, 7 * points)
    assert landscape.graphs == [False]


def test_an_own_gradient_does_not_stand_in_for_curvature():
    landscape = Quadratic()
    landscape.gradient = lambda points: 7 * points
    vectors = points_of(3, seed=1)
    torch.testing.assert_close(hvp(landscape, points_of(3), vectors), vectors @ landscape.a)


def test_loss_and_gradient_are_those_of_one_pass():
    landscape, points = Quadratic(), points_of(5)
    losses, slopes = loss_and_gradient(landscape, points)
    assert landscape.batches == [5]
    torch.testing.assert_close(losses, evaluate(landscape, points))
    torch.testing.assert_close(slopes, gradient(landscape, points))
    assert not losses.requires_grad
    assert not slopes.requires_grad


@pytest.mark.parametrize("kind", [Quadratic, Own])
def test_nothing_comes_with_a_graph_and_the_points_stay_as_they_are(kind):
    landscape, points = kind(), points_of(3).requires_grad_()
    before = points.detach().clone()
    results = evaluate(landscape, points), hvp(landscape, points, points.detach())
    assert not any(result.requires_grad for result in results)
    assert points.grad is None
    assert torch.equal(points.detach(), before)


def test_losses_are_evaluated_without_a_graph():
    landscape = Wavy()
    evaluate(landscape, points_of(3))
    assert landscape.graphs == [False]


def test_derivatives_are_there_where_the_caller_wants_no_graph():
    points = points_of(3)
    with torch.no_grad():
        slopes, products = gradient(Quadratic(), points), hvp(Quadratic(), points, points)
    torch.testing.assert_close(slopes, gradient(Quadratic(), points))
    torch.testing.assert_close(products, hvp(Quadratic(), points, points))


def test_a_linear_landscape_has_no_curvature():
    points = points_of(3)
    assert torch.equal(hvp(Linear(), points, points), torch.zeros_like(points))


def test_a_slope_that_depends_on_other_tensors_alone_has_no_curvature():
    class Weighted(Base):
        weight = torch.ones(DIM, dtype=torch.float64, requires_grad=True)

        def value(self, points):
            return points @ self.weight

    points = points_of(3)
    assert torch.equal(hvp(Weighted(), points, points), torch.zeros_like(points))


def test_nan_stays_nan():
    class Hole(Base):
        def value(self, points):
            return torch.where(points[:, 0] > 0, torch.nan, points.sum(1))

    points = points_of(6)
    losses = evaluate(Hole(), points, chunk=2)
    assert torch.equal(losses.isnan(), points[:, 0] > 0)
    assert 0 < losses.isnan().sum() < 6


def test_no_points_have_no_losses_and_ask_for_none():
    landscape = Quadratic(torch.float32)
    losses = evaluate(landscape, points_of(0, dtype=torch.float32))
    assert (losses.shape, losses.dtype) == ((0,), torch.float32)
    assert landscape.batches == []


@pytest.mark.parametrize("one", [gradient, loss_and_gradient, lambda landscape, points: hvp(landscape, points, points)])
def test_a_detached_loss_is_refused(one):
    with pytest.raises(RuntimeError, match="must stay attached to the points"):
        one(Detached(), points_of(2))


ALL = [evaluate, gradient, lambda landscape, points, **options: hvp(landscape, points, points, **options)]


@pytest.mark.parametrize("one", ALL)
def test_points_that_do_not_fit_are_refused_with_both_words(one):
    with pytest.raises(ValueError, match=r"points must have shape \(batch, 4\); got \(3, 5\)"):
        one(Quadratic(), torch.zeros(3, 5, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"points must have dtype torch.float64; got torch.float32"):
        one(Quadratic(), points_of(3, dtype=torch.float32))
    with pytest.raises(ValueError, match="points must be on device cpu; got meta"):
        one(Quadratic(), points_of(3).to("meta"))


@pytest.mark.parametrize("one", ALL)
@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_holds_at_least_one_point(one, chunk):
    with pytest.raises(ValueError, match=f"chunk must be at least 1 point; got {chunk}"):
        one(Quadratic(), points_of(3), chunk=chunk)


def test_vectors_that_do_not_fit_are_refused_with_both_words():
    with pytest.raises(
        ValueError, match=r"vectors must have the dtype of the points, torch.float64; got torch.float32"
    ):
        hvp(Quadratic(), points_of(3), points_of(3, dtype=torch.float32))
    with pytest.raises(ValueError, match="vectors must have the device of the points, cpu; got meta"):
        hvp(Quadratic(), points_of(3), points_of(3).to("meta"))


def test_float32_stays_float32():
    landscape, points = Quadratic(torch.float32), points_of(3, dtype=torch.float32)
    for result in (evaluate(landscape, points), gradient(landscape, points), hvp(landscape, points, points)):
        assert result.dtype == torch.float32


def test_row_finite():
    values = torch.tensor([[1.0, 2.0], [torch.nan, 1.0], [1.0, torch.inf], [0.0, 0.0]])
    assert row_finite(values).tolist() == [True, False, False, True]
    assert row_finite(values[:, 0]).tolist() == [True, False, True, True]
    assert row_finite(values[:, :, None]).tolist() == [True, False, False, True]


def test_the_protocols_are_those_of_the_attributes():
    assert isinstance(Quadratic(), Landscape)
    assert not isinstance(Quadratic(), Predictive)
    assert not isinstance(torch.nn.Linear(1, 1), Landscape)
    predictive = Quadratic()
    predictive.held_out = predictive.predict = predictive.accuracy = lambda points: points
    assert isinstance(predictive, Predictive)
