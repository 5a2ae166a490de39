"""tunnel-width: widths along runs, trends with a planted effect, the verdict all three ways, the shuffled control."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import WedgeLandscape
from nwedge._random import derive
from nwedge.claims import tunnel_width
from nwedge.claims.runs import Run, Runs
from nwedge.landscapes.theory import radial_angle
from nwedge.specs.configs import TunnelWidthConfig
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.networks import DIGITS
from nwedge.specs.presets import Preset, expand
from nwedge.specs.subjects import plain
from nwedge.specs.tasks import BATCH, DECAY, DROPOUT, OPTIMA, RATE, WIDTH, RunSpec

F64 = torch.float64
LEVEL = 0.5


def ray(landscape: WedgeLandscape, decay: float, scale: float, seed: int = 0) -> Run:
    """A run whose snapshots are the start, two points of a wedge, one of them shrunk, and the start again."""
    start = landscape.initial(1, derive(seed))
    basis = landscape.short_basis(start)[0]
    optimum = start - (start @ basis.T) @ basis
    points = torch.cat([start, optimum, scale * optimum, start])
    loss = landscape.loss(points).numpy()
    spec = RunSpec(lr=0.1, weight_decay=decay, seed=0, member=0)
    return Run(points=points, step=np.arange(4), loss=loss, landscape=landscape, spec=spec, role=DECAY)


def test_widths_on_a_wedge_are_those_of_the_law_and_what_has_none_is_counted() -> None:
    landscape = WedgeLandscape(600, 90, wedges=1, profile="squared", dtype=F64)
    members = [ray(landscape, 0.1, 0.5), ray(landscape, 0.0, 0.05)]
    optimum = dataclasses.replace(members[0], role=OPTIMA)
    config = TunnelWidthConfig(level=0.03, directions=50, snapshots=5)
    found = tunnel_width.measure(landscape, Runs([*members, optimum]), config, derive(1)).sel(sweep="decay")
    assert found["value"].values.tolist() == [0.0, 0.1], "levels are ordered by their strength, not as they came"
    assert found["too_strong"].values.tolist() == [False, True]
    radius = found["radius"].values
    angle = radial_angle(600, 90, torch.tensor(radius), float(found["loss_level"]) ** 0.5)
    law = np.degrees(np.asarray(angle))
    np.testing.assert_allclose(found["width"].values[:, 2], law[:, 2], rtol=0.03)
    np.testing.assert_allclose(found["width"].values[1, 3], law[1, 3], rtol=0.03)
    assert np.isinf(law[0, 3])
    assert np.isnan(found["width"].values[0, 3])
    assert found["censored"].values.tolist() == [[0, 0, 0, 50, 0], [0, 0, 0, 0, 0]]
    assert found["undefined"].values.tolist() == [[0, 50, 0, 0, 50]] * 2
    assert found["step"].values[0].tolist() == pytest.approx([np.nan, 0, 1, 2, 3], nan_ok=True)
    assert found["width"].attrs == {"units": "degrees"}


def test_all_runs_see_the_same_directions() -> None:
    landscape = WedgeLandscape(100, 20, wedges=1, profile="squared", dtype=F64)
    twins = [ray(landscape, decay, 0.5) for decay in (0.0, 0.1, 0.2)]
    runs = Runs([*twins, dataclasses.replace(twins[0], role=OPTIMA)])
    width = tunnel_width.measure(landscape, runs, TunnelWidthConfig(directions=3, snapshots=4), derive(2))["width"]
    np.testing.assert_array_equal(width.values[0, 0], width.values[0, 1])


def test_a_point_at_the_origin_has_no_width() -> None:
    landscape = WedgeLandscape(100, 20, wedges=1, profile="squared", dtype=F64)
    members = [ray(landscape, 0.0, 0.5), ray(landscape, 0.1, 0.0)]
    runs = Runs([*members, dataclasses.replace(members[0], role=OPTIMA)])
    found = tunnel_width.measure(landscape, runs, TunnelWidthConfig(directions=3, snapshots=4), derive(2))
    assert np.isnan(found["width"].values[0, 1, 2])
    assert found["undefined"].values[0, 1].tolist() == [3, 0, 3, 3]


@pytest.mark.parametrize(
    ("role", "values", "expected"),
    [
        (RATE, (0.1, 0.05), [0.05, 0.1]),
        (BATCH, (8, 64, 32), [64, 32, 8]),
        (DROPOUT, (0.2, 0.0), [0.0, 0.2]),
        (WIDTH, (2, 1), [1, 2]),
    ],
)
def test_levels_are_ordered_from_the_weakest_to_the_strongest(role: str, values: tuple, expected: list) -> None:
    landscape = WedgeLandscape(10, 2, wedges=1, dtype=F64)
    place = NetworkSpec(name="network", architecture="mlp", data="digits", strategy="vmap", chunk=1)
    members = []
    for value in values:
        spec = RunSpec(lr=value if role == RATE else 0.1, seed=0, member=0)
        field = {BATCH: "batch_size", DROPOUT: "dropout", WIDTH: "width"}.get(role)
        own = dataclasses.replace(place, **{field: value}) if field else place
        members.append(dataclasses.replace(ray(landscape, 0.0, 0.5), role=role, spec=spec, place=own))
    runs = Runs([*members, dataclasses.replace(members[0], role=OPTIMA)])
    found = tunnel_width.measure(landscape, runs, TunnelWidthConfig(directions=2, snapshots=2), derive(3))
    assert found["value"].values[0].tolist() == expected
    assert found["too_strong"].values[0, -1] == (role != WIDTH)


def test_runs_of_no_sweep_are_refused() -> None:
    landscape = WedgeLandscape(10, 2, wedges=1, dtype=F64)
    runs = Runs([dataclasses.replace(ray(landscape, 0.0, 0.5), role=OPTIMA)])
    with pytest.raises(ValueError, match="the width of tunnels needs runs of a sweep; got none of rate, batch, decay"):
        tunnel_width.measure(landscape, runs, TunnelWidthConfig(), derive(0))


def planted(effect: float, levels: int = 4, snapshots: int = 8, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Width, radius and loss of levels that differ in all three; `effect` is what is left at equal radius and loss."""
    rng = np.random.default_rng(seed)
    rank = np.arange(levels)[:, None]
    loss = LEVEL * np.geomspace(1.5, 1e-3, snapshots) * rng.uniform(0.9, 1.0, (levels, snapshots))
    radius = (8 + rank) * np.linspace(1, 1.4, snapshots) * rng.uniform(0.95, 1.05, (levels, snapshots))
    with np.errstate(invalid="ignore"):
        width = 80 - 20 * np.log(radius) + 5 * np.log(LEVEL - loss) + effect * rank
    return width, radius, loss


