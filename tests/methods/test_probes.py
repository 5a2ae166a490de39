"""Probes against exact laws: one wedge, the sampled family near its optima, a bowl, a groove, a cone about an axis."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from nwedge import WedgeLandscape, evaluate
from nwedge._random import derive, normal
from nwedge.landscape import ELEMENTS_AT_ONCE
from nwedge.landscapes.controls import Groove, QuadraticBowl
from nwedge.landscapes.theory import probe_loss, radial_angle
from nwedge.methods.probes import RadialWidth, extent, mean_extent, probe, radial_width, random_directions

F64 = torch.float64


def one_wedge(dim: int = 400, short: int = 60) -> WedgeLandscape:
    return WedgeLandscape(dim, short, wedges=1, dtype=F64)


def on_wedges(landscape: WedgeLandscape, count: int, seed: int) -> Tensor:
    """Random points of the nearest wedges: their short coordinates are zeroed."""
    start = landscape.initial(count, derive(seed))
    return start.scatter(1, landscape.nearest(start), 0.0)


def rms(values: Tensor) -> Tensor:
    return values.square().mean(0).sqrt()


class Described:
    """A landscape given by a function, which remembers the largest batch it was handed."""

    def __init__(self, dim: int, function: Callable[[Tensor], Tensor], dtype: torch.dtype = F64) -> None:
        self.dim, self.dtype, self.device = dim, dtype, torch.device("cpu")
        self.function, self.largest, self.points = function, 0, 0

    def loss(self, points: Tensor) -> Tensor:
        self.largest = max(self.largest, points.numel())
        self.points += len(points)
        return self.function(points)

    def initial(self, count: int, generator: Generator) -> Tensor:
        return normal((count, self.dim), generator, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Described":
        return self


def test_random_directions_are_uniform_on_the_sphere() -> None:
    found = random_directions(torch.zeros(20, dtype=F64), 20_000, derive(0))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20_000, dtype=F64))
    torch.testing.assert_close(found.T @ found / 20_000, torch.eye(20, dtype=F64) / 20, atol=2e-3, rtol=0)
    assert found.mean(0).abs().max() < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_the_probe_law_holds_on_one_wedge(seed: int) -> None:
    landscape = one_wedge()
    point = landscape.initial(1, derive(seed))[0]
    start = landscape.distance(point[None]).item()
    distances = start * (400 / 60) ** 0.5 * torch.tensor([1.0, 2.0, 5.0, 20.0], dtype=F64)  # a^2 s / D >= L0^2
    losses = probe(landscape, point, distances, directions=1000, generator=derive(seed, "probe"))
    assert losses.shape == (1000, 4)
    torch.testing.assert_close(rms(losses), probe_loss(400, 60, start, distances), rtol=0.02, atol=0)
    assert losses[:, -1].std() / losses[:, -1].mean() < 2 / math.sqrt(2 * 60), "the well is round"


@pytest.mark.parametrize("seed", range(3))
def test_the_probe_law_holds_from_optima_of_the_sampled_family_while_they_keep_their_wedge(seed: int) -> None:
    landscape = WedgeLandscape(300, 15, wedges=40, seed=seed, dtype=F64)
    (point,) = on_wedges(landscape, 1, seed)
    home = landscape.nearest_wedge(point[None])
    directions = random_directions(point, 1000, derive(seed, "probe"))
    grid = torch.linspace(0.5, 20, 40, dtype=F64)
    kept = torch.stack([(landscape.nearest_wedge(point + a * directions) == home).double().mean() for a in grid])
    largest = grid[kept >= 0.95].max().item()
    assert 1 < largest < 20, "the law's reach is neither nothing nor the whole grid"
    losses = probe(landscape, point, torch.tensor([largest]), directions=1000, generator=derive(seed, "probe"))
    assert rms(losses).item() == pytest.approx(probe_loss(300, 15, 0.0, largest), rel=0.02)


def test_probes_are_the_losses_at_the_probed_points_however_they_are_chunked() -> None:
    dim = ELEMENTS_AT_ONCE // 4
    landscape = Described(dim, lambda points: points.square().sum(1), torch.float32)
    point = torch.full((dim,), 1e-3)
    distances = torch.tensor([0.5, 2.0])
    losses = probe(landscape, point, distances, directions=10, generator=derive(1))
    assert landscape.largest <= ELEMENTS_AT_ONCE, "at most 2^22 coordinates at once"
    directions = random_directions(point, 10, derive(1))
    slow = torch.stack([evaluate(landscape, point + a * directions) for a in distances], dim=1)
    torch.testing.assert_close(losses, slow)


def test_a_few_directions_at_a_time_give_what_all_at_once_would_give(monkeypatch: pytest.MonkeyPatch) -> None:
    bowl = QuadraticBowl(30, dtype=F64)
    point, distances = bowl.centre + 0.1, torch.tensor([0.5, 2.0], dtype=F64)
    directions = random_directions(point, 20, derive(2))
    whole, _ = extent(bowl, point, directions, 2.0)
    most = []

    def watched(shape: Sequence[int], *arguments: Generator, **options: object) -> Tensor:
        most.append(math.prod(shape))
        return normal(shape, *arguments, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("nwedge.methods.probes.normal", watched)
    monkeypatch.setattr("nwedge.methods.probes.ELEMENTS_AT_ONCE", 90)
    torch.testing.assert_close(extent(bowl, point, directions, 2.0)[0], whole)
    losses = probe(bowl, point, distances, directions=20, generator=derive(3))
    used = random_directions(point, 20, derive(3))
    torch.testing.assert_close(losses[:, 1], evaluate(bowl, point + 2.0 * used))
    width = radial_width(bowl, torch.stack([point, -point]), 1e9, directions=10, generator=derive(3))
    assert width.angles.shape == width.censored.shape == (2, 10)
    assert max(most) == 90
    assert len(most) == 3 * 7, "20 rows of 30 coordinates, 3 rows at a time, thrice"


def test_extents_on_a_bowl_are_the_roots_of_a_quadratic() -> None:
    bowl = QuadraticBowl(30, dtype=F64)
    point = bowl.centre + 0.1 * bowl.initial(1, derive(1))[0]
    directions = random_directions(point, 200, derive(2))
    found, censored = extent(bowl, point, directions, 2.0)
    a = directions.square() @ bowl.curvatures / 2
    b = (directions * (point - bowl.centre)) @ bowl.curvatures
    c = evaluate(bowl, point[None]) - 2.0
    exact = (-b + (b.square() - 4 * a * c).sqrt()) / (2 * a)
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=0)
    assert not censored.any()


@settings(deadline=None, max_examples=20)
@given(level=st.floats(1e-3, 10.0), seed=st.integers(0, 100))
def test_extents_on_a_groove_depend_on_the_direction_alone(level: float, seed: int) -> None:
    groove = Groove(10, seed=seed, dtype=F64)
    point = torch.zeros(10, dtype=F64)
    directions = random_directions(point, 50, derive(seed))
    found, censored = extent(groove, point, directions, level, most=30.0)
    exact = level**0.5 / (directions @ groove.direction).abs()
    torch.testing.assert_close(censored, exact > 30)
    torch.testing.assert_close(found, exact.clamp(max=30), rtol=1e-3, atol=30 / 1024 / 4096)


def test_long_axes_of_a_wedge_are_censored_and_random_directions_are_not() -> None:
    landscape = one_wedge()
    (point,) = on_wedges(landscape, 1, 3)
    short = landscape.nearest(point[None])[0]
    is_long = torch.ones(400, dtype=torch.bool).index_fill(0, short, False)
    axes = torch.eye(400, dtype=F64)
    found, censored = extent(landscape, point, axes[is_long], 0.5)
    assert censored.all()
    torch.testing.assert_close(found, (10 * point.norm()).expand(340))
    found, censored = extent(landscape, point, axes[short], 0.5)
    torch.testing.assert_close(found, torch.full_like(found, 0.5), rtol=1e-4, atol=0)
    assert not censored.any()
    directions = random_directions(point, 100, derive(3))
    found, censored = extent(landscape, point, directions, 0.5)
    torch.testing.assert_close(found, 0.5 / directions[:, short].norm(dim=1), rtol=1e-4, atol=0)
    assert not censored.any()


def test_extents_stop_at_the_first_crossing_and_at_10_near_the_origin() -> None:
    ripple = Described(2, lambda points: points[:, 0].sin())
    east = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=F64)
    found, censored = extent(ripple, torch.zeros(2, dtype=F64), east, 0.5)
    torch.testing.assert_close(found, torch.tensor([math.pi / 6, 7 * math.pi / 6], dtype=F64), rtol=1e-4, atol=0)
    flat = Described(2, lambda points: points[:, 0] * 0)
    found, censored = extent(flat, torch.tensor([0.5, 0.0], dtype=F64), east, 0.5)
    assert censored.all()
    assert (found == 10).all()


def test_crossed_directions_are_not_followed_further() -> None:
    wall = Described(2, lambda points: (points[:, 0] > 0).double())
    directions = torch.tensor([[1.0, 0.0]], dtype=F64)
    extent(wall, torch.zeros(2, dtype=F64), directions, 0.5)
    assert wall.points == 1 + 1 + 12


def test_a_start_above_the_level_and_a_nan_on_the_way_give_nan_and_no_censoring() -> None:
    bowl = QuadraticBowl(4, dtype=F64)
    directions = random_directions(bowl.centre, 5, derive(4))
    found, censored = extent(bowl, bowl.centre + 100, directions, 1.0)
    assert found.isnan().all()
    assert not censored.any()
    hole = Described(2, lambda points: torch.where(points[:, 0] > 3, torch.nan, points[:, 0].relu()))
    east = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=F64)
    found, censored = extent(hole, torch.zeros(2, dtype=F64), east, 5.0)
    assert found[0].isnan()
    assert found[1] == 10
    assert censored.tolist() == [False, True]
    found, _ = extent(hole, torch.zeros(2, dtype=F64), east, 2.0)
    torch.testing.assert_close(found[0].item(), 2.0, rtol=1e-4, atol=0)  # the crossing comes before the NaN


@pytest.mark.parametrize("dim", [2, 50])
@pytest.mark.parametrize("angle", [0.01, 0.5, 1.2])
def test_points_turn_by_the_angle_at_their_own_radius(dim: int, angle: float) -> None:
    generator = derive(5, dim)
    points = torch.randn(3, dim, generator=generator, dtype=F64) * torch.tensor([[0.1], [1.0], [30.0]], dtype=F64)

    def cone(moved: Tensor) -> Tensor:
        """The angle to the nearest of the points, and a wall against any change of radius."""
        cosine = (moved @ points.T) / (moved.norm(dim=1, keepdim=True) * points.norm(dim=1))
        radius = moved.norm(dim=1, keepdim=True)
        stays = (radius / points.norm(dim=1) - 1).abs() < 1e-9
        return torch.where(stays, cosine.clamp(-1, 1).acos(), torch.inf).min(1).values

    width = radial_width(Described(dim, cone), points, angle, directions=20, generator=generator)
    torch.testing.assert_close(width.angles, torch.full((3, 20), angle, dtype=F64), rtol=0, atol=2e-5)
    assert not width.censored.any()
    assert not width.undefined.any()


@pytest.mark.parametrize("level", [0.5, 2.0])
def test_radial_widths_on_one_wedge_follow_the_law(level: float) -> None:
    landscape = one_wedge(1000, 150)
    points = on_wedges(landscape, 3, 6)
    width = radial_width(landscape, points, level, directions=300, generator=derive(6))
    law = torch.as_tensor(radial_angle(1000, 150, points.norm(dim=1), level))
    torch.testing.assert_close(width.mean, law, rtol=0.02, atol=0)
    torch.testing.assert_close(width.standard_error, width.angles.std(1) / 300**0.5)
    assert (width.standard_error < 0.01 * law).all()


def test_what_never_crosses_is_censored_and_what_starts_above_is_undefined() -> None:
    landscape = one_wedge()
    optimum = on_wedges(landscape, 1, 7)[0]
    small = optimum / optimum.norm()  # R sqrt(s / D) = 0.39, below the level
    width = radial_width(
        landscape,
        torch.stack([optimum, small, torch.full((400,), 1.0, dtype=F64)]),
        1.0,
        directions=10,
        generator=derive(7),
    )
    assert width.undefined.tolist() == [False, False, True]
    assert width.censored.sum(1).tolist() == [0, 10, 0]
    assert width.crossed.sum(1).tolist() == [10, 0, 0]
    assert width.angles[1].isinf().all()
    assert width.angles[2].isnan().all()
    assert width.mean.isnan().tolist() == width.standard_error.isnan().tolist() == [False, True, True]


def test_the_mean_is_over_the_directions_that_cross() -> None:
    angles = torch.tensor([[0.2, 0.4, math.inf, math.nan], [0.3, math.inf, math.inf, math.inf]], dtype=F64)
    width = RadialWidth(level=1.0, angles=angles, censored=angles.isinf(), undefined=torch.tensor([False, False]))
    torch.testing.assert_close(width.mean, torch.tensor([0.3, 0.3], dtype=F64))
    torch.testing.assert_close(width.standard_error[0].item(), 0.1)
    assert width.standard_error[1].isnan()


@pytest.mark.parametrize("halvings", [0, 3, 6])
def test_fewer_halvings_leave_the_angle_within_the_step_of_the_grid(halvings: int) -> None:
    landscape = one_wedge()
    points = on_wedges(landscape, 2, 10)
    fine = radial_width(landscape, points, 1.0, directions=20, generator=derive(10))
    coarse = radial_width(landscape, points, 1.0, directions=20, generator=derive(10), steps=9, halvings=halvings)
    error = (coarse.angles - fine.angles).abs().max().item()
    assert error <= math.pi / 4 / (9 * 2**halvings) + 1e-4
    assert error > 0


def test_the_mean_loss_over_directions_crosses_the_level_where_the_law_says() -> None:
    landscape = one_wedge()
    point = on_wedges(landscape, 1, 11)[0]
    directions = random_directions(point, 2000, derive(11))
    found = mean_extent(landscape, point, directions, 2.0)
    losses = evaluate(landscape, point + found * directions)
    assert losses.mean().item() == pytest.approx(2.0, rel=1e-3)
    assert found == pytest.approx(2.0 * (400 / 60) ** 0.5, rel=0.02)
    assert mean_extent(landscape, point, directions, 1e6) == math.inf
    assert math.isnan(mean_extent(landscape, point + directions[0], directions, 0.01))


def test_widths_in_float32_are_those_in_float64() -> None:
    landscape = one_wedge(50, 20)
    points = on_wedges(landscape, 2, 8)
    single = WedgeLandscape(50, 20, wedges=1)
    coarse = radial_width(single, points.float(), 0.5, directions=400, generator=derive(8))
    fine = radial_width(landscape, points, 0.5, directions=400, generator=derive(9))
    assert coarse.angles.dtype == torch.float32
    torch.testing.assert_close(coarse.mean.double(), fine.mean, rtol=0.05, atol=0)


def test_probes_refuse_what_they_cannot_measure() -> None:
    landscape, point = one_wedge(), torch.ones(400, dtype=F64)
    distance, generator = torch.ones(1, dtype=F64), derive(0)
    with pytest.raises(ValueError, match=r"point must be a flat vector of shape \(400,\); got \(399,\)"):
        probe(landscape, point[:399], distance, directions=3, generator=generator)
    with pytest.raises(TypeError, match=r"point must have dtype torch.float64; got torch.float32"):
        probe(landscape, point.float(), distance, directions=3, generator=generator)
    for wrong in ([], [1.0, 0.0], [-1.0], [math.nan], [math.inf]):
        with pytest.raises(ValueError, match="distances must be one or more positive numbers"):
            probe(landscape, point, torch.tensor(wrong, dtype=F64), directions=3, generator=generator)
    with pytest.raises(ValueError, match="directions must be at least 1; got 0"):
        probe(landscape, point, distance, directions=0, generator=generator)
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        random_directions(point, 0, generator)
    with pytest.raises(ValueError, match=r"point must be a flat vector of shape \(dim,\); got \(1, 400\)"):
        random_directions(point[None], 3, generator)


def test_extents_refuse_what_they_cannot_measure() -> None:
    landscape, point = one_wedge(), torch.ones(400, dtype=F64)
    axes = torch.eye(400, dtype=F64)[:3]
    with pytest.raises(ValueError, match="level must be a finite loss; got nan"):
        extent(landscape, point, axes, math.nan)
    with pytest.raises(ValueError, match="row 1 has 0: divide each by its norm, and leave out zero directions"):
        extent(landscape, point, axes * torch.tensor([[1.0], [0.0], [1.0]], dtype=F64), 1.0)
    with pytest.raises(ValueError, match="directions must have length 1; row 0 has 2"):
        extent(landscape, point, 2 * axes, 1.0)
    with pytest.raises(TypeError, match=r"directions must have dtype torch.float64; got torch.float32"):
        extent(landscape, point, axes.float(), 1.0)
    with pytest.raises(ValueError, match="most must be positive and finite; got 0"):
        extent(landscape, point, axes, 1.0, most=0.0)


def test_widths_refuse_what_they_cannot_measure() -> None:
    landscape, points, generator = one_wedge(), torch.ones(2, 400, dtype=F64), derive(0)
    with pytest.raises(ValueError, match="level must be a finite loss; got inf"):
        radial_width(landscape, points, math.inf, directions=3, generator=generator)
    with pytest.raises(ValueError, match="points must not lie at the origin"):
        radial_width(landscape, points * 0, 1.0, directions=3, generator=generator)
    with pytest.raises(ValueError, match="directions must be at least 1; got 0"):
        radial_width(landscape, points, 1.0, directions=0, generator=generator)
    with pytest.raises(ValueError, match="steps must be at least 1; got 0"):
        radial_width(landscape, points, 1.0, directions=3, steps=0, generator=generator)
    with pytest.raises(ValueError, match="halvings must be at least 0; got -1"):
        radial_width(landscape, points, 1.0, directions=3, generator=generator, halvings=-1)
    with pytest.raises(ValueError, match="the dimension in which points rotate must be at least 2; got 1"):
        radial_width(QuadraticBowl(1), torch.ones(2, 1), 1.0, directions=3, generator=generator)
