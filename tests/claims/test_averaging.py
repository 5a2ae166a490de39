"""averaging: averages against slow references, the verdict all three ways, the toys and the control that must fail."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import NetworkLandscape, WedgeLandscape
from nwedge._random import choose, derive
from nwedge.claims import averaging
from nwedge.claims._cycles import cyclical_runs, last_ends, stable
from nwedge.claims.runs import Run, Runs, run, train
from nwedge.landscape import Landscape, evaluate
from nwedge.landscapes.networks.architectures import mlp
from nwedge.specs.claims import claim
from nwedge.specs.configs import AveragingConfig
from nwedge.specs.subjects import cycles
from nwedge.specs.tasks import CYCLE, RunSpec

CONFIG = AveragingConfig(snapshots=4)


def cycled(
    landscape: Landscape, rates: tuple[float, ...], decay: float = 0.0, *, cycle: int = 100, seed: int = 0
) -> list[Run]:
    plan = [RunSpec(lr=lr, weight_decay=decay, seed=seed, member=0) for lr in rates]
    group = train(landscape, cycles(cycle, 6), plan)
    return [run(row, group, landscape, spec, role=CYCLE) for row, spec in enumerate(plan)]


def classifier() -> NetworkLandscape:
    def data(name: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.randint(3, (count,), generator=derive(0, name, "labels"))
        noise = torch.randn(count, 5, generator=derive(0, name))
        return noise + 2 * torch.nn.functional.one_hot(labels, 5), labels

    return NetworkLandscape(mlp(5, 3, (6,)), data("train", 60), data("held out", 40), batch_size=8, dtype=torch.float64)


def test_on_a_wedge_model_averages_distances_and_wedges_are_those_of_the_definition() -> None:
    noisy = WedgeLandscape(60, 6, wedges=10, profile="squared", noise=0.3, dtype=torch.float64)
    plain = WedgeLandscape(60, 6, wedges=10, profile="squared", dtype=torch.float64)
    runs = cycled(noisy, (1.2, 0.1), decay=0.02)
    found = averaging.measure(plain, Runs(runs), CONFIG, derive(0))
    assert found["rate"].values.tolist() == [0.1, 1.2]
    assert found["lambda"] == pytest.approx(2.02, rel=1e-3)
    assert found["edge"] == pytest.approx(2 / 2.02, rel=1e-3)
    for one in runs:
        own, points = found.sel(rate=one.spec.lr), one.points[-4:]
        for count in range(1, 5):
            at, first = own.sel(count=count), points[:count]
            middle = first.mean(0, keepdim=True)
            assert at["loss"] == pytest.approx(plain.loss(middle).item())
            assert at["single_loss"] == pytest.approx(plain.loss(first).mean().item())
            assert at["distance"] == pytest.approx(plain.distance(middle).item())
            assert at["single_distance"] == pytest.approx(plain.distance(first).mean().item())
        np.testing.assert_allclose(own["snapshot_loss"], plain.loss(points))
        assert own["wedges"] == len(set(plain.nearest_wedge(points).tolist()))
        turned = [
            math.degrees(math.acos(torch.nn.functional.cosine_similarity(a, b, dim=0).item()))
            for a, b in pairwise(points)
        ]
        assert own["angle"] == pytest.approx(np.mean(turned))
        excess = plain.loss(points.mean(0, keepdim=True)).item() - plain.loss(points).mean().item()
        assert own["excess"] == pytest.approx(min(1, max(0, excess / one.loss[0])))
    assert found["stable"].values.all()
    assert found["wedges"].sel(rate=1.2) > found["wedges"].sel(rate=0.1) == 1
    np.testing.assert_allclose(found["initial_loss"], [runs[1].loss[0]])
    np.testing.assert_allclose(found["final_loss"], [runs[1].loss[-1]])


def test_of_classifiers_accuracies_are_those_of_averages_of_weights_and_of_predictions() -> None:
    landscape = classifier()
    runs = cycled(landscape, (0.05, 0.5), cycle=20)
    found = averaging.measure(landscape, Runs(runs), CONFIG, derive(0))
    for prefix, view in (("", landscape), ("held_out_", landscape.held_out)):
        for one in runs:
            for count in range(1, 5):
                points, at = one.points[-4:][:count], found.sel(rate=one.spec.lr, count=count)
                probabilities = view.predict(points)
                together = (probabilities.mean(0).argmax(1) == view.labels).double().mean().item()
                assert at[f"{prefix}accuracy"] == pytest.approx(view.accuracy(points.mean(0, keepdim=True)).item())
                assert at[f"{prefix}ensemble_accuracy"] == pytest.approx(together)
                assert at[f"{prefix}single_accuracy"] == pytest.approx(view.accuracy(points).mean().item())
    assert "distance" not in found
    hessian = torch.func.hessian(lambda point: landscape.loss(point[None])[0])(runs[0].optimum)
    assert found["lambda"] == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-2)


def test_training_losses_are_taken_on_the_same_few_examples_at_all_points() -> None:
    landscape = classifier()
    runs = cycled(landscape, (0.05, 0.5), cycle=20)
    found = averaging.measure(landscape, Runs(runs), AveragingConfig(snapshots=4, examples=20), derive(3))
    few = landscape.take(choose(landscape.examples, 20, derive(3)))
    stream = derive(3)
    choose(landscape.examples, 20, stream)
    other = landscape.held_out
    other = other.take(choose(other.examples, 20, stream))
    for one in runs:
        at = found.sel(rate=one.spec.lr)
        np.testing.assert_allclose(at["snapshot_loss"], evaluate(few, one.points[-4:]), rtol=1e-12)
        singly = other.accuracy(one.points[-4:]).numpy()
        np.testing.assert_allclose(at["held_out_single_accuracy"].sel(count=4), singly.mean())


def test_a_rate_at_which_snapshots_are_untrained_is_not_stable() -> None:
    landscape = WedgeLandscape(20, 4, wedges=1, profile="squared", dtype=torch.float64)
    runs = cycled(landscape, (0.1, 0.3))
    wild = Run(
        points=runs[1].points,
        step=runs[1].step,
        loss=np.r_[1.0, np.full(2, 0.0), np.full(2, 0.1), np.full(2, 0.5)],
        landscape=landscape,
        spec=RunSpec(lr=9.0, seed=0, member=0),
        role=CYCLE,
    )
    assert stable([*runs, wild], 4).tolist() == [True, True, False]
    assert stable([wild], 6).tolist() == [True]
    wild.loss[-1] = np.nan
    assert stable([wild], 6).tolist() == [False]
    assert [one.spec.lr for one in cyclical_runs(Runs([wild, *runs]))] == [0.1, 0.3, 9.0]


def test_averages_break_where_the_excess_reaches_the_level() -> None:
    rates = np.array([0.1, 1.0, 10.0])
    assert averaging.breaks(rates, np.array([0.0, 0.0, 0.1])) == pytest.approx(10**0.5)
    assert averaging.breaks(rates, np.array([0.0, 0.05, 0.0])) == pytest.approx(1.0)
    assert averaging.breaks(rates, np.array([0.04, 0.08, 1.0])) == pytest.approx(10**-0.75)
    assert math.isnan(averaging.breaks(rates, np.zeros(3)))
    assert math.isnan(averaging.breaks(rates, np.full(3, 0.2)))
    assert math.isnan(averaging.breaks(rates[:0], np.zeros(0)))


def judged(
    trained: xr.Dataset, lowest: np.ndarray, highest: np.ndarray, broken: np.ndarray, stable: bool = True
) -> dict[str, xr.Dataset]:
    """Three rates, of which the third is not stable, and an edge at 1."""
    unstable = np.full(len(lowest), 0.9)
    kept = np.tile([True, stable, False], (len(lowest), 1))
    dataset = trained.assign(
        excess=(("seed", "rate"), np.stack([lowest, highest, unstable], 1)),
        stable=(("seed", "rate"), kept),
        breaks=("seed", broken),
        edge=("seed", np.ones(len(lowest))),
    ).assign_coords(rate=[0.1, 1.0, 2.0])
    return {"averaging": dataset}


@pytest.mark.parametrize(
    ("lowest", "highest", "broken", "outcome", "worst"),
    [
        (0.0, 0.5, 0.9, "holds", 0.9),
        (0.0, 0.5, 1 / 0.9, "holds", 0.9),
        (0.0, 0.5, 0.2, "fails", 0.2),
        (0.0, 0.5, 5.0, "fails", 0.2),
        (0.2, 0.5, 0.9, "fails", 0.8),
        (0.0, 0.01, 0.9, "fails", 0.01),
        (0.0, 0.05, 0.9, "inconclusive", 0.05),
        (0.0, 0.5, 0.5, "inconclusive", 0.5),
    ],
)
def test_verdicts(
    trained: xr.Dataset, spread: np.ndarray, lowest: float, highest: float, broken: float, outcome: str, worst: float
) -> None:
    results = judged(trained, np.full(5, lowest), highest * (1 + spread), broken * (1 + spread))
    for order in ([0, 1, 2], [2, 1, 0]):
        verdict = averaging.verdict({"averaging": results["averaging"].isel(rate=order)})
        assert verdict.outcome == outcome
        assert len(verdict.parts) == 3
        if outcome != "holds":
            assert verdict.statistic == pytest.approx(worst, abs=2e-3)


def test_averages_that_never_break_fail_and_leave_the_edge_undefined(trained: xr.Dataset) -> None:
    verdict = averaging.verdict(judged(trained, np.zeros(5), np.zeros(5), np.full(5, np.nan)))
    assert (verdict.outcome, verdict.statistic) == ("fails", 0)
    assert [one.outcome for one in verdict.parts] == ["holds", "fails", "inconclusive"]


def test_a_single_stable_rate_says_nothing_of_breaking(trained: xr.Dataset) -> None:
    verdict = averaging.verdict(judged(trained, np.zeros(5), np.zeros(5), np.full(5, np.nan), stable=False))
    assert verdict.outcome == "inconclusive"


def test_an_untrained_lowest_rate_gives_no_verdict(trained: xr.Dataset) -> None:
    trained["final_loss"][1] = 1.9
    verdict = averaging.verdict(judged(trained, np.zeros(5), np.full(5, 0.5), np.full(5, 0.9)))
    assert verdict.outcome == "inconclusive"
    assert verdict.sentence.startswith("no verdict on untrained runs")


def test_the_control_fails_it(tasks, run) -> None:
    controls = claim("averaging").controls
    rows, results = run(tasks(("averaging",), controls, seeds=2, light={}))
    assert {row["landscape"]: row["outcome"] for row in rows} == dict.fromkeys(controls, "fails")
    assert rows[0]["statistic"] == pytest.approx(0, abs=1e-9)
    assert [part["outcome"] for part in rows[0]["parts"]] == ["holds", "fails", "inconclusive"]
    for id in rows[0]["task_ids"]:
        assert results[id]["stable"].all()
        assert results[id]["edge"] == pytest.approx(2, rel=1e-3)
        assert results[id]["rate"].max() > 2


def test_on_sampled_wedges_it_holds_and_breaks_at_the_edge() -> None:
    plain = WedgeLandscape(120, 12, wedges=20, profile="squared")
    noisy = WedgeLandscape(120, 12, wedges=20, profile="squared", noise=0.3)
    found = [
        averaging.measure(plain, Runs(cycled(noisy, (0.1, 0.5, 0.9, 1.0, 1.2), 0.02, seed=seed)), CONFIG, derive(0))
        for seed in range(3)
    ]
    for one in found:
        assert (one["wedges"].sel(rate=slice(0, 0.5)) == 1).all()
        assert (one["wedges"].sel(rate=slice(1, 1.2)) > 2).all()
        assert 0.5 < one["breaks"] < 1.2
    dataset = xr.concat(found, xr.DataArray(range(3), dims="seed", name="seed"), join="exact")
    assert averaging.verdict({"averaging": dataset}).outcome == "holds"


def test_bad_input_gets_one_sentence() -> None:
    landscape = WedgeLandscape(20, 4, wedges=2, profile="squared")
    runs = cycled(landscape, (0.1, 0.3), cycle=3)
    with pytest.raises(ValueError, match="at least 2; got 1"):
        averaging.measure(landscape, Runs(runs[:1]), CONFIG, derive(0))
    with pytest.raises(ValueError, match="7 snapshots need a run of as many cycles; got one of 6"):
        averaging.measure(landscape, Runs(runs), AveragingConfig(snapshots=7), derive(0))
    assert len(last_ends(runs[0], 6)) == 6
