"""Claims measured for real: the controls that must fail, and numbers that do not depend on what else is asked."""

import functools
import warnings

import numpy as np
import pytest
import torch

from nwedge._random import derive
from nwedge.claims import no_obstacles, two_halves
from nwedge.claims._task import execute
from nwedge.claims.judging import judge
from nwedge.claims.runs import Run, Runs
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.specs.claims import claim
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.tasks import ClaimSpec, GroupSpec, RunSpec

LIGHT = {
    "no-obstacles": {"points": 31},
    "tunnels": {"steps": 300, "pointwise_steps": 100, "points": 31, "bends": 50, "bend_points": 7},
    "two-halves": {"steps": 300, "pointwise_steps": 100},
}


@pytest.fixture
def tasks(tasks):
    """The tasks of claims on landscapes with light settings."""
    return functools.partial(tasks, light=LIGHT)


@pytest.mark.parametrize("id", LIGHT)
def test_the_controls_of_a_claim_fail_it(id: str, tasks, run) -> None:
    controls = claim(id).controls
    assert controls
    rows, _ = run(tasks((id,), controls))
    assert {row["landscape"]: row["outcome"] for row in rows} == dict.fromkeys(controls, "fails")


def test_the_sampled_toy_has_no_obstacles_and_has_tunnels(tasks, run) -> None:
    rows, results = run(tasks(("no-obstacles", "tunnels"), ("toy-sampled",)))
    assert [row["outcome"] for row in rows if row["claim"] == "no-obstacles"] == ["holds"]
    (row,) = (row for row in rows if row["claim"] == "tunnels")
    assert [part["outcome"] for part in row["parts"][1:]] == ["holds", "holds"]
    for id in row["task_ids"]:
        found = results[id]
        assert found["distance"].sel(path="sheet").max() < 1e-2
        assert found["distance"].sel(path="line").max() > 1
        assert found["zeroed"].sel(path="sheet") == pytest.approx(30, abs=3)
        assert found["length"].sel(path="line") == pytest.approx(1)
        assert (found["length"].sel(path=["pointwise", "sheet", "bezier"]) > 1).all()
        assert found["bend_barrier"].sizes["bend"] == 50
    assert row["seeds"] == len(row["task_ids"]) == 3


def test_a_subset_of_the_claims_gives_the_same_numbers_and_so_does_a_second_run(tasks, run) -> None:
    landscapes = ("control-isolated",)
    every, _ = run(tasks(("tunnels", "two-halves"), landscapes, seeds=2))
    for _ in range(2):
        alone, _ = run(tasks(("two-halves",), landscapes, seeds=2))
        assert alone
        assert alone == [row for row in every if row["claim"] == "two-halves"]


def test_the_cosines_of_two_halves_are_those_of_the_definition(tasks, run) -> None:
    work = tasks(("two-halves",), ("toy-complete",), seeds=2)
    task = next(task for task in work if isinstance(task, ClaimSpec) and task.seed == 0)
    _, results = run(work)
    found = results[task.id]
    cosine = found["cosine"].sel(path="pointwise").values
    assert cosine.shape == (16, 16)
    np.testing.assert_allclose(np.diag(cosine), 1)
    pairs = [cosine[i, j] for i in range(8) for j in range(8) if i != j]
    pairs += [cosine[i, j] for i in range(8, 16) for j in range(8, 16) if i != j]
    assert found["within"].sel(path="pointwise") == pytest.approx(np.mean(pairs))
    across = [abs(cosine[i, j]) for i in range(8) for j in range(8, 16)]
    assert found["across"].sel(path="pointwise") == pytest.approx(np.mean(across))
    assert found["changed"].sel(path="sheet").values[0] < found["changed"].sel(path="sheet").values[-1]


def test_deviations_are_taken_normal_to_the_line() -> None:
    vectors = torch.randn(4, 6, generator=derive(0), dtype=torch.float64)
    axis = torch.arange(6.0, dtype=torch.float64)
    left = two_halves._normal_part(vectors, axis)
    torch.testing.assert_close(left @ axis, torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(vectors - left, (vectors @ axis)[:, None] * axis / (axis @ axis))


def test_a_group_trains_its_runs_and_keeps_what_the_spec_says(tasks) -> None:
    group = tasks(("tunnels",), ("control-bowl",))[0]
    assert isinstance(group, GroupSpec)
    result = execute(group, {})
    snapshots = len(group.train.keep)
    assert result.weights["points"].shape == (len(group.runs), snapshots, 100)
    assert result.dataset["loss"].shape == (len(group.runs), snapshots)
    assert result.dataset["step"].values.tolist() == list(group.train.keep)
    assert (result.dataset["loss"][:, -1] < 1e-9 * result.dataset["loss"][:, 0]).all()


def test_rises_are_found_on_line_and_trajectory() -> None:
    bowl = QuadraticBowl(2, dtype=torch.float64)
    far = bowl.centre + torch.tensor([3.0, 0.0], dtype=torch.float64)
    over = torch.stack([far, bowl.centre, bowl.centre + (far - bowl.centre) / -2])
    loss = bowl.loss(over).numpy()
    past = Run(over, np.arange(3), loss, bowl, RunSpec(lr=0.1, seed=0, member=0))
    found = no_obstacles.measure(bowl, Runs([past, past]), NoObstaclesConfig(points=301), derive(0))
    expected = loss[-1] / (loss[0] - loss[-1])
    np.testing.assert_allclose(found["line_rise"], expected, rtol=1e-3)
    np.testing.assert_allclose(found["trajectory_rise"], expected)


def test_a_run_that_diverges_gives_no_verdict(tasks) -> None:
    group, *claims = tasks(("no-obstacles",), ("control-horseshoe",))
    assert isinstance(group, GroupSpec)
    wild = type(group)(
        landscape=group.landscape,
        train=group.train,
        runs=tuple(type(run)(lr=1e6, seed=run.seed, member=run.member) for run in group.runs),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        result = execute(wild, {})
    assert (result.dataset["stopped"] >= 0).all()
    measured = {task.id: execute(task, {group.id: result}).dataset for task in claims}
    (row,) = judge(claims, measured)  # pyright: ignore[reportArgumentType]
    assert row["outcome"] == "inconclusive"
    assert row["sentence"].startswith("no verdict on untrained runs")
