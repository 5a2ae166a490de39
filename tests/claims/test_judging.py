"""The rules of judging, on numbers whose outcome is known."""

import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from nwedge.claims.judging import TRAINED, Threshold, Verdict, combine, interval, judge, over_seeds, part
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.configs import TunnelsConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import ClaimSpec

HALF = Threshold(0.5, "half of it is the smallest effect of interest")


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([0.9, 0.91, 0.89], "holds"),
        ([0.1, 0.11, 0.09], "fails"),
        ([0.4, 0.5, 0.6], "inconclusive"),
        ([0.9, 0.9], "holds"),
        ([0.5, 0.5], "inconclusive"),
        ([0.9], "inconclusive"),
        ([0.9, np.nan, 0.9], "inconclusive"),
    ],
)
def test_outcomes(values: list[float], outcome: str) -> None:
    found = part("effect", np.array(values), HALF)
    assert found.outcome == outcome
    assert found.seeds == len(values)
    assert found.threshold == 0.5
    assert found.reason == HALF.reason
    assert outcome in found.sentence or "undefined in 1 of 3 seeds" in found.sentence


def test_an_undefined_value_makes_the_statistic_null() -> None:
    found = part("effect", np.array([1.0, np.nan]), HALF)
    assert found.statistic is None
    assert found.interval is None
    assert "undefined in 1 of 2 optima" in part("effect", np.array([1.0, np.nan]), HALF, "optimum").sentence


def test_few_values_have_students_interval() -> None:
    values = np.array([0.1, 0.4, 0.2, 0.5, 0.3])
    expected = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(interval(values), expected)


def test_equal_values_have_a_point_interval_and_one_value_none() -> None:
    assert interval(np.full(12, 0.7)) == (pytest.approx(0.7), pytest.approx(0.7))
    assert interval(np.array([0.7])) == (-np.inf, np.inf)


def test_from_ten_values_on_the_interval_is_a_bootstrap_that_is_the_same_twice() -> None:
    values = np.random.default_rng(0).exponential(size=30)
    low, high = interval(values)
    assert interval(values) == (low, high)
    student = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values))
    assert low < values.mean() < high
    assert (high - values.mean()) > (values.mean() - low), "BCa follows the skew, Student's interval is symmetric"
    assert (low, high) != student


def test_intervals_cover_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = [low <= 0 <= high for low, high in (interval(rng.normal(size=5)) for _ in range(1000))]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_a_claim_holds_where_all_parts_hold_and_takes_the_worst_parts_statistic(trained: xr.Dataset) -> None:
    good, better = part("good", np.full(5, 0.6), HALF), part("better", np.full(5, 5.0), HALF)
    bad, unclear = part("bad", np.full(5, 0.1), HALF), part("unclear", np.array([0.0, 1, 0, 1, 0.5]), HALF)
    assert combine([better, good], trained).outcome == "holds"
    assert combine([better, good], trained).statistic == pytest.approx(0.6)
    assert combine([good, unclear], trained).outcome == "inconclusive"
    verdict = combine([unclear, bad, good], trained)
    assert verdict.outcome == "fails"
    assert verdict.statistic == pytest.approx(0.1)
    assert verdict.interval == (pytest.approx(0.1), pytest.approx(0.1))
    assert [one.part for one in verdict.parts] == ["unclear", "bad", "good"]
    assert all(one.sentence in verdict.sentence for one in verdict.parts)


@pytest.mark.parametrize("reached", [2 * TRAINED + 0.01, np.nan])
def test_untrained_runs_give_no_verdict_and_their_loss_is_named(trained: xr.Dataset, reached: float) -> None:
    trained["final_loss"][3, 1] = reached
    verdict = combine([part("good", np.full(5, 0.9), HALF)], trained)
    assert verdict.outcome == "inconclusive"
    assert verdict.statistic is None
    assert "seeds 3 ended above" in verdict.sentence
    if reached == reached:
        assert f"{reached:.3g}" in verdict.sentence


def test_seeds_are_joined_and_different_grids_refused() -> None:
    bowl = ControlSpec(name="control-bowl", kind="bowl", dim=2)
    tasks = [ClaimSpec(claim="tunnels", landscape=bowl, seed=seed, config=TunnelsConfig(), reads=()) for seed in (4, 7)]
    results = {task.id: xr.Dataset({"x": ("t", [1.0, task.seed])}, coords={"t": [0, 1]}) for task in tasks}
    joined = over_seeds(tasks, results)
    assert joined["seed"].values.tolist() == [4, 7]
    assert joined["x"].sel(seed=7).values.tolist() == [1.0, 7.0]
    results[tasks[1].id] = results[tasks[1].id].assign_coords(t=[0, 2])
    with pytest.raises(ValueError, match="cannot"):
        over_seeds(tasks, results)


def claim_tasks(claim: str, landscape: str, seeds: int = 3) -> list[ClaimSpec]:
    place = ControlSpec(name=landscape, kind="bowl", dim=2)
    config = find_claim(claim).config()
    return [ClaimSpec(claim=claim, landscape=place, seed=seed, config=config, reads=()) for seed in range(seeds)]


