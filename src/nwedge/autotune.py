"""Which way of evaluating networks is fastest on this machine: timed once, before tasks are made."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from nwedge._random import choose, derive, spawn
from nwedge.build import build
from nwedge.landscape import evaluate, gradient, loss_and_gradient
from nwedge.specs.landscapes import NetworkSpec, OwnNetworkSpec

CANDIDATES = tuple(
    (strategy, chunk)
    for strategy, chunks in {
        "stacked": (256, 512, 2048),
        "vmap": (512, 2048),
        "loop": (64, 128, 256, 512, 2048),
    }.items()
    for chunk in chunks
)
"""Strategies, and examples evaluated at once."""
POINTS = {"stacked": 32, "vmap": 32, "loop": 4}
"""Points that are timed: as many as are evaluated at once, or a few of a loop."""
EXAMPLES, ROUNDS = 2048, 5
"""Examples at most, and how often each candidate is timed."""
FEW, BEHIND = 4, 3.0
"""Candidates that take that many times the fastest's time for the losses of a few points are timed no further."""


@dataclass(frozen=True)
class Timed:
    """How long a candidate takes.

    Attributes:
        strategy: "stacked" or "vmap", which take many points at once, or "loop", one after another.
        chunk: examples evaluated at once.
        seconds: that a point takes, on all networks together: its loss and its gradient on at most 2,048 examples, and
            a training step on each minibatch of as many; the least of five rounds, since noise only adds.
    """

    strategy: str
    chunk: int
    seconds: float


class Work:
    """A network, evaluated like a candidate, and the points where it is timed."""

    def __init__(self, spec: NetworkSpec | OwnNetworkSpec, strategy: str, chunk: int) -> None:
        whole: Any = build(replace(spec, strategy=strategy, chunk=chunk))
        self.landscape = whole.take(choose(whole.examples, EXAMPLES, derive(0, "autotune", "examples")))
        self.points = self.landscape.initial(POINTS[strategy], derive(0, "autotune", "points"))
        self.steps = max(1, self.landscape.examples // spec.batch_size)

    def little(self) -> float:
        """Evaluate the losses of a few points, and wait for them also on a GPU."""
        return evaluate(self.landscape, self.points[:FEW]).sum().item()

    def whole(self) -> float:
        """Evaluate losses and gradients of all points, on all examples and on minibatches of each point's own."""
        total = evaluate(self.landscape, self.points).sum() + gradient(self.landscape, self.points).sum()
        streams = spawn(derive(0, "autotune", "minibatches"), len(self.points))
        for _ in range(self.steps):
            loss, slope = loss_and_gradient(self.landscape.minibatch(streams), self.points)
            total += loss.sum() + slope.sum()
        return total.item()


def autotune(specs: Sequence[NetworkSpec | OwnNetworkSpec], threads: int) -> list[Timed]:
    """The candidates for networks on this machine, the fastest first; those that some network cannot do are left out.

    The candidates take turns, so that a drift of the machine's speed hits all.

    Args:
        specs: the networks on their data, at least one.
        threads: that torch computes with.

    Raises:
        ValueError: the data are not to be had.
    """
    with _threads(threads):
        for spec in specs:
            build(spec)  # refuses what no candidate can do
        works = {one: made for one in CANDIDATES if (made := _works(specs, *one)) is not None}
        first = _least({one: [work.little for work in made] for one, made in works.items()}, rounds=2)
        near = [one for one, seconds in first.items() if seconds <= BEHIND * min(first.values())]
        least = _least({one: [work.whole for work in works[one]] for one in near}, rounds=ROUNDS)
    timed = [Timed(strategy, chunk, least[strategy, chunk] / POINTS[strategy]) for strategy, chunk in near]
    return sorted(timed, key=lambda one: one.seconds)


def _works(specs: Sequence[NetworkSpec | OwnNetworkSpec], strategy: str, chunk: int) -> list[Work] | None:
    """What a candidate is timed on, warmed up; None where some network cannot be evaluated like it."""
    try:
        works = [Work(spec, strategy, chunk) for spec in specs]
        for work in works:
            work.little()
    except (ValueError, RuntimeError):
        return None
    return works


def _least(calls: dict[tuple[str, int], list[Callable[[], float]]], rounds: int) -> dict[tuple[str, int], float]:
    """The least seconds of each candidate, all its calls together."""
    found = {candidate: float("inf") for candidate in calls}
    for _ in range(rounds):
        for candidate, own in calls.items():
            start = time.perf_counter()
            for call in own:
                call()
            found[candidate] = min(found[candidate], time.perf_counter() - start)
    return found


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
