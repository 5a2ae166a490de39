"""Sections of the wedge model against its closed form, the polish against descent, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nwedge import Landscape, NetworkLandscape, WedgeLandscape, descend, evaluate, restrict
from nwedge._random import choose, derive, draw_seeds
from nwedge.geometry import RandomSubspace, subspace
from nwedge.landscapes import theory
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods import sections as sections_module
from nwedge.methods.sections import Section, largest, section
from nwedge.methods.thresholds import Threshold, find_threshold

DIM, SHORT, RADIUS = 100, 25, 10.0
F64 = torch.float64
KINDS = ("dense", "hadamard", "sparse")
ONE = WedgeLandscape(DIM, SHORT, wedges=1, dtype=torch.float64)


def at_radius(landscape: Landscape, count: int, radius: float = RADIUS, seed: int = 0) -> Tensor:
    draws = landscape.initial(count, derive(seed, "origins"))
    return radius * draws / draws.norm(dim=1, keepdim=True)


def sections(
    landscape: Landscape, d: int, count: int, steps: int = 0, lr: float | list[float] = 0.1, kind: str = "dense"
) -> Section:
    seeds = draw_seeds(derive(0, "planes", d), count)
    origins = at_radius(landscape, count, seed=d)
    return section(landscape, origins, d, kind=kind, seeds=seeds, lr=lr, steps=steps, generator=derive(0))


def threshold(landscape: Landscape, level: float, count: int) -> Threshold:
    def succeeds(d: int) -> np.ndarray:
        return (sections(landscape, d, count).losses <= level).numpy()

    return find_threshold(succeeds, 8, 40)


@pytest.mark.parametrize("kind", ["dense", "hadamard"])
@pytest.mark.parametrize("d", [1, 10, 22])
def test_on_one_wedge_the_mean_square_of_the_best_loss_is_the_law(d: int, kind: str) -> None:
    squares = sections(ONE, d, 64, kind=kind).losses.square()
    law = float(theory.section_loss(DIM, SHORT, d, RADIUS)) ** 2
    assert squares.mean().item() == pytest.approx(law, abs=4 * squares.std().item() / 8)


@pytest.mark.parametrize("d", [SHORT, 40])
def test_on_one_wedge_planes_of_at_least_s_dimensions_reach_it(d: int) -> None:
    assert sections(ONE, d, 5).losses.max() < 1e-10


@pytest.mark.parametrize("ratio", [0.1, 0.3])
def test_on_one_wedge_the_interval_of_the_threshold_meets_the_law(ratio: float) -> None:
    """The law is the smallest d that succeeds, half a step above the crossing between two integers."""
    found = threshold(ONE, ratio * RADIUS, 16)
    assert found.interval is not None
    low, high = found.interval
    law = theory.section_threshold(DIM, SHORT, ratio * RADIUS, RADIUS)
    assert low + 0.5 <= law <= high + 0.5
    assert high - low < 4


def test_at_a_level_of_zero_the_threshold_is_the_number_of_short_directions() -> None:
    found = threshold(ONE, 1e-9, 4)
    assert (found.value, found.interval) == (SHORT - 0.5, (SHORT - 1, SHORT))


@pytest.mark.parametrize("wedges", [40, None])
def test_with_many_wedges_the_best_loss_lies_below_the_law(wedges: int | None) -> None:
    landscape = WedgeLandscape(DIM, SHORT, wedges=wedges, dtype=torch.float64)
    reached = sections(landscape, 12, 8, steps=20).losses
    assert reached.square().mean().sqrt() < 0.9 * float(theory.section_loss(DIM, SHORT, 12, RADIUS))


def test_with_many_wedges_the_threshold_lies_below_the_law() -> None:
    found = threshold(WedgeLandscape(DIM, SHORT, wedges=40, dtype=torch.float64), 0.2 * RADIUS, 8)
    assert found.interval is not None
    assert found.interval[1] + 0.5 < float(theory.section_threshold(DIM, SHORT, 0.2 * RADIUS, RADIUS))


def test_a_bowl_has_no_threshold_well_below_its_dimension() -> None:
    bowl = QuadraticBowl(20, dtype=torch.float64)
    start = evaluate(bowl, at_radius(bowl, 1)).item()
    reached = [sections(bowl, d, 2, steps=100, lr=[0.3, 1.0]).losses.min().item() / start for d in (10, 17, 20)]
    assert reached[0] > 0.1
    assert reached[1] > 0.01
    assert reached[2] < 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize(("wedges", "short"), [(30, 20), (None, 20), (3, [5, 20, 12])])
def test_the_polish_ends_where_no_move_in_the_plane_comes_nearer(
    oriented: str, wedges: int | None, short: int | list[int], kind: str
) -> None:
    """At the best point of a plane the gradient of the squared distance is normal to the plane."""
    landscape = WedgeLandscape(60, short, wedges=wedges, oriented=oriented, dtype=torch.float64)
    origins = at_radius(landscape, 3)
    found = section(landscape, origins, 9, kind=kind, seeds=[1, 2, 3], lr=0.1, steps=5, generator=derive(0))
    for seed, point, loss in zip((1, 2, 3), found.points, found.losses, strict=True):
        basis = landscape.short_basis(point[None])[0]
        gradient = basis.T @ (basis @ point)
        assert gradient.norm().item() == pytest.approx(loss.item(), abs=1e-12)
        plane = RandomSubspace(60, 9, kind, seed, dtype=torch.float64).basis
        assert (plane.T @ gradient).norm() < 1e-9


@pytest.mark.parametrize(("oriented", "short"), [("axes", 12), ("random", 12), ("axes", [5, 20, 12] * 5)])
def test_on_sampled_wedges_the_lowest_point_of_a_plane_is_that_of_the_best_wedge(
    oriented: str, short: int | list[int]
) -> None:
    """A slow reference: least squares on every wedge; the nearest wedge to the origin alone would end higher."""
    landscape = WedgeLandscape(60, short, wedges=15, oriented=oriented, dtype=F64)
    origins = at_radius(landscape, 6)
    found = section(landscape, origins, 4, seeds=list(range(6)), lr=0.1, steps=0, generator=derive(0))
    higher = 0
    for row, origin in enumerate(origins):
        plane = RandomSubspace(60, 4, seed=row, dtype=F64).basis.numpy()
        every = []
        for wedge in range(15):
            rows = short_rows(landscape, wedge)
            move = np.linalg.lstsq(rows @ plane, -rows @ origin.numpy(), rcond=None)[0]
            every.append(np.linalg.norm(rows @ (origin.numpy() + plane @ move)))
        assert found.losses[row].item() == pytest.approx(min(every), abs=1e-10)
        higher += every[int(landscape.nearest_wedge(origins[row : row + 1]))] > min(every) + 1e-6
    assert higher > 0


def short_rows(landscape: WedgeLandscape, wedge: int) -> np.ndarray:
    """The short directions of a sampled wedge, as rows."""
    if landscape.axes is not None:
        return np.eye(landscape.dim)[[axis for axis in landscape.axes[wedge].tolist() if axis >= 0]]
    assert landscape.bases is not None
    assert isinstance(landscape.short, int)
    return landscape.bases.numpy()[landscape.short * wedge :][: landscape.short]


def test_several_descents_come_lower_on_the_complete_family_than_the_polish_of_the_origin() -> None:
    landscape = WedgeLandscape(DIM, SHORT, dtype=F64)
    assert sections(landscape, 8, 12, steps=40, lr=[0.1, 0.3]).losses.mean() < sections(landscape, 8, 12).losses.mean()


def test_the_same_draw_ends_at_the_same_point_wherever_its_memory_lies() -> None:
    landscape = WedgeLandscape(60, 12, wedges=5, dtype=F64)
    kept, ends = [], set()
    for size in range(12):
        kept.append(torch.empty(7 * size + 1))
        ends.add(sections(landscape, 9, 3).points.numpy().tobytes())
    assert len(ends) == 1


def test_losses_are_taken_where_the_judge_says() -> None:
    inputs = torch.randn(64, 6, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(6, 3, (8,)), (inputs, inputs[:, :3].argmax(1)), batch_size=16)
    few = network.take(choose(network.examples, 20, derive(1)))
    found = section(
        network, network.initial(2, derive(0)), 10, seeds=[0, 1], lr=0.1, steps=5, judge=few, generator=derive(0)
    )
    torch.testing.assert_close(found.losses, evaluate(few, found.points))


def test_planes_too_large_to_hold_together_are_trained_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = WedgeLandscape(60, 20, wedges=4, noise=0.5, dtype=F64)
    origins = at_radius(landscape, 3)
    settings: dict[str, Any] = {"seeds": [7, 8, 9], "lr": [0.1, 0.3], "steps": 5}
    together = section(landscape, origins, 5, **settings, generator=derive(0))
    monkeypatch.setattr(sections_module, "BYTES_AT_ONCE", 2 * 60 * 5 * 8)
    in_turn = section(landscape, origins, 5, **settings, generator=derive(0))
    torch.testing.assert_close(in_turn.points, together.points)


def test_the_polish_reaches_the_wedge_where_descent_alone_stops_above_it() -> None:
    landscape = WedgeLandscape(DIM, SHORT, wedges=40, dtype=torch.float64)
    origin = at_radius(landscape, 1)
    plane = restrict(landscape, RandomSubspace(DIM, SHORT, seed=5, dtype=torch.float64), origin[0])
    start = torch.zeros(1, SHORT, dtype=torch.float64)
    alone = descend(plane, start, optimizer="adam", lr=0.1, steps=100, schedule="cosine", generator=derive(0))
    assert evaluate(plane, alone.points).item() > 0.1
    polished = section(landscape, origin, SHORT, seeds=[5], lr=0.1, steps=100, generator=derive(0))
    assert polished.losses.item() < 1e-10


def test_a_float32_landscape_is_polished_to_its_rounding() -> None:
    landscape = WedgeLandscape(60, 10, wedges=5)
    found = section(landscape, at_radius(landscape, 2), 20, seeds=[0, 1], lr=0.1, steps=5, generator=derive(0))
    assert found.losses.dtype == torch.float32
    assert found.losses.max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_points_lie_in_their_planes_and_have_the_losses(kind: str) -> None:
    origins = at_radius(ONE, 3)
    found = section(ONE, origins, 7, kind=kind, seeds=[4, 4, 9], lr=0.1, steps=3, generator=derive(0))
    torch.testing.assert_close(evaluate(ONE, found.points), found.losses)
    for origin, point, seed in zip(origins, found.points, (4, 4, 9), strict=True):
        basis = RandomSubspace(DIM, 7, kind, seed, dtype=torch.float64).basis
        moved = point - origin
        assert moved.norm() > 0.1
        torch.testing.assert_close(basis @ (basis.T @ moved), moved)


def test_the_learning_rate_is_chosen_in_each_plane_on_its_own() -> None:
    bowl = QuadraticBowl(30, dtype=torch.float64)
    rates = [1e-4, 0.2, 50.0]
    origins = at_radius(bowl, 2)
    settings: dict[str, Any] = {"seeds": [0, 1], "steps": 40, "generator": derive(0)}
    found = section(bowl, origins, 10, lr=rates, **settings)
    alone = [section(bowl, origins, 10, lr=rate, **settings).losses for rate in rates]
    torch.testing.assert_close(found.losses, torch.stack(alone).min(0).values)
    assert found.lr.tolist() == [0.2, 0.2]


def test_each_plane_is_trained_as_if_it_were_alone() -> None:
    landscape = WedgeLandscape(60, 20, wedges=4, noise=0.5, dtype=torch.float64)
    origins = at_radius(landscape, 3)
    streams = [derive(1, row) for row in range(3)]
    together = section(landscape, origins, 5, seeds=[7, 8, 9], lr=[0.1, 0.3], steps=10, generator=streams)
    alone = section(landscape, origins[1:2], 5, seeds=[8], lr=[0.1, 0.3], steps=10, generator=[derive(1, 1)])
    torch.testing.assert_close(together.points[1], alone.points[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_trains_in_its_planes_with_minibatches(kind: str) -> None:
    inputs = torch.randn(64, 6, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(6, 3, (8,)), (inputs, inputs[:, :3].argmax(1)), batch_size=16)
    origins = network.initial(2, derive(0, "start"))
    small, large = (
        section(network, origins, d, kind=kind, seeds=[0, 1], lr=[0.01, 0.1], steps=60, generator=derive(0)).losses
        for d in (2, 40)
    )
    assert (large < 0.5 * small).all()
    assert (large < 0.5 * evaluate(network, origins)).all()


def test_a_network_needs_no_basis_for_planes_of_other_kinds_than_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room for a basis, wedges and dense planes are refused, and the largest plane is the whole space."""
    inputs = torch.randn(64, 6, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(6, 3, (8,)), (inputs, inputs[:, :3].argmax(1)), batch_size=16)
    settings: dict[str, Any] = {"seeds": [0, 1], "lr": 0.1, "steps": 3, "generator": derive(0)}
    for module in (subspace, sections_module):
        monkeypatch.setattr(module, "DENSE_BYTES", 20 * network.dim * 4)
    assert [largest(network, kind) for kind in KINDS] == [20, network.dim, network.dim]
    assert [largest(ONE, kind) for kind in KINDS] == [8, 8, 8]
    origins = network.initial(2, derive(0))
    for kind in ("hadamard", "sparse"):
        assert section(network, origins, 40, kind=kind, **settings).losses.isfinite().all()
        with pytest.raises(ValueError, match=r"dense basis of 100 x 40 takes .* the polish on wedges needs it"):
            section(ONE, at_radius(ONE, 2), 40, kind=kind, **settings)
    with pytest.raises(ValueError, match=r"kind='hadamard' or 'sparse'"):
        section(network, origins, 40, **settings)
    with pytest.raises(ValueError, match="kind must be one of 'dense', 'hadamard', 'sparse'; got 'fastfood'"):
        section(network, origins, 4, kind="fastfood", **settings)