@pytest.mark.parametrize("role", [RATE, BATCH, DROPOUT])
@pytest.mark.parametrize("effect", [0.0, 1.5, -0.5])
def test_a_trend_at_equal_radius_and_loss_is_found_exactly(role: str, effect: float) -> None:
    width, radius, loss = planted(effect)
    assert np.isnan(width[:, 0]).all()
    used = loss <= 0.9 * LEVEL
    expected = effect * 3 / width[used].mean()
    assert tunnel_width.trend(role, width, radius, loss, LEVEL) == pytest.approx(expected, abs=1e-9)


def test_a_level_without_a_width_leaves_the_trend_undefined() -> None:
    width, radius, loss = planted(1.0)
    width[2] = np.nan
    for role in (RATE, DECAY):
        assert np.isnan(tunnel_width.trend(role, width, radius, loss, LEVEL))
    assert np.isnan(tunnel_width.trend(RATE, *planted(1.0, levels=1), LEVEL))


def test_weight_decay_is_compared_at_the_end_of_training_at_equal_loss() -> None:
    final = np.array([0.0, 0.1, 0.2]) * LEVEL
    loss = np.stack([np.full(3, 0.5 * LEVEL), final], axis=1)
    same = np.degrees(np.arcsin(0.5 * np.sqrt(1 - final / LEVEL)))  # one tunnel, seen from three losses
    width = np.stack([[50.0, 20.0, 10.0], same], axis=1)
    assert tunnel_width.trend(DECAY, width, np.ones((3, 2)), loss, LEVEL) == pytest.approx(0, abs=1e-12)
    width[:, 1] = [10.0, 11.0, 12.0]
    loss[:, 1] = 0.0
    sines = np.sin(np.radians(width[:, 1]))
    widening = (sines[2] - sines[0]) / sines.mean()
    assert tunnel_width.trend(DECAY, width, np.ones((3, 2)), loss, LEVEL) == pytest.approx(widening)
    loss[1, 1] = 1.1 * LEVEL
    assert np.isnan(tunnel_width.trend(DECAY, width, np.ones((3, 2)), loss, LEVEL))


