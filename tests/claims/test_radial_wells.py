"""radial-wells: the probe law, extents, the verdict all three ways, and the controls that must fail it."""

import math

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from nwedge import WedgeLandscape
from nwedge._random import derive
from nwedge.claims import radial_wells
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import Landscape
from nwedge.landscapes.controls import IsolatedMinima, QuadraticBowl
from nwedge.specs.claims import claim
from nwedge.specs.configs import RadialWellsConfig
from nwedge.specs.tasks import RunSpec

F64 = torch.float64
LIGHT = {"radial-wells": {"directions": 200, "distances": 10, "long": 8}}


def measured(landscape: Landscape, point: Tensor, **settings) -> xr.Dataset:
    """The measurement at a point that stands for an optimum."""
    start = landscape.initial(1, derive(9))[0].to(point)
    run = Run(
        points=torch.stack([start, point]),
        step=np.array([0, 1]),
        loss=np.array([1.0, 0.0]),
        landscape=landscape,
        spec=RunSpec(lr=0.1, seed=0, member=0),
    )
    return radial_wells.measure(landscape, Runs([run]), RadialWellsConfig(**settings), derive(0))


def on_wedge(landscape: WedgeLandscape, seed: int) -> Tensor:
    start = landscape.initial(1, derive(seed))
    basis = landscape.short_basis(start)[0]
    return start[0] - (start[0] @ basis.T) @ basis


def test_the_controls_fail_it(tasks, run) -> None:
    controls = claim("radial-wells").controls
    rows, _ = run(tasks(("radial-wells",), controls, light=LIGHT))
    assert {row["landscape"]: row["outcome"] for row in rows} == dict.fromkeys(controls, "fails")
    parts = {row["landscape"]: [part["outcome"] for part in row["parts"]] for row in rows}
    assert parts["control-bowl"] == parts["control-isolated"] == ["holds", "holds", "fails"]
    assert parts["control-groove"][0] == "fails"


def test_it_holds_on_the_wedge_models(tasks, run) -> None:
    rows, results = run(tasks(("radial-wells",), ("toy",), light=LIGHT))
    assert {row["landscape"]: row["outcome"] for row in rows} == {"toy-complete": "holds", "toy-sampled": "holds"}
    for row in rows:
        for id in row["task_ids"]:
            assert results[id]["capped_long"] == 8
            np.testing.assert_allclose(results[id]["extent_long"], 10)
            assert (results[id]["extent_random"] < 1).all()