class Broken:
    """A bowl that is NaN away from the origin."""

    dim, dtype, device = 4, torch.float64, torch.device("cpu")

    def loss(self, points: Tensor) -> Tensor:
        squares = points.square().sum(1)
        return torch.where(squares > 1, math.nan, squares)

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.full((count, 4), 0.25, dtype=self.dtype)

    def minibatch(self, generator: object) -> "Broken":
        return self


def test_a_rate_that_ends_in_nan_is_not_chosen_and_all_nan_stays_nan() -> None:
    origins = Broken().initial(1, derive(0))
    with pytest.warns(RuntimeWarning, match="non-finite"):
        found = section(Broken(), origins, 2, seeds=[0], lr=[0.05, 1e3], steps=5, generator=derive(0))
    assert found.lr.item() == pytest.approx(0.05)
    assert found.losses.item() < 0.25
    with pytest.warns(RuntimeWarning, match="non-finite"):
        lost = section(Broken(), 4 * origins, 2, seeds=[0], lr=[0.05, 1e3], steps=5, generator=derive(0))
    assert lost.losses.isnan().all()


def test_bad_input_gets_one_sentence() -> None:
    origins = at_radius(ONE, 2)

    def refused(origins: Tensor, d: int = 3, seeds: tuple[int, ...] = (0, 1), lr: float | list[float] = 0.1) -> None:
        section(ONE, origins, d, seeds=seeds, lr=lr, steps=2, generator=derive(0))

    with pytest.raises(ValueError, match=r"origins must have shape \(batch, 100\); got \(2, 9\)"):
        refused(origins[:, :9])
    with pytest.raises(ValueError, match="origins must hold at least one point"):
        refused(origins[:0])
    with pytest.raises(ValueError, match="one seed per plane, 2 in all; got 1"):
        refused(origins, seeds=(0,))
    with pytest.raises(ValueError, match="at least one learning rate"):
        refused(origins, lr=[])
    with pytest.raises(ValueError, match="d must be between 1 and 100; got 101"):
        refused(origins, d=101)