def test_tunnels_too_wide_for_the_law_keep_their_order() -> None:
    width, loss = np.array([[60.0], [64.0], [70.0]]), np.full((3, 1), 0.5 * LEVEL)  # sines above 1 at loss 0
    assert tunnel_width.trend(DECAY, width, np.ones((3, 1)), loss, LEVEL) > 0.02
    assert tunnel_width.trend(DECAY, width[::-1], np.ones((3, 1)), loss, LEVEL) < -0.02


def test_curves_collapse_where_the_width_is_a_function_of_the_rescaled_radius() -> None:
    factors = np.array([1.0, 1.2, 1.4, 1.6])
    radius = np.linspace(8, 12, 12) * np.ones((4, 1))
    rescaled = radius / np.sqrt(factors)[:, None]
    assert tunnel_width.collapse(rescaled**2, radius, factors) == pytest.approx(1, abs=0.01)
    assert tunnel_width.collapse(radius**2 + factors[:, None], radius, factors) < 0
    assert np.isnan(tunnel_width.collapse(radius**2, radius, factors)), "nothing to remove"
    far = radius + 10 * np.arange(4)[:, None]
    assert np.isnan(tunnel_width.collapse(far, far, factors)), "no radius is common to all"
    with_gap = (rescaled**2).copy()
    with_gap[2] = np.nan
    assert np.isnan(tunnel_width.collapse(with_gap, radius, factors))


def test_the_variance_between_levels_is_that_of_interpolated_curves() -> None:
    radius = np.array([[1.0, 3.0, 2.0], [2.0, 4.0, np.nan]])
    width = np.array([[10.0, 30.0, 20.0], [25.0, 45.0, np.nan]])
    assert tunnel_width._between(width, radius) == pytest.approx(12.5)  # two parallel lines, 5 apart


def sweeps(trained: xr.Dataset, effects: dict[str, np.ndarray], collapsing: float | None = None) -> dict:
    """Results with planted effects, one a seed, whose last level is too strong: wider by 1 degree."""
    data = {name: [] for name in ("width", "radius", "loss")}
    roles = [*effects, *([WIDTH] if collapsing is not None else [])]
    for role in effects:
        curves = [np.array(planted(effect, levels=5, seed=seed)) for seed, effect in enumerate(effects[role])]
        for name, values in zip(data, np.swapaxes(curves, 0, 1), strict=True):
            data[name].append(values)
    value = np.arange(5.0) * np.ones((5, len(roles), 1))
    too_strong = np.broadcast_to((np.arange(5) == 4) & (np.array(roles) != WIDTH)[:, None], value.shape)
    if collapsing is not None:
        factors = np.array([1.0, 1.2, 1.4, 1.6, np.nan])
        radius = np.linspace(8, 12, 8) * np.ones((5, 5, 1))
        rescaled = radius / np.sqrt(factors)[:, None]
        width = rescaled + collapsing * factors[:, None] * np.linspace(0.9, 1.1, 5)[:, None, None]
        for name, values in zip(data, (width, radius, np.full_like(radius, 0.1)), strict=True):
            data[name].append(values)
        value[:, -1] = factors
    dims = ("seed", "sweep", "level", "snapshot")
    dataset = trained.assign(
        **{name: (dims, np.stack(values, axis=1)) for name, values in data.items()},
        value=(dims[:3], value),
        too_strong=(dims[:3], too_strong),
        loss_level=("seed", np.full(5, LEVEL)),
    ).assign_coords(sweep=roles)
    return {"tunnel-width": dataset}


def equal(effect: float, spread: np.ndarray) -> dict[str, np.ndarray]:
    """The same effect in every sweep that is compared at equal radius and loss."""
    return dict.fromkeys((RATE, BATCH, DROPOUT), effect + spread)


@pytest.mark.parametrize(
    ("effect", "noise", "outcome"), [(2.0, 1.0, "holds"), (0.0, 1.0, "fails"), (0.25, 20.0, "inconclusive")]
)
def test_verdict(trained: xr.Dataset, spread: np.ndarray, effect: float, noise: float, outcome: str) -> None:
    verdict = tunnel_width.verdict(sweeps(trained, equal(effect, noise * spread)))
    assert verdict.outcome == outcome
    assert [part.part.split(":")[0] for part in verdict.parts] == ["learning rate", "batch size", "dropout"]


