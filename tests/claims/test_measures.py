"""Claims measured for real: the controls that must fail, and numbers that do not depend on what else is asked."""

import warnings

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge._random import derive
from nwedge.claims import no_obstacles, two_halves
from nwedge.claims._task import execute
from nwedge.claims.judging import judge
from nwedge.claims.runs import Run
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.specs.claims import CLAIMS
from nwedge.specs.configs import NoObstaclesConfig, TunnelsConfig, TwoHalvesConfig
from nwedge.specs.presets import PRESETS, expand
from nwedge.specs.tasks import ClaimSpec, GroupSpec, TaskSpec
from nwedge.store import Result

LIGHT = {
    "no-obstacles": NoObstaclesConfig(points=31),
    "tunnels": TunnelsConfig(steps=300, pointwise_steps=100, points=31, bends=50, bend_points=7),
    "two-halves": TwoHalvesConfig(steps=300, pointwise_steps=100),
}


def tasks(claims: tuple[str, ...], landscapes: tuple[str, ...], seeds: int = 3) -> tuple[TaskSpec, ...]:
    preset = PRESETS["digits"]
    return expand(
        type(preset)(subjects=preset.subjects, quick=LIGHT),
        claims=claims,
        landscapes=landscapes,
        seeds=seeds,
        quick=True,
    )


def run(work: tuple[TaskSpec, ...]) -> tuple[list[dict], dict[str, xr.Dataset]]:
    results: dict[str, Result] = {}
    for task in work:
        results[task.id] = execute(task, {need: results[need] for need in task.needs})
    measured = {id: result.dataset for id, result in results.items()}
    return judge([task for task in work if isinstance(task, ClaimSpec)], measured), measured


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_controls_of_a_claim_fail_it(claim) -> None:
    assert claim.controls
    rows, _ = run(tasks((claim.id,), claim.controls))
    assert {row["landscape"]: row["outcome"] for row in rows} == dict.fromkeys(claim.controls, "fails")


def test_the_sampled_toy_has_no_obstacles_and_has_tunnels() -> None:
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


def test_a_subset_of_the_claims_gives_the_same_numbers_and_so_does_a_second_run() -> None:
    landscapes = ("control-isolated", "toy-complete")
    every, _ = run(tasks(("tunnels", "two-halves"), landscapes, seeds=2))
    for _ in range(2):
        alone, _ = run(tasks(("tunnels",), landscapes, seeds=2))
        assert alone == [row for row in every if row["claim"] == "tunnels"]


def test_the_cosines_of_two_halves_are_those_of_the_definition() -> None:
    (task,) = (task for task in tasks(("two-halves",), ("toy-complete",), seeds=2)[1:] if task.seed == 0)  # pyright: ignore
    _, results = run(tasks(("two-halves",), ("toy-complete",), seeds=2))
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


def test_a_group_trains_its_runs_and_keeps_what_the_spec_says() -> None:
    group = tasks(("tunnels",), ("control-bowl",))[0]
    assert isinstance(group, GroupSpec)
    result = execute(group, {})
    snapshots = len(group.train.keep)
    assert result.weights["points"].shape == (2, snapshots, 100)
    assert result.dataset["loss"].shape == (2, snapshots)
    assert result.dataset["step"].values.tolist() == list(group.train.keep)
    assert (result.dataset["loss"][:, -1] < 1e-9 * result.dataset["loss"][:, 0]).all()


def test_rises_are_found_on_line_and_trajectory() -> None:
    bowl = QuadraticBowl(2, dtype=torch.float64)
    far = bowl.centre + torch.tensor([3.0, 0.0], dtype=torch.float64)
    over = torch.stack([far, bowl.centre, bowl.centre + (far - bowl.centre) / -2])
    loss = bowl.loss(over).numpy()
    past = Run(points=over, step=np.arange(3), loss=loss, lr=0.1)
    found = no_obstacles.measure(bowl, [past, past], NoObstaclesConfig(points=301), derive(0))
    expected = loss[-1] / (loss[0] - loss[-1])
    np.testing.assert_allclose(found["line_rise"], expected, rtol=1e-3)
    np.testing.assert_allclose(found["trajectory_rise"], expected)


def test_a_run_that_diverges_gives_no_verdict() -> None:
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