def measured(tasks: list[ClaimSpec], value: float) -> dict[str, xr.Dataset]:
    losses = {"initial_loss": ("run", [1.0]), "final_loss": ("run", [0.0])}
    return {task.id: xr.Dataset(losses | {"value": value}) for task in tasks}


def sums(*claims: str, sign: int = 1) -> Callable[[dict[str, xr.Dataset]], Verdict]:
    """A verdict on the sum of the values of claims."""

    def verdict(results: dict[str, xr.Dataset]) -> Verdict:
        assert set(results) == set(claims)
        total = sum(sign * np.asarray(results[claim]["value"], float) for claim in claims)
        return combine([part("sum", np.asarray(total), HALF)], results[claims[0]])

    return verdict


@pytest.fixture
def fake(monkeypatch) -> Callable[..., None]:
    """Puts a module in the place of a claim's."""

    def fake(claim: str, **functions) -> None:
        module = ModuleType("claim")
        module.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, f"nwedge.claims.{claim.replace('-', '_')}", module)

    return fake


def test_each_claim_is_judged_on_each_landscape_in_the_order_of_the_tasks(fake) -> None:
    for claim in ("tunnels", "two-halves"):
        fake(claim, verdict=sums(claim))
    groups = [
        claim_tasks(*pair) for pair in (("two-halves", "network"), ("tunnels", "network"), ("tunnels", "control-bowl"))
    ]
    results = measured(groups[0], 1.0) | measured(groups[1], 2.0) | measured(groups[2], 0.0)
    rows = judge([task for group in groups for task in group], results)
    assert [(row["claim"], row["landscape"], row["outcome"], row["statistic"]) for row in rows] == [
        ("two-halves", "network", "holds", 1.0),
        ("tunnels", "network", "holds", 2.0),
        ("tunnels", "control-bowl", "fails", 0.0),
    ]
    assert [row["task_ids"] for row in rows] == [[task.id for task in group] for group in groups]


def test_a_derived_control_is_another_reading_of_its_landscapes_results(fake) -> None:
    shuffled = {"control-permuted": sums("tunnel-width", sign=-1)}
    fake("tunnel-width", verdict=sums("tunnel-width"), DERIVED=shuffled)
    toy, network = claim_tasks("tunnel-width", "toy-complete"), claim_tasks("tunnel-width", "network")
    rows = judge([*toy, *network], measured(toy, 3.0) | measured(network, 2.0))
    assert [(row["landscape"], row["outcome"], row["statistic"]) for row in rows] == [
        ("toy-complete", "holds", 3.0),
        ("network", "holds", 2.0),
        ("control-permuted", "fails", -2.0),
    ]
    assert rows[2]["task_ids"] == rows[1]["task_ids"] == [task.id for task in network]


def test_a_verdict_reads_the_claims_that_it_needs_on_the_same_landscape(fake) -> None:
    claims = ("intrinsic-dimension", "sections", "short-directions")
    fake(claims[0], verdict=sums(*claims))
    for claim in claims[1:]:
        fake(claim, verdict=sums(claim))
    groups = [claim_tasks(claim, "network") for claim in claims] + [claim_tasks("sections", "toy-complete")]
    results = {id: one for value, group in enumerate(groups) for id, one in measured(group, 10.0**value).items()}
    rows = judge([task for group in groups for task in group], results)
    assert {(row["claim"], row["landscape"]): row["statistic"] for row in rows} == {
        ("intrinsic-dimension", "network"): 111.0,
        ("sections", "network"): 10.0,
        ("short-directions", "network"): 100.0,
        ("sections", "toy-complete"): 1000.0,
    }


def test_a_seed_that_a_needed_claim_lacks_is_left_out_and_named(fake) -> None:
    claims = ("intrinsic-dimension", "sections", "short-directions")
    fake(claims[0], verdict=sums(*claims))
    for claim in claims[1:]:
        fake(claim, verdict=sums(claim))
    own, sections, short = (claim_tasks(claim, "network", seeds=4) for claim in claims)
    tasks = [*own, sections[0], sections[2], sections[3], *short[1:]]
    row, *_ = judge(tasks, measured(tasks, 1.0))
    assert (row["claim"], row["statistic"], row["seeds"]) == (claims[0], 3.0, 2)
    assert row["sentence"].endswith("left out: seeds 0, 1, which sections or short-directions lacks")
    rows = judge([*own, sections[0], short[1]], measured([*own, sections[0], short[1]], 1.0))
    assert {row["claim"] for row in rows} == set(claims[1:])


def test_a_claim_whose_needs_are_not_there_is_not_judged(fake) -> None:
    fake("intrinsic-dimension", verdict=sums())
    fake("sections", verdict=sums("sections"))
    own, sections = claim_tasks("intrinsic-dimension", "network"), claim_tasks("sections", "network")
    rows = judge([*own, *sections], measured(own, 1.0) | measured(sections, 1.0))
    assert [row["claim"] for row in rows] == ["sections"]


def test_what_is_measured_only_because_another_claim_needs_it_is_not_judged(fake) -> None:
    fake("sections", verdict=sums("sections"))
    ball = claim_tasks("sections", "control-ball")
    assert judge(ball, measured(ball, 1.0)) == []
