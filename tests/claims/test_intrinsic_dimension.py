"""intrinsic-dimension: the verdict all three ways on synthetic results, the control, and what is measured."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import WedgeLandscape
from nwedge._random import derive
from nwedge.claims import intrinsic_dimension
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import Landscape
from nwedge.landscapes.controls import FlatBall
from nwedge.specs.claims import claim
from nwedge.specs.configs import MATCHED, THRESHOLDS, IntrinsicDimensionConfig, SectionsConfig
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.presets import PRESETS, expand
from nwedge.specs.tasks import OPTIMA, SIZE, ClaimSpec, RunSpec
from nwedge.store import Result, Store

POLISH = SectionsConfig(planes=4, steps=0, rates=(0.1,), levels=(), radii=())
F64 = torch.float64


def trained_run(landscape: Landscape, *, role: str = OPTIMA, width: float = 1.0) -> Run:
    """A run that ends at the point of a plane of half the dimension that lies lowest, on one wedge: an optimum."""
    start = landscape.initial(1, derive(9))
    basis = landscape.short_basis(start)[0] if isinstance(landscape, WedgeLandscape) else start.new_zeros(1, 1)
    end = start - start @ basis.T @ basis if isinstance(landscape, WedgeLandscape) else start / start.norm() * 5
    return Run(
        points=torch.cat([start, end]),
        step=np.array([0, 1]),
        loss=np.array([1.0, 0.0]),
        landscape=landscape,
        spec=RunSpec(lr=0.1, seed=0, member=0),
        role=role,
        place=NetworkSpec(
            name="network", architecture="mlp", data="digits", width=width, strategy="vmap", chunk=1, examples=350
        ),
    )


def results(
    trained: xr.Dataset, d: np.ndarray, count: np.ndarray, sizes: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, xr.Dataset]:
    """What the verdict reads, from one number per seed for the landscape itself and for each further network."""
    many = np.stack([np.full(len(count), 999.0), count, np.full(len(count), 1.0)], axis=1)
    seed = {"seed": trained["seed"].values}
    counts = xr.DataArray(
        np.stack([many, 3 * many], axis=2),
        {**seed, "threshold": list(THRESHOLDS), "m": [1, 2]},
        ("seed", "threshold", "m"),
    )
    other = np.array(sizes).reshape(len(sizes), 2, len(d))
    own = trained.assign(
        threshold=(("seed", "size"), other[:, 0].T),
        count=(("seed", "size"), other[:, 1].T),
        count_error=(("seed", "size"), 0 * other[:, 1].T),
        curvature=("seed", np.full(len(d), MATCHED)),
    ).assign_coords(size=[f"{index}" for index in range(len(sizes))])
    return {
        "sections": xr.Dataset({"threshold": ("seed", d)}, seed),
        "short-directions": xr.Dataset({"center_count": counts, "center_error": 0 * counts}),
        "intrinsic-dimension": own,
    }


@pytest.mark.parametrize(
    ("d", "count", "outcome", "statistic"),
    [
        (100.0, 90.0, "holds", 0.9),
        (90.0, 100.0, "holds", 0.9),
        (100.0, 10.0, "fails", 0.1),
        (100.0, 0.0, "fails", 0.0),
        (100.0, 50.0, "inconclusive", 0.5),
    ],
)
def test_the_ratio_comes_out_all_three_ways(
    trained: xr.Dataset, spread: np.ndarray, d: float, count: float, outcome: str, statistic: float
) -> None:
    verdict = intrinsic_dimension.verdict(results(trained, d * (1 + spread), np.full(5, count), []))
    assert verdict.outcome == outcome
    assert verdict.statistic == pytest.approx(statistic, abs=0.01)
    assert [one.part for one in verdict.parts] == ["min / max of threshold and count"]
    settings = int(count > 0)
    assert f"the slope is left out: {settings} settings have a positive count, and it takes 4" in verdict.sentence


@pytest.mark.parametrize(("power", "outcome"), [(1.0, "holds"), (0.1, "fails"), (0.5, "inconclusive"), (-1, "fails")])
def test_the_slope_comes_out_all_three_ways(
    trained: xr.Dataset, spread: np.ndarray, power: float, outcome: str
) -> None:
    counts = [100.0, 200.0, 300.0, 400.0]
    sizes = [(100 * (count / 100) ** (power + spread), np.full(5, count)) for count in counts[1:]]
    verdict = intrinsic_dimension.verdict(results(trained, np.full(5, 100.0), np.full(5, 100.0), sizes))
    assert verdict.outcome == outcome
    assert len(verdict.parts) == 2
    assert verdict.parts[1].statistic == pytest.approx(power)


def test_settings_without_short_directions_are_left_out_of_the_slope(trained: xr.Dataset) -> None:
    flat = np.full(5, 100.0)
    sizes = [(power * flat, power * flat) for power in (2, 3, 4)] + [(flat, np.array([0.0, 5, 5, 5, 5]))]
    verdict = intrinsic_dimension.verdict(results(trained, flat, flat, sizes))
    assert verdict.parts[1].statistic == pytest.approx(1)
    few = intrinsic_dimension.verdict(results(trained, flat, flat, sizes[1:]))
    assert len(few.parts) == 1
    assert "3 settings have a positive count" in few.sentence


def test_an_undefined_number_is_never_dropped(trained: xr.Dataset) -> None:
    flat = np.full(5, 100.0)
    sizes = [(power * flat, power * flat) for power in (2, 3, 4)]
    sizes[0][1][1] = np.nan
    verdict = intrinsic_dimension.verdict(results(trained, flat, flat, sizes))
    assert (verdict.outcome, verdict.parts[1].statistic) == ("inconclusive", None)
    gone = intrinsic_dimension.verdict(results(trained, np.array([np.nan, 100, 100, 100, 100]), flat, []))
    assert (gone.outcome, gone.statistic) == ("inconclusive", None)


def test_a_count_that_is_not_resolved_is_undefined(trained: xr.Dataset) -> None:
    flat = np.full(5, 100.0)
    read = results(trained, flat, flat, [(power * flat, power * flat) for power in (2, 3, 4)])
    read["intrinsic-dimension"]["count_error"][1, 2] = 201.0
    assert [part.statistic for part in intrinsic_dimension.verdict(read).parts] == [1, None]
    read["short-directions"]["center_error"][:] = 51.0
    assert [part.statistic for part in intrinsic_dimension.verdict(read).parts] == [None, None]


def test_counts_that_are_all_equal_have_no_slope(trained: xr.Dataset) -> None:
    flat = np.full(5, 100.0)
    verdict = intrinsic_dimension.verdict(results(trained, flat, flat, [(power * flat, flat) for power in (2, 3, 4)]))
    assert (verdict.outcome, verdict.parts[1].statistic) == ("inconclusive", None)


def test_a_count_above_another_curvature_is_refused(trained: xr.Dataset) -> None:
    read = results(trained, np.full(5, 10.0), np.full(5, 10.0), [])
    read["short-directions"] = read["short-directions"].isel(threshold=[0, 2])
    with pytest.raises(ValueError, match=r"above 0\.03; short-directions counted above 0\.01, 0\.1: add 0\.03 to its"):
        intrinsic_dimension.verdict(read)


def test_the_smaller_over_the_larger() -> None:
    d, count = np.array([2.0, 8.0, 0.0, 0.0, np.nan, 3.0]), np.array([8.0, 2.0, 5.0, 0.0, 1.0, np.nan])
    np.testing.assert_allclose(intrinsic_dimension.ratio(d, count), [0.25, 0.25, 0, 0, np.nan, np.nan])


def test_the_slope_is_that_of_least_squares() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 6))
    np.testing.assert_allclose(intrinsic_dimension.slope(x, y), [np.polyfit(a, b, 1)[0] for a, b in zip(x, y)])  # noqa: B905


def test_each_further_network_is_counted_and_searched_at_its_own_level() -> None:
    """On a single wedge the count is exact, and the threshold the law's."""
    itself = WedgeLandscape(60, 9, wedges=1, profile="squared", dtype=F64)
    other = WedgeLandscape(80, 20, wedges=1, profile="squared", dtype=F64)
    runs = Runs([trained_run(itself), trained_run(other, role=SIZE, width=2.0), trained_run(itself, role=SIZE)])
    found = intrinsic_dimension.measure(itself, runs, IntrinsicDimensionConfig(search=POLISH), derive(0))
    assert found["size"].values.tolist() == ["width 2, 350 examples", "width 1, 350 examples"]
    assert found["count"].values.tolist() == [20, 9]
    assert found["curvature"] == MATCHED
    np.testing.assert_allclose(found["level"], [0.1 * 20, 0.1 * 9], rtol=0.2)
    np.testing.assert_allclose(found["threshold"], [20 - 2, 9 - 0.9], atol=1.6)
    assert (found["low"] <= found["threshold"]).all()
    assert found["final_loss"].sizes["run"] == 3


