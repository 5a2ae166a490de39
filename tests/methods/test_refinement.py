"""Adaptive refinement: smooth functions by few evaluations, walls that are followed, NaN, and the bound."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nwedge import NetworkLandscape, WedgeLandscape, estimate, evaluate, refine, restrict
from nwedge._random import derive
from nwedge.geometry import Line, Path, Plane
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.refinement import Refinement

TOLERANCE, FLOOR = 0.01, 1.0


class Function:
    """A landscape that is any function, and counts the points at which it was evaluated."""

    device = torch.device("cpu")

    def __init__(self, function: Callable[[Tensor], Tensor], dim: int, dtype: torch.dtype = torch.float64) -> None:
        self.function, self.dim, self.dtype, self.evaluations = function, dim, dtype, 0

    def loss(self, points: Tensor) -> Tensor:
        self.evaluations += len(points)
        return self.function(points)

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.rand(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator: torch.Generator) -> "Function":
        return self


def bump(points: Tensor) -> Tensor:
    return 3 * torch.exp(-(points - 0.3).square().sum(1) / 0.02) + points.sum(1).square()


def wall(points: Tensor) -> Tensor:
    """A slanted wall 1 / 100 thick, which meets a grid of 9 x 9 points at (0, .25) alone."""
    return torch.exp(-((points[:, 1] - 0.25 - 4 / 9 * points[:, 0]) / 0.005).square())


def fine(dim: int, steps: int, dtype: torch.dtype = torch.float64) -> Tensor:
    axis = torch.linspace(0, 1, steps + 1, dtype=dtype)
    return torch.cartesian_prod(*[axis] * dim).view(-1, dim)


def check_tiles(found: Refinement) -> None:
    """The cells cover the whole, each place once, and their corners are where they say."""
    corners = found.coordinates[found.corners].double()
    sides = corners[:, -1] - corners[:, 0]
    whole = (found.high - found.low).double()
    assert sides.prod(1).sum().item() == pytest.approx(whole.prod().item())
    lattice = found.cells.lattice
    expected = whole / lattice.coarse / 2.0 ** found.levels.double()[:, None]
    torch.testing.assert_close(sides, expected, rtol=1e-4, atol=1e-6)
    assert len(found.coordinates.unique(dim=0)) == len(found.coordinates) == len(found.losses)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("dim", "share"), [(1, 5), (2, 30)])
def test_a_smooth_function_is_met_on_a_fine_grid_by_few_evaluations(dim, share, dtype) -> None:
    landscape = Function(bump, dim, dtype)
    found = refine(landscape, 0.0, 1.0, tolerance=TOLERANCE, floor=FLOOR, levels=6)
    places = fine(dim, 512, dtype)
    truth = bump(places)
    assert found.resolved.all()
    assert ((found.interpolate(places) - truth).abs() <= TOLERANCE * truth.clamp(min=FLOOR)).all()
    assert landscape.evaluations == len(found.losses) < len(places) / share
    check_tiles(found)
    torch.testing.assert_close(found.losses, bump(found.coordinates))
    torch.testing.assert_close(found.interpolate(found.coordinates)[:50], found.losses[:50], rtol=0.02, atol=0.02)


def test_a_wall_that_shows_at_a_corner_is_followed_to_its_end() -> None:
    landscape = Function(wall, 2)
    assert (wall(fine(2, 8)) > 0.001).sum() == 1  # of the coarse grid and its midpoints
    found = refine(landscape, 0.0, 1.0, tolerance=TOLERANCE, floor=FLOOR, coarse=4, levels=7)
    along = torch.linspace(0, 1, 1000, dtype=torch.float64)
    ridge = torch.stack([along, 0.25 + 4 / 9 * along], 1)
    assert (found.interpolate(ridge) > 0.9).all()
    places = fine(2, 300)
    assert (found.interpolate(places) - wall(places)).abs().max() < 0.1
    assert landscape.evaluations < 513**2 / 20
    check_tiles(found)


def test_a_linear_function_takes_the_coarse_grid_and_its_midpoints_alone() -> None:
    landscape = Function(lambda points: 2 + points @ torch.tensor([3.0, -1.0], dtype=torch.float64), 2)
    found = refine(landscape, [-1.0, 0.0], [2.0, 5.0], tolerance=1e-9, floor=FLOOR, coarse=3)
    assert landscape.evaluations == 7**2
    assert (found.levels == 1).all()
    assert found.coordinates.amin(0).tolist() == [-1.0, 0.0]
    assert found.coordinates.amax(0).tolist() == [2.0, 5.0]
    check_tiles(found)


def test_the_border_of_nan_is_drawn_at_the_finest_level_and_what_lies_within_is_left() -> None:
    def broken(points: Tensor) -> Tensor:
        return torch.where(points.square().sum(1) > 0.5, torch.nan, points.sum(1))

    found = refine(Function(broken, 2), 0.0, 1.0, tolerance=TOLERANCE, floor=FLOOR, levels=5)
    bad = found.losses[found.corners].isnan()
    border = bad.any(1) & ~bad.all(1)
    assert border.any()
    assert (found.levels[border] == 5).all()
    assert not found.resolved[border].any()
    assert (found.levels[bad.all(1)] == 1).any()
    assert found.resolved[~border & (found.levels < 5)].all()
    places = fine(2, 256)
    wrong = found.interpolate(places).isnan() != broken(places).isnan()
    assert wrong.double().mean() < 0.02
    check_tiles(found)


@pytest.mark.parametrize("most", [81, 82, 200, 289, 290, 1000])
def test_no_more_evaluations_than_are_allowed(most) -> None:
    landscape = Function(bump, 2)
    found = refine(landscape, 0.0, 1.0, tolerance=1e-6, floor=FLOOR, levels=6, most=most)
    assert most - 5 <= landscape.evaluations <= most
    assert not found.resolved.all()
    check_tiles(found)


def test_the_cells_that_miss_by_most_go_first() -> None:
    def two_bumps(points: Tensor) -> Tensor:
        heights, centres = torch.tensor([3.0, 0.03]).double(), torch.tensor([0.25, 0.75]).double()
        squares = (points[:, None] - centres[:, None]).square().sum(2)
        return (heights * torch.exp(-squares / 0.01)).sum(1)

    found = refine(Function(two_bumps, 2), 0.0, 1.0, tolerance=1e-6, floor=FLOOR, levels=6, most=350)
    later = (found.coordinates * 16).frac().abs().amax(1) > 0
    assert later.sum() > 50
    assert (found.coordinates[later] <= 0.5).all()


def test_the_same_again_bit_for_bit() -> None:
    first, again = (refine(Function(wall, 2), 0.0, 1.0, tolerance=TOLERANCE, floor=FLOOR) for _ in range(2))
    for name in ("coordinates", "losses", "corners", "levels", "resolved"):
        assert torch.equal(getattr(first, name), getattr(again, name))


@settings(deadline=None, max_examples=25)
@given(
    dim=st.integers(1, 2),
    coarse=st.integers(1, 5),
    levels=st.integers(1, 5),
    seed=st.integers(0, 1000),
    most=st.integers(36, 400),
)
def test_the_cells_tile_whatever_the_function(dim, coarse, levels, seed, most) -> None:
    centre = torch.rand(dim, generator=derive(seed), dtype=torch.float64)
    landscape = Function(lambda points: (points - centre).abs().sum(1).sqrt(), dim)
    found = refine(landscape, 0.0, 1.0, tolerance=0.02, floor=0.1, coarse=coarse, levels=levels, most=most)
    assert landscape.evaluations == len(found.losses) <= most
    check_tiles(found)
    corners = found.coordinates[found.corners]
    middle = found.interpolate(corners.mean(1))
    torch.testing.assert_close(middle, found.losses[found.corners].mean(1))
    resolved = found.resolved & (found.levels < levels)
    inside = torch.rand(200, dim, generator=derive(seed, "places"), dtype=torch.float64)
    rows = found.cells.holding((inside * found.cells.lattice.side).long())
    lows, highs = corners[rows, 0], corners[rows, -1]
    assert ((inside >= lows - 1e-9) & (inside <= highs + 1e-9)).all()
    assert resolved.any() or not found.resolved.any() or (found.levels[found.resolved] == levels).all()


def test_landscapes_seen_through_charts() -> None:
    wedges = WedgeLandscape(30, 5, wedges=4, dtype=torch.float64)
    a, b, c = wedges.initial(3, derive(0))
    charts: dict[str, Any] = {
        "line": restrict(wedges, Line(a, b)),
        "path": restrict(wedges, Path(torch.stack([a, b, c]))),
        "plane": restrict(wedges, Plane(b - a, c - a), a),
    }
    for seen in charts.values():
        found = refine(seen, 0.0, 1.0, tolerance=TOLERANCE, floor=0.1)
        torch.testing.assert_close(found.losses, evaluate(seen, found.coordinates))
        places = fine(seen.dim, 100)
        misses = (found.interpolate(places) - evaluate(seen, places)).abs() / evaluate(seen, places).clamp(min=0.1)
        assert misses.max() < 2 * TOLERANCE  # kinks lie between the midpoints, too


def test_losses_may_be_estimates() -> None:
    x = torch.randn(5000, 4, generator=derive(0))
    network = NetworkLandscape(mlp(4, 3, (5,)), (x, x[:, :3].argmax(1)))
    a, b = network.initial(2, derive(1))
    line = restrict(network, Line(a, b))
    exact = refine(line, -1.0, 2.0, tolerance=0.02, floor=0.1)
    near = refine(
        line,
        -1.0,
        2.0,
        tolerance=0.02,
        floor=0.1,
        function=lambda seen, points: estimate(seen, points, tolerance=0.02, floor=0.1, generator=derive(2)).losses,  # pyright: ignore[reportArgumentType]
    )
    places = torch.linspace(-1, 2, 100)[:, None]
    torch.testing.assert_close(near.interpolate(places), exact.interpolate(places), rtol=0.1, atol=0.01)


def test_what_cannot_be_refined_is_refused() -> None:
    flat = Function(bump, 2)
    options = {"tolerance": TOLERANCE, "floor": FLOOR}
    with pytest.raises(ValueError, match="must have 1 or 2 dimensions; got 3"):
        refine(Function(bump, 3), 0.0, 1.0, **options)
    with pytest.raises(ValueError, match=r"low must be below high and both finite; got 1\.0 and 0\.0"):
        refine(flat, 1.0, 0.0, **options)
    with pytest.raises(ValueError, match="one for each of 2 axes"):
        refine(flat, [0.0], [1.0], **options)
    with pytest.raises(ValueError, match="low must be below high"):
        refine(flat, float("nan"), 1.0, **options)
    with pytest.raises(ValueError, match="most must be at least 81; got 80"):
        refine(flat, 0.0, 1.0, **options, most=80)
    with pytest.raises(ValueError, match="at most 1048576 cells along an axis; got 2097152"):
        refine(flat, 0.0, 1.0, **options, levels=18)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        refine(flat, 0.0, 1.0, tolerance=0.0, floor=1.0)
    with pytest.raises(ValueError, match=r"between \[0.0, 0.0\] and \[1.0, 1.0\]; got \[0.5, 2.0\]"):
        refine(flat, 0.0, 1.0, **options).interpolate(torch.tensor([[0.5, 2.0]], dtype=torch.float64))
