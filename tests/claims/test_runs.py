"""Groups of runs: how they are trained, and how a claim reads them."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from nwedge._random import choose, derive
from nwedge.claims.runs import Run, Runs, run, train
from nwedge.claims.sheets import SpannedOptima
from nwedge.landscape import evaluate
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.descent import descend
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.subjects import cycles
from nwedge.specs.tasks import CYCLE, OPTIMA, RATE, RunSpec, TrainSpec

BOWL = QuadraticBowl(6, dtype=torch.float64)
NOISY = WedgeLandscape(6, 2, noise=0.5)
PLAN = [RunSpec(lr=lr, seed=seed, member=member) for lr in (0.05, 0.2) for seed in (0, 1) for member in (0, 1)]
CONSTANT = TrainSpec(optimizer="sgd", steps=12, keep=(0, 5, 12))


def made(role: str = OPTIMA, member: int = 0) -> Run:
    result = train(BOWL, CONSTANT, PLAN)
    return run(member, result, BOWL, PLAN[member], role=role)


def test_a_run_does_not_depend_on_the_others_of_its_group() -> None:
    whole = train(NOISY, CONSTANT, PLAN)
    for row in (0, 3, 6):
        alone = train(NOISY, CONSTANT, PLAN[row : row + 1])
        torch.testing.assert_close(
            torch.from_numpy(alone.weights["points"][0]), torch.from_numpy(whole.weights["points"][row])
        )


def test_runs_of_one_seed_and_member_start_at_one_point_and_see_the_same_minibatches() -> None:
    result = train(NOISY, CONSTANT, PLAN)
    start = torch.from_numpy(result.weights["points"][:, 0])
    assert torch.equal(start[:4], start[4:])
    assert len(start.unique(dim=0)) == 4
    slow, same = train(NOISY, CONSTANT, [PLAN[0], PLAN[0]]).weights["points"]
    assert (slow == same).all()


def test_a_run_is_read_from_its_row_and_knows_its_landscape_and_spec() -> None:
    result = train(BOWL, CONSTANT, PLAN)
    place = ControlSpec(name="control-bowl", kind="bowl", dim=6)
    found = run(5, result, BOWL, PLAN[5], role=RATE, place=place)
    assert (found.spec, found.role, found.landscape, found.place) == (PLAN[5], RATE, BOWL, place)
    assert found.step.tolist() == [0, 5, 12]
    assert torch.equal(found.start, found.points[0])
    assert torch.equal(found.optimum, found.points[-1])
    torch.testing.assert_close(torch.from_numpy(found.loss), evaluate(BOWL, found.points))


def test_the_losses_of_kept_points_are_taken_on_the_same_few_examples() -> None:
    x = torch.randn(60, 4, generator=derive(0))
    network = NetworkLandscape(mlp(4, 3, (5,)), (x, x[:, :3].argmax(1)), batch_size=8)
    few = dataclasses.replace(CONSTANT, examples=20)
    every, judged = train(network, CONSTANT, PLAN[:2]), train(network, few, PLAN[:2])
    np.testing.assert_array_equal(judged.weights["points"], every.weights["points"])
    points = torch.from_numpy(judged.weights["points"])
    seen = network.take(choose(60, 20, derive(0, "judge")))
    found = torch.from_numpy(judged.dataset["loss"].values)
    torch.testing.assert_close(found, evaluate(seen, points.flatten(0, 1)).view(found.shape))
    assert not torch.allclose(found, torch.from_numpy(every.dataset["loss"].values))
    torch.testing.assert_close(torch.from_numpy(train(network, few, PLAN[1:2]).dataset["loss"].values)[0], found[1])


def test_a_cyclical_rate_is_a_cosine_in_every_cycle_and_the_ends_are_kept() -> None:
    how = cycles(4, 3)
    result = train(BOWL, how, PLAN[:1])
    assert result.dataset["step"].values.tolist() == [0, 4, 8, 12]
    start = torch.from_numpy(result.weights["points"][:, 0])
    expected = descend(
        BOWL,
        start,
        optimizer="sgd",
        lr=[PLAN[0].lr],
        steps=12,
        schedule=lambda step: (1 + math.cos(math.pi * (step % 4) / 4)) / 2,
        keep=(0, 4, 8, 12),
        generator=[derive(0, "training", 0)],
    )
    torch.testing.assert_close(torch.from_numpy(result.weights["points"]), expected.trajectory)
    constant = train(BOWL, TrainSpec(optimizer="sgd", steps=12, keep=(0, 4, 8, 12)), PLAN[:1])
    assert not torch.allclose(torch.from_numpy(constant.weights["points"]), expected.trajectory)


def test_a_cyclical_schedule_without_a_cycle_is_refused() -> None:
    how = TrainSpec(optimizer="sgd", steps=12, schedule="cyclical", keep=(0, 12))
    with pytest.raises(ValueError, match="needs the length of its cycle"):
        train(BOWL, how, PLAN[:1])


def test_what_a_claim_reads_is_a_sequence_of_the_optima_with_the_rest_beside_it() -> None:
    first, second, rate, cycle = made(), made(member=1), made(RATE, 4), made(CYCLE)
    sheet = SpannedOptima(torch.stack([first.optimum, second.optimum]), None, (0, 0), (0, 1), False, 2)
    read = Runs([rate, first, cycle, second], [sheet])
    assert list(read) == [first, second]
    assert (len(read), read[1]) == (2, second)
    assert list(read[:1]) == [first]
    assert read.of(OPTIMA) == (first, second)
    assert read.of(RATE) == (rate,)
    assert read.of("nothing") == ()
    assert read.sheets == {2: sheet}