def test_without_further_networks_the_result_is_empty_and_can_be_stored(tmp_path) -> None:
    (task,) = (
        task
        for task in expand(
            PRESETS["digits"], claims=("intrinsic-dimension",), landscapes=("control-ball",), seeds=range(1), quick=True
        )
        if isinstance(task, ClaimSpec) and task.claim == "intrinsic-dimension"
    )
    ball = FlatBall(20, dtype=F64)
    found = intrinsic_dimension.measure(ball, Runs([trained_run(ball)]), IntrinsicDimensionConfig(), derive(0))
    assert found["threshold"].shape == (0,)
    store = Store(tmp_path)
    store.write(task, Result(found), {})
    xr.testing.assert_identical(store.read(task).dataset, found)


def test_the_flat_ball_fails_it(tasks, run) -> None:
    """One short direction at its optima, and a threshold that is a large part of D (r = R / 2)."""
    light = {
        "sections": {"planes": 2, "levels": (), "radii": (), "steps": 50, "rates": (0.3,), "resolution": 1.2},
        "short-directions": {"m": (), "positions": (0.0,)},
    }
    rows, measured = run(tasks(("intrinsic-dimension",), claim("intrinsic-dimension").controls, light=light))
    (row,) = (row for row in rows if row["claim"] == "intrinsic-dimension")
    assert row["outcome"] == "fails"
    assert row["statistic"] < 0.1
    found = [dataset for dataset in measured.values() if "explained" in dataset]
    law = 100 * (1 - ((1 + math.sqrt(0.1)) / 2) ** 2)
    assert np.mean([dataset["threshold"] for dataset in found]) == pytest.approx(law, rel=0.15)


def test_it_holds_on_the_sampled_wedges(tasks, run) -> None:
    light = {
        "sections": {"planes": 4, "levels": (), "radii": ()},
        "short-directions": {"m": (2,), "positions": (0.0, 0.5, 1.0)},
    }
    rows, _ = run(tasks(("intrinsic-dimension",), ("toy-sampled",), light=light))
    assert [row["outcome"] for row in rows if row["claim"] == "intrinsic-dimension"] == ["holds"]
