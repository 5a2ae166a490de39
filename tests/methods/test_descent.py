"""Descent against torch.optim row by row, and what it keeps, stops and refuses."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor

from nwedge import WedgeLandscape, descend, evaluate
from nwedge._random import derive, normal
from nwedge.geometry import Hyperplane
from nwedge.landscapes.controls import QuadraticBowl

DIM = 6


class Noisy:
    """A quartic bowl whose minibatches add a random tilt; it notes how many points its loss saw."""

    dim, dtype, device = DIM, torch.float64, torch.device("cpu")

    def __init__(self, tilts: Tensor | None = None) -> None:
        self.tilts = tilts

    def loss(self, points: Tensor) -> Tensor:
        bowl = (points**2).sum(1) / 2 + (points**4).sum(1) / 4
        return bowl if self.tilts is None else bowl + (self.tilts * points).sum(1)

    def initial(self, count: int, generator: Generator) -> Tensor:
        return normal((count, DIM), generator, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Noisy":
        generators = [generator] if isinstance(generator, Generator) else generator
        return Noisy(torch.stack([normal((DIM,), one, dtype=self.dtype, device=self.device) for one in generators]))


def start(rows: int) -> Tensor:
    return Noisy().initial(rows, derive(0, "start"))


def streams(rows: int) -> list[Generator]:
    return [derive(7, row) for row in range(rows)]


def alone(row: int, optimizer: str, steps: int, schedule: list[float], **settings: float) -> Tensor:
    """The slow, obvious version: torch.optim on one point, one step after the other."""
    point = start(3)[row].clone().requires_grad_()
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    trainer = kind([point], **settings)
    stream = streams(3)[row]
    for factor in schedule[:steps]:
        trainer.param_groups[0]["lr"] = settings["lr"] * factor
        trainer.zero_grad()
        Noisy().minibatch([stream]).loss(point[None]).sum().backward()
        trainer.step()
    return point.detach()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", [None, "cosine", lambda step: 1 / (1 + step)])
def test_each_row_is_trained_as_if_alone_by_torch_optim(optimizer: str, schedule: object) -> None:
    lr, decay, steps = [0.01, 0.05, 0.1], [0.0, 0.1, 0.3], 20
    momentum = [0.0, 0.5, 0.9] if optimizer == "sgd" else 0.0
    factors = {
        None: [1.0] * steps,
        "cosine": [(1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)],
    }.get(schedule, [1 / (1 + step) for step in range(steps)])  # pyright: ignore[reportArgumentType]
    found = descend(
        Noisy(),
        start(3),
        optimizer=optimizer,
        lr=lr,
        weight_decay=decay,
        momentum=momentum,
        steps=steps,
        schedule=schedule,  # pyright: ignore[reportArgumentType]
        generator=streams(3),
    )
    for row in range(3):
        settings = {"lr": lr[row], "weight_decay": decay[row]}
        if isinstance(momentum, list):
            settings["momentum"] = momentum[row]
        torch.testing.assert_close(found.points[row], alone(row, optimizer, steps, factors, **settings))


def test_adams_epsilon_is_that_of_torch_where_slopes_are_as_small() -> None:
    bowl = QuadraticBowl(DIM, dtype=torch.float64)
    point = bowl.centre + 1e-8 * bowl.initial(1, derive(1))
    leaf = point.clone().requires_grad_()
    trainer = torch.optim.Adam([leaf], lr=1e-9)
    for _ in range(10):
        trainer.zero_grad()
        bowl.loss(leaf).sum().backward()
        trainer.step()
    found = descend(bowl, point, optimizer="adam", lr=1e-9, steps=10, generator=derive(2))
    torch.testing.assert_close(found.points - point, leaf.detach() - point, rtol=1e-6, atol=0)


class Linear(Noisy):
    """A linear loss, whose gradient is expanded from one number, or a slice of a wider tensor."""

    def __init__(self, sliced: bool) -> None:
        self.sliced = sliced

    def loss(self, points: Tensor) -> Tensor:
        return points.sum(1)

    def gradient(self, points: Tensor) -> Tensor:
        wide = torch.ones(len(points), 2 * DIM, dtype=self.dtype)
        return wide[:, ::2] if self.sliced else torch.ones((), dtype=self.dtype).expand(points.shape)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Linear":
        return self


@pytest.mark.parametrize("sliced", [True, False])
def test_gradients_need_not_be_contiguous(sliced: bool) -> None:
    found = descend(Linear(sliced), start(3), optimizer="adam", lr=0.1, steps=4, generator=derive(0))
    leaf = start(3).requires_grad_()
    trainer = torch.optim.Adam([leaf], lr=0.1)
    for _ in range(4):
        trainer.zero_grad()
        leaf.sum().backward()
        trainer.step()
    torch.testing.assert_close(found.points, leaf.detach())


def test_a_judge_takes_the_losses_of_the_snapshots_and_changes_no_point() -> None:
    bowl = QuadraticBowl(DIM, dtype=torch.float64)
    plain, judged = (
        descend(Noisy(), start(2), lr=0.05, steps=6, keep=(0, 6), judge=judge, generator=streams(2))
        for judge in (None, bowl)
    )
    assert torch.equal(judged.trajectory, plain.trajectory)
    torch.testing.assert_close(judged.trajectory_losses, bowl.loss(plain.trajectory.flatten(0, 1)).view(2, 2))
    assert not torch.allclose(judged.trajectory_losses, plain.trajectory_losses)
    with pytest.raises(ValueError, match=r"must have shape \(batch, 4\)"):
        descend(Noisy(), start(2), lr=0.05, steps=6, judge=QuadraticBowl(4, dtype=torch.float64), generator=derive(0))


def test_it_keeps_the_snapshots_and_the_losses_that_it_is_asked_for() -> None:
    found = descend(Noisy(), start(2), lr=0.05, steps=10, keep=(10, 0, 3), generator=streams(2))
    assert found.kept.tolist() == [0, 3, 10]
    torch.testing.assert_close(found.trajectory[:, 0], start(2))
    torch.testing.assert_close(found.trajectory[:, 2], found.points)
    torch.testing.assert_close(found.trajectory_losses, torch.stack([Noisy().loss(at) for at in found.trajectory]))
    shorter = descend(Noisy(), start(2), lr=0.05, steps=3, generator=streams(2))
    torch.testing.assert_close(found.trajectory[:, 1], shorter.points)
    first = Noisy().minibatch(streams(2)).loss(start(2))
    torch.testing.assert_close(found.losses[:, 0], first)
    assert found.losses.shape == (2, 10)
    assert found.stopped.tolist() == [-1, -1]


def test_one_generator_gives_every_row_its_own_stream() -> None:
    same = start(1).expand(2, -1)
    found = descend(Noisy(), same, lr=0.05, steps=5, generator=derive(3))
    assert not torch.allclose(found.points[0], found.points[1])
    again = descend(Noisy(), same, lr=0.05, steps=5, generator=derive(3))
    assert torch.equal(found.points, again.points)


def test_a_diverging_run_stops_is_named_and_the_others_go_on() -> None:
    with pytest.warns(RuntimeWarning, match=r"non-finite in run 1 at step \d+: stopped at the last finite point"):
        found = descend(Noisy(), start(3), lr=[0.05, 50.0, 0.05], steps=30, keep=[30], generator=streams(3))
    assert found.stopped[[0, 2]].tolist() == [-1, -1]
    step = int(found.stopped[1])
    assert 0 < step < 30
    assert found.losses[1, :step].isfinite().all()
    assert found.losses[1, step:].isnan().all()
    assert found.points.isfinite().all()
    calm = descend(Noisy(), start(3)[[0, 2]], lr=0.05, steps=30, generator=[streams(3)[0], streams(3)[2]])
    torch.testing.assert_close(found.points[[0, 2]], calm.points)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_constrained_descent_stays_on_its_hyperplane_and_finds_its_minimum(optimizer: str) -> None:
    wedges = WedgeLandscape(DIM, 2, wedges=1, profile="squared", dtype=torch.float64, seed=3)
    axis = torch.ones(DIM, dtype=torch.float64)
    found = descend(
        wedges,
        start(3),
        optimizer=optimizer,
        lr=0.1,
        steps=500,
        schedule="cosine",
        constraint=Hyperplane(start(3), axis),
        generator=derive(0),
    )
    torch.testing.assert_close((found.points - start(3)) @ axis, torch.zeros(3, dtype=torch.float64))
    assert (evaluate(wedges, found.points) < 1e-8).all()


def test_a_constraint_leaves_no_force_along_its_normal() -> None:
    """Where the gradient is normal to the hyperplane nothing moves; Adam alone would rescale its coordinates."""
    normal_vector = torch.arange(1.0, DIM + 1, dtype=torch.float64)
    ramp = _Ramp(normal_vector)
    found = descend(
        ramp,
        start(2),
        optimizer="adam",
        lr=0.1,
        steps=50,
        constraint=Hyperplane(start(2), normal_vector),
        generator=derive(0),
    )
    torch.testing.assert_close(found.points, start(2), atol=1e-5, rtol=0)


class _Ramp(Noisy):
    """A linear loss without noise."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = slope

    def loss(self, points: Tensor) -> Tensor:
        return points @ self.slope

    def minibatch(self, generator: Generator | Sequence[Generator]) -> Noisy:
        return self