def test_one_sweep_without_a_trend_fails_the_claim(trained: xr.Dataset, spread: np.ndarray) -> None:
    verdict = tunnel_width.verdict(sweeps(trained, equal(2.0, spread) | {DECAY: spread - 5.0}))
    assert verdict.outcome == "fails"
    assert [part.outcome for part in verdict.parts] == ["holds", "holds", "holds", "fails"]


@pytest.mark.parametrize(("own", "outcome"), [(0.0, "holds"), (5.0, "fails"), (1.4, "inconclusive")])
def test_verdict_on_the_collapse(trained: xr.Dataset, spread: np.ndarray, own: float, outcome: str) -> None:
    verdict = tunnel_width.verdict(sweeps(trained, equal(2.0, spread), collapsing=own))
    assert verdict.parts[-1].outcome == outcome
    assert verdict.outcome == outcome


def test_the_too_strong_end_is_told_and_not_judged(trained: xr.Dataset, spread: np.ndarray) -> None:
    results = sweeps(trained, {RATE: 2.0 + spread})
    before = tunnel_width.verdict(results)
    width = results["tunnel-width"]["width"]
    width[{"level": 4, "snapshot": -1}] = width[{"level": 3, "snapshot": -1}] - 6
    after = tunnel_width.verdict(results)
    assert before.parts == after.parts
    assert "learning rate, too strong against strongest: -6 [-6, -6] degrees" in after.sentence
    width[{"level": 4, "snapshot": -1, "seed": 3}] = np.nan
    assert "learning rate, too strong: no width in 1 of 5 seeds" in tunnel_width.verdict(results).sentence


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ((DECAY,), "left out, in the model only L2 acts: learning rate, batch size, dropout, layer width"),
        ((RATE, BATCH, DECAY), "left out, not varied here: dropout, layer width"),
    ],
)
def test_why_sweeps_are_left_out(trained: xr.Dataset, spread: np.ndarray, roles: tuple[str, ...], told: str) -> None:
    assert told in tunnel_width.verdict(sweeps(trained, dict.fromkeys(roles, 2.0 + spread))).sentence


def test_a_level_that_did_not_train_leaves_the_claim_inconclusive(trained: xr.Dataset, spread: np.ndarray) -> None:
    results = sweeps(trained, {RATE: 2.0 + spread})
    results["tunnel-width"]["width"][{"level": 1, "seed": 2}] = np.nan
    assert tunnel_width.verdict(results).outcome == "inconclusive"
    assert tunnel_width.permuted_verdict(results).outcome == "inconclusive"


class Unshuffled(np.random.Generator):
    """Draws of the order that is there already."""

    def permutation(self, x: int, axis: int = 0) -> np.ndarray:
        return np.arange(x)


def test_a_trend_that_shuffling_leaves_would_be_seen(
    trained: xr.Dataset, spread: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = sweeps(trained, equal(2.0, spread), collapsing=0.0)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Unshuffled(np.random.PCG64(seed)))
    assert tunnel_width.permuted_verdict(results).outcome == "holds"


def test_shuffled_levels_lose_the_trend(trained: xr.Dataset, spread: np.ndarray) -> None:
    results = sweeps(trained, equal(2.0, spread), collapsing=0.0)
    assert tunnel_width.verdict(results).outcome == "holds"
    verdict = tunnel_width.permuted_verdict(results)
    assert verdict.outcome == "fails"
    assert [part.outcome for part in verdict.parts] == ["fails"] * 3
    assert {part.seeds for part in verdict.parts} == {200}
    assert tunnel_width.permuted_verdict(results) == verdict


def test_the_wedge_models_widen_with_decay_and_a_shuffled_sweep_of_a_network_fails(tasks, run) -> None:
    light = {"tunnel-width": {"directions": 6, "snapshots": 6, "examples": 200}}
    how = plain(250, momentum=0.9, kept=16)
    kept = [one for one in DIGITS.trainings if one.role in (OPTIMA, RATE, DECAY)]
    trainings = tuple(dataclasses.replace(one, members=1, train=how) for one in kept)
    network = dataclasses.replace(DIGITS, trainings=trainings)
    work = expand(
        Preset({"network": (network,)}, light),
        claims=("tunnel-width",), landscapes=("network",), seeds=range(2), quick=True,
    )  # fmt: skip
    rows, _ = run((*work, *tasks(("tunnel-width",), ("toy",), light=light)))
    outcomes = {row["landscape"]: row["outcome"] for row in rows}
    del outcomes["network"]
    assert outcomes == {"control-permuted": "fails", "toy-complete": "holds", "toy-sampled": "holds"}
