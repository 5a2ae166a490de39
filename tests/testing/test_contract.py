"""Honest landscapes of every kind pass; the points may be given; the outcome depends on landscape and seed alone."""

import random

import pytest
import torch

import nwedge
from nwedge.testing import LandscapeError, check_landscape

DIM = 6


class Flat:
    """A linear loss without noise: the least that a landscape must be, and no curvature."""

    def __init__(self, dtype=torch.float64, dim=DIM):
        self.dim, self.dtype, self.device = dim, dtype, torch.device("cpu")

    def loss(self, points):
        return points.sum(1)

    def initial(self, count, generator):
        return torch.randn(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self


class Bowl(Flat):
    def loss(self, points):
        return (points**2).sum(1)


class Ridge(Flat):
    """Kinks, and no gradient along most coordinates."""

    def loss(self, points):
        return points[:, 0].abs() + points[:, 1].relu()


class Valley(Flat):
    """Zero loss, gradient and curvature everywhere."""

    def loss(self, points):
        return 0 * points.sum(1)


class Tilted(Flat):
    """A quartic with minibatch noise: a random tilt, one for all points or one a row."""

    def __init__(self, dtype=torch.float64, dim=DIM, tilt=0.0):
        super().__init__(dtype, dim)
        self.tilt = tilt

    def loss(self, points):
        return (points**4).sum(1) + (points[:, 0] * points[:, 1]).exp() + (self.tilt * points).sum(1)

    def minibatch(self, generator):
        generators = [generator] if isinstance(generator, torch.Generator) else generator
        tilts = torch.stack([torch.randn(self.dim, generator=one, dtype=self.dtype) for one in generators])
        return Tilted(self.dtype, self.dim, tilts)


class BlackBox(Flat):
    """A loss that another framework computes: detached, with its own derivatives."""

    def loss(self, points):
        return (points.detach() ** 4).sum(1)

    def gradient(self, points):
        return 4 * points**3

    def hvp(self, points, vectors):
        return 12 * points**2 * vectors


class GradientAlone(BlackBox):
    hvp = property()


class Tiny(Bowl):
    """A landscape whose scale is far below the usual step of differences."""

    def initial(self, count, generator):
        return 1e-4 * super().initial(count, generator)

    def loss(self, points):
        return ((1e4 * points) ** 4).sum(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", [Flat, Bowl, Ridge, Valley, Tilted, BlackBox, GradientAlone, Tiny])
def test_honest_landscapes_pass(kind, dtype):
    for seed in range(2):
        check_landscape(kind(dtype), seed=seed)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("dim", [1, 2, 5000])
def test_every_dimension_passes(dim, dtype):
    check_landscape(Bowl(dtype, dim))


def test_the_minimum_passes():
    check_landscape(Bowl(), points=torch.zeros(2, DIM, dtype=torch.float64))


def test_points_may_be_given():
    seen = []

    class Watched(Bowl):
        def loss(self, points):
            seen.append(points.detach().clone())
            return super().loss(points)

    points = torch.full((3, DIM), 0.25, dtype=torch.float64)
    nwedge.check_landscape(Watched(), points=points)
    assert any(torch.equal(batch, points) for batch in seen)


def test_points_that_do_not_fit_are_refused():
    points = torch.zeros(3, DIM, dtype=torch.float64)
    with pytest.raises(ValueError, match="at least 2"):
        check_landscape(Bowl(), points=points[:1])
    with pytest.raises(ValueError, match=r"\(batch, 6\); got \(3, 2\)"):
        check_landscape(Bowl(), points=points[:, :2])
    with pytest.raises(TypeError, match=r"float64; got torch\.float32"):
        check_landscape(Bowl(), points=points.float())


def test_a_law_broken_at_the_given_points_alone_is_caught():
    class Cliff(Bowl):
        def loss(self, points):
            return torch.where(points[:, 0] > 100, torch.nan, super().loss(points))

    check_landscape(Cliff())
    with pytest.raises(LandscapeError, match="finite losses"):
        check_landscape(Cliff(), points=torch.full((2, DIM), 101.0, dtype=torch.float64))


def test_the_outcome_is_the_same_every_time():
    class Biased(Tilted):
        def minibatch(self, generator):
            view = super().minibatch(generator)
            view.tilt = view.tilt + 1
            return view

    sentences = set()
    for _ in range(3):
        with pytest.raises(LandscapeError, match="expectation") as caught:
            check_landscape(Biased())
        sentences.add(str(caught.value))
    assert len(sentences) == 1


def test_the_kit_itself_changes_nothing():
    points = torch.ones(2, DIM, dtype=torch.float64)
    before = torch.get_rng_state(), random.getstate()
    check_landscape(Tilted(), points=points)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert torch.equal(points, torch.ones(2, DIM, dtype=torch.float64))


def test_an_error_of_the_landscape_itself_comes_through():
    class Fails(Bowl):
        def loss(self, points):
            raise KeyError("my own trouble")

    with pytest.raises(KeyError, match="my own trouble"):
        check_landscape(Fails())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_landscapes_on_a_gpu_pass(dtype):
    check_landscape(nwedge.WedgeLandscape(50, 10, noise=0.1, dtype=dtype, device="cuda"))