def test_the_start_is_left_alone() -> None:
    before = start(2)
    descend(Noisy(), before, lr=0.05, steps=3, generator=derive(0))
    assert torch.equal(before, start(2))


def test_what_does_not_fit_is_refused() -> None:
    def run(**changes: object) -> None:
        arguments = {"start": start(2), "lr": 0.1, "steps": 3, "generator": derive(0)} | changes
        descend(Noisy(), **arguments)  # pyright: ignore[reportArgumentType]

    with pytest.raises(ValueError, match=r"start must have shape \(batch, 6\); got \(2, 5\)"):
        run(start=start(2)[:, :5])
    with pytest.raises(TypeError, match=r"dtype torch\.float64; got torch\.float32"):
        run(start=start(2).float())
    with pytest.raises(ValueError, match=r"start must be finite; rows \[1\] hold NaN"):
        run(start=torch.stack([start(1)[0], torch.full((DIM,), math.nan, dtype=torch.float64)]))
    with pytest.raises(ValueError, match="optimizer must be one of 'sgd', 'adam'; got 'lbfgs'"):
        run(optimizer="lbfgs")
    with pytest.raises(ValueError, match=r"lr must be a number or one per row, 2 in all; got shape \(3,\)"):
        run(lr=[0.1, 0.1, 0.1])
    with pytest.raises(ValueError, match="weight_decay must be finite and at least 0; got -1"):
        run(weight_decay=-1.0)
    with pytest.raises(ValueError, match="momentum belongs to the optimizer 'sgd'"):
        run(optimizer="adam", momentum=0.9)
    with pytest.raises(ValueError, match="schedule must be one of None, 'constant', 'cosine'; got 'linear'"):
        run(schedule="linear")
    with pytest.raises(ValueError, match=r"steps to keep must lie in \[0, 3\]; got \[4\]"):
        run(keep=[4])
    with pytest.raises(ValueError, match="one generator per row, 2 in all; got 1"):
        run(generator=[derive(0)])