@pytest.mark.parametrize("profile", ["distance", "squared"])
@pytest.mark.parametrize("oriented", ["axes", "random"])
def test_the_probe_law_holds_on_one_wedge_also_from_above_it(profile: str, oriented: str) -> None:
    landscape = WedgeLandscape(300, 40, wedges=1, oriented=oriented, profile=profile, dtype=F64)
    found = measured(landscape, on_wedge(landscape, 1) + 0.02 * landscape.initial(1, derive(2))[0])
    start = landscape.distance(on_wedge(landscape, 1)[None] + 0.02 * landscape.initial(1, derive(2))).item()
    far = found["probe_distance"].values ** 2 * 40 / 300 >= start**2
    assert far.sum() >= 8
    np.testing.assert_allclose(found["departure"].values[far], 1, atol=0.02)
    assert (found["kept"] == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_probe_law_holds_on_the_sampled_family_while_probes_keep_their_wedge(seed: int) -> None:
    landscape = WedgeLandscape(300, 15, wedges=40, seed=seed, profile="squared", dtype=F64)
    found = measured(landscape, on_wedge(landscape, seed))
    kept = found["kept"].values >= 0.95
    assert kept.any()
    last = np.flatnonzero(kept)[-1]
    assert found["departure"].values[last] == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(found["wedge_distance"].values[last] ** 2, found["probe_loss"].values[last])
    np.testing.assert_allclose(found["law_loss"], found["law"] ** 2)


def test_probes_of_the_complete_family_leave_their_wedge_and_the_law() -> None:
    landscape = WedgeLandscape(200, 50, profile="squared", dtype=F64)
    found = measured(landscape, on_wedge(landscape, 0), level=0.5, directions=200)
    assert found["kept"].values[-1] == 0
    assert found["departure"].values[-1] < 0.9
    assert (np.diff(found["kept"].values) <= 0).all()


def test_the_slope_is_that_of_the_trace_and_the_spread_is_taken_where_the_level_is_crossed() -> None:
    bowl = QuadraticBowl(100, dtype=F64)
    found = measured(bowl, bowl.centre, directions=2000)
    trace = float(bowl.curvatures.sum())
    assert float(found["probe_slope"]) == pytest.approx(trace / 200, rel=0.01)
    assert float(found["crossing"]) == pytest.approx(math.sqrt(float(found["level"]) * 200 / trace), rel=0.02)
    assert found["probe_loss"].values[found["distance"].values == 1] == pytest.approx(float(found["level"]), rel=0.02)
    of_a_form = math.sqrt(2 * float((bowl.curvatures**2).mean() / bowl.curvatures.mean() ** 2 - 1) / 102)
    assert float(found["probe_spread"]) == pytest.approx(of_a_form, rel=0.1)
    np.testing.assert_allclose(found["probe_rms"] ** 2, found["probe_loss"] ** 2, rtol=0.05)


def test_extents_and_the_tunnel_of_a_round_basin_are_its_radius() -> None:
    minima = IsolatedMinima(50, minima=1, dtype=F64)
    found = measured(minima, minima.minima[0], directions=50, level=0.1)
    reach = math.sqrt(float(found["level"]))
    radius = float(found["radius"])
    np.testing.assert_allclose(found["extent_random"] * radius, reach, rtol=1e-3)
    assert found["all_short"]
    assert found["extent_long"].isnull().all()
    for scale, angle in zip(found["turned_radius"].values, found["turned_angle"].values, strict=True):
        cosine = (1 + scale**2 - (reach / radius) ** 2) / (2 * scale)
        expected = math.degrees(math.acos(cosine)) if cosine < 1 else math.nan
        assert angle == pytest.approx(expected, abs=0.2, nan_ok=True)


def test_a_start_above_the_level_has_no_extent() -> None:
    bowl = QuadraticBowl(20, dtype=F64)
    found = measured(bowl, bowl.centre + 3, directions=20)
    for name in ("crossing", "probe_spread", "extent_random"):
        assert found[name].isnull().all()


def test_a_network_is_seen_on_the_same_examples_throughout(tasks, run) -> None:
    light = {"radial-wells": {"directions": 20, "distances": 8, "long": 4, "examples": 100}}
    rows, results = run(tasks(("radial-wells",), ("network",), seeds=1, light=light))
    found = results[rows[0]["task_ids"][0]]
    assert 0 < found["known_short"] <= 64
    assert found["probe_loss"].values[found["distance"].values == 1] == pytest.approx(float(found["level"]), rel=0.5)
    assert "law" not in found


def test_crossings_are_interpolated_on_the_squares() -> None:
    distances = np.array([1.0, 2.0, 4.0])
    curves = np.stack([0.5 * distances**2, 0.1 * distances**2, [0.1, np.nan, 9.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = radial_wells.crossings(curves, distances, 0.0, 1.0)
    np.testing.assert_allclose(found, [2**0.5, 10**0.5, np.nan, 1 / 3**0.5, np.inf])
    assert np.isnan(radial_wells.crossings(curves, distances, 2.0, 1.0)).all()


def test_monotony_is_one_less_the_largest_fall_in_units_of_the_rise() -> None:
    curves = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 4.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 2.0]])
    np.testing.assert_allclose(radial_wells.monotony(curves, 0.0), [1, 0.75, np.nan, 2 / 3])


def test_shares_are_geometric_and_hold_the_crossing_itself() -> None:
    found = radial_wells.shares(16)
    np.testing.assert_allclose(found[1:] / found[:-1], found[1] / found[0])
    assert (found[12], found[0]) == (1, 1 / 32)
    with pytest.raises(ValueError, match="probes need at least 5 distances; got 4"):
        radial_wells.shares(4)


def wells(trained: xr.Dataset, spread: np.ndarray, rough: float, fall: float, ratio: float) -> dict[str, xr.Dataset]:
    random = np.stack([np.full(5, 0.2), np.full(5, 0.5)], axis=1)
    long = np.stack([0.5 * ratio + spread, 0.5 * ratio + spread, np.full(5, 0.1)], axis=1)
    dataset = trained.assign(
        probe_spread=("seed", rough + spread),
        rise_monotone=("seed", 1 - fall + spread / 10),
        extent_random=(("seed", "direction"), random),
        extent_long=(("seed", "long"), long),
        all_short=("seed", np.zeros(5, dtype=bool)),
        more_short=("seed", np.zeros(5, dtype=bool)),
    )
    return {"radial-wells": dataset}


@pytest.mark.parametrize(
    ("rough", "fall", "ratio", "outcome", "worst"),
    [
        (0.1, 0.0, 8.0, "holds", 1.0),
        (0.9, 0.0, 8.0, "fails", 0.1),
        (0.1, 0.5, 8.0, "fails", 0.5),
        (0.1, 0.0, 1.2, "fails", 1.2),
        (0.5, 0.0, 8.0, "inconclusive", 0.5),
        (0.1, 0.1, 8.0, "inconclusive", 0.9),
        (0.1, 0.0, 3.0, "inconclusive", 3.0),
    ],
)
def test_verdict(
    trained: xr.Dataset, spread: np.ndarray, rough: float, fall: float, ratio: float, outcome: str, worst: float
) -> None:
    verdict = radial_wells.verdict(wells(trained, spread, rough, fall, ratio))
    assert verdict.outcome == outcome
    assert verdict.statistic == pytest.approx(worst, abs=0.01)
    assert len(verdict.parts) == 3


def test_where_every_direction_is_short_the_ratio_is_one_and_where_none_is_known_there_is_no_verdict(
    trained: xr.Dataset, spread: np.ndarray
) -> None:
    results = wells(trained, spread, 0.1, 0.0, 8.0)
    results["radial-wells"]["extent_long"][:] = np.nan
    assert radial_wells.verdict(results).outcome == "inconclusive"
    results["radial-wells"]["all_short"][:] = True
    verdict = radial_wells.verdict(results)
    assert (verdict.outcome, verdict.statistic) == ("fails", 1)


def test_where_more_directions_are_short_than_were_sought_none_is_known_to_be_long(
    trained: xr.Dataset, spread: np.ndarray
) -> None:
    results = wells(trained, spread, 0.1, 0.0, 8.0)
    assert radial_wells.verdict(results).outcome == "holds"
    results["radial-wells"]["more_short"][0] = True
    verdict = radial_wells.verdict(results)
    assert verdict.outcome == "inconclusive"
    assert "undefined in 1 of 5 seeds" in verdict.parts[2].sentence
