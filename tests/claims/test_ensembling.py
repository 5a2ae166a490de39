"""ensembling: functions and gains against slow references, the verdict all three ways, the control that must fail."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor
from torch.nn.functional import one_hot

from nwedge import NetworkLandscape, WedgeLandscape
from nwedge._random import derive
from nwedge.claims import ensembling
from nwedge.claims.runs import Run, Runs
from nwedge.claims.sheets import SpannedOptima
from nwedge.geometry import Sheet
from nwedge.landscape import Landscape, evaluate
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.specs.claims import claim
from nwedge.specs.configs import EnsemblingConfig
from nwedge.specs.tasks import CYCLE, OPTIMA, RunSpec

CONFIG = EnsemblingConfig(members=3, m=3)
F64 = torch.float64


def made(landscape: Landscape, points: Tensor, lr: float = 0.1, role: str = OPTIMA, level: float = 0.0) -> Run:
    """A run that went through these points; all its losses but the first are `level` of the first."""
    return Run(
        points=points,
        step=np.arange(len(points)),
        loss=np.r_[1.0, np.full(len(points) - 1, level)],
        landscape=landscape,
        spec=RunSpec(lr=lr, seed=0, member=0),
        role=role,
    )


def classifier() -> NetworkLandscape:
    labels = torch.randint(3, (60,), generator=derive(0, "labels"))
    data = torch.randn(60, 5, generator=derive(0, "inputs")) + one_hot(labels, 5), labels
    return NetworkLandscape(mlp(5, 3, (6,)), data, (data[0][:40] + 0.1, labels[:40]), dtype=F64)


def every_kind(landscape: Landscape) -> tuple[Runs, dict[str, Tensor]]:
    """Runs that have an ensemble of each kind, and the members of those whose members are not drawn."""
    points = landscape.initial(20, derive(0))
    optima = [made(landscape, points[[0, index]]) for index in (1, 2, 3, 4)]
    untrained = made(landscape, points[12:16], 2.0, CYCLE, level=0.9)
    highest, lowest = made(landscape, points[4:8], 1.0, CYCLE), made(landscape, points[8:12], 0.1, CYCLE)
    sheet = SpannedOptima(points[1:4], Sheet(points[1:4]), (0,) * 3, (0, 1, 2), False, 3)
    members = {"independent": points[1:4], "across": points[5:8], "within": points[9:12]}
    return Runs([*optima, untrained, highest, lowest], [sheet]), members


def test_of_classifiers_disagreement_and_gain_are_those_of_the_definition() -> None:
    landscape = classifier()
    runs, members = every_kind(landscape)
    found = ensembling.measure(landscape, runs, CONFIG, derive(5))
    members["sheet"] = Sheet(members["independent"]).sample(3, derive(5))
    for kind, points in members.items():
        at, view = found.sel(kind=kind), landscape.held_out
        probabilities = view.predict(points)
        labels = probabilities.argmax(2)
        differ = np.mean([(labels[i] != labels[j]).double().mean().item() for i, j in combinations(range(3), 2)])
        single = view.accuracy(points).mean().item()
        together = (probabilities.mean(0).argmax(1) == view.labels).double().mean().item()
        assert differ > 0
        assert at["disagreement"] == pytest.approx(differ)
        assert at["diversity"] == pytest.approx(differ / (1 - single))
        assert at["single_accuracy"] == pytest.approx(single)
        assert at["accuracy"] == pytest.approx(together)
        assert at["error_reduction"] == pytest.approx((together - single) / (1 - single))
        assert at["single_negative_log_likelihood"] == pytest.approx(evaluate(view, points).mean().item())
        assert at["negative_log_likelihood"] <= at["single_negative_log_likelihood"]
        assert 0 <= at["calibration_error"] <= 1
    assert not found["coincide"]
    assert found.sizes["run"] == 4


def test_on_sampled_wedges_the_function_is_the_nearest_wedge() -> None:
    landscape = WedgeLandscape(40, 4, wedges=3, profile="squared", dtype=F64)
    runs, members = every_kind(landscape)
    found = ensembling.measure(landscape, runs, CONFIG, derive(0))
    for kind, points in members.items():
        wedges = landscape.nearest_wedge(points).tolist()
        differ = np.mean([one != other for one, other in combinations(wedges, 2)])
        assert found["disagreement"].sel(kind=kind) == pytest.approx(differ)
    assert "error_reduction" not in found


@pytest.mark.parametrize("oriented", ["axes", "random"])
def test_on_the_family_of_all_wedges_functions_share_short_directions(oriented: str) -> None:
    landscape = WedgeLandscape(40, 8, oriented=oriented, profile="squared", dtype=F64)
    runs, members = every_kind(landscape)
    found = ensembling.measure(landscape, runs, CONFIG, derive(0))
    for kind, points in members.items():
        turned = points if landscape.bases is None else points @ landscape.bases.T
        short = [set(point.abs().argsort()[:8].tolist()) for point in turned]
        differ = np.mean([1 - len(one & other) / 8 for one, other in combinations(short, 2)])
        assert found["disagreement"].sel(kind=kind) == pytest.approx(differ)
        assert found["diversity"].sel(kind=kind) == pytest.approx(differ)


def test_a_kind_that_cannot_be_had_is_undefined() -> None:
    landscape = WedgeLandscape(40, 4, wedges=3, profile="squared", dtype=F64)
    points = landscape.initial(9, derive(0))
    optima = [made(landscape, points[[0, index]]) for index in (1, 2, 3)]
    bare = ensembling.measure(landscape, Runs(optima), CONFIG, derive(0))
    assert bare["disagreement"].isnull().values.tolist() == [False, True, True, True]
    untrained = made(landscape, points[4:8], 1.0, CYCLE, level=0.9)
    lowest = made(landscape, points[4:8], 0.1, CYCLE)
    gone = SpannedOptima(points[1:4], None, (0,) * 3, (0, 1, 2), False, 3)
    found = ensembling.measure(landscape, Runs([*optima, lowest, untrained], [gone]), CONFIG, derive(0))
    assert found["disagreement"].isnull().values.tolist() == [False, True, False, True]
    bowl = QuadraticBowl(40, dtype=F64)
    functionless = ensembling.measure(bowl, Runs([made(bowl, one.points) for one in optima]), CONFIG, derive(0))
    assert functionless["diversity"].isnull().all()


def test_bad_input_gets_one_sentence() -> None:
    landscape = WedgeLandscape(40, 4, wedges=3, profile="squared", dtype=F64)
    runs, _ = every_kind(landscape)
    with pytest.raises(ValueError, match="an ensemble of 5 needs as many independent runs; got 4"):
        ensembling.measure(landscape, runs, EnsemblingConfig(), derive(0))
    with pytest.raises(ValueError, match="4 snapshots need a run of as many cycles; got one of 3"):
        ensembling.measure(landscape, runs, EnsemblingConfig(members=4), derive(0))


def judged(
    trained: xr.Dataset, independent: np.ndarray, within: np.ndarray, gain: np.ndarray | None = None
) -> dict[str, xr.Dataset]:
    dataset = trained.assign(
        diversity=(("seed", "kind"), np.stack([independent, within], 1)),
        coincide=("seed", np.zeros(len(within), dtype=bool)),
    ).assign_coords(kind=["independent", "within"])
    if gain is not None:
        dataset["error_reduction"] = (("seed", "kind"), np.stack([gain, np.zeros(len(gain))], 1))
    return {"ensembling": dataset}


@pytest.mark.parametrize(
    ("within", "gain", "outcome", "worst"),
    [
        (0.1, 0.3, "holds", 0.3),
        (0.1, 0.05, "inconclusive", 0.05),
        (0.1, 0.01, "fails", 0.01),
        (0.5, 0.3, "inconclusive", 0.5),
        (0.9, 0.3, "fails", 0.1),
    ],
)
def test_verdicts(
    trained: xr.Dataset, spread: np.ndarray, within: float, gain: float, outcome: str, worst: float
) -> None:
    results = judged(trained, np.ones(5), within + spread, gain * (1 + spread))
    verdict = ensembling.verdict(results)
    assert verdict.outcome == outcome
    assert len(verdict.parts) == 2
    if outcome != "holds":
        assert verdict.statistic == pytest.approx(worst)


@pytest.mark.parametrize(("within", "outcome"), [(0.1, "holds"), (0.5, "inconclusive"), (0.9, "fails")])
def test_without_predictions_the_functions_alone_are_judged(
    trained: xr.Dataset, spread: np.ndarray, within: float, outcome: str
) -> None:
    verdict = ensembling.verdict(judged(trained, np.ones(5), within + spread))
    assert verdict.outcome == outcome
    assert len(verdict.parts) == 1


def test_optima_of_one_function_leave_the_ratio_undefined_unless_they_coincide(trained: xr.Dataset) -> None:
    results = judged(trained, np.zeros(5), np.full(5, math.nan), np.full(5, math.nan))
    assert ensembling.verdict(results).outcome == "inconclusive"
    results["ensembling"]["coincide"][:] = True
    verdict = ensembling.verdict(results)
    assert (verdict.outcome, verdict.statistic) == ("fails", 0)
    assert [one.outcome for one in verdict.parts] == ["fails", "fails"]


def test_the_control_fails_it(tasks, run) -> None:
    """One optimum again and again, as the preset hands it over: no runs under cyclical rates and no sheet."""
    controls = claim("ensembling").controls
    assert controls == ("control-repeated",)
    (row,), results = run(tasks(("ensembling",), controls, seeds=2, light={}))
    assert (row["outcome"], row["statistic"]) == ("fails", 0)
    assert [part["outcome"] for part in row["parts"]] == ["fails", "fails"]
    for id in row["task_ids"]:
        assert results[id]["coincide"]
        assert results[id]["disagreement"].sel(kind="independent") == 0
        assert results[id]["error_reduction"].sel(kind="independent") == pytest.approx(0)


def test_the_preset_hands_the_control_one_optimum_and_nothing_else(tasks) -> None:
    (task,) = (one for one in tasks(("ensembling",), ("control-repeated",), seeds=1, light={}) if one.needs)
    assert {ref.role for ref in task.reads} == {OPTIMA}
    assert len({(ref.group, ref.row) for ref in task.reads}) == 1
    assert len(task.reads) >= task.config.members
    assert task.sheets == ()
