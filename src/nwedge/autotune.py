"""Which way of evaluating a network is fastest on this machine: timed once, before tasks are made."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from nwedge._random import choose, derive
from nwedge.build import build
from nwedge.landscape import evaluate, gradient
from nwedge.specs.landscapes import ModelSpec

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
POINTS, EXAMPLES, ROUNDS = 8, 4096, 3
"""Points whose losses and gradients are timed, on how many examples at most, and how often."""


@dataclass(frozen=True)
class Timed:
    """How long a candidate takes.

    Attributes:
        strategy: "stacked" or "vmap", which take many points at once, or "loop", one after another.
        chunk: examples evaluated at once.
        seconds: of the losses and gradients of 8 points on at most 4,096 examples, the median of three rounds.
    """

    strategy: str
    chunk: int
    seconds: float


def autotune(spec: ModelSpec, threads: int) -> list[Timed]:
    """The candidates for a network on this machine, the fastest first; those that the network cannot do are left out.

    The candidates take turns, so that a drift of the machine's speed hits all.

    Args:
        spec: the network on its data.
        threads: that torch computes with.

    Raises:
        ValueError: the data are not to be had.
    """
    with _threads(threads):
        build(spec)  # refuses what no candidate can do
        works = {candidate: work for candidate in CANDIDATES if (work := _work(spec, *candidate)) is not None}
        seconds = {candidate: [] for candidate in works}
        for _ in range(ROUNDS):
            for candidate, own in seconds.items():
                start = time.perf_counter()
                works[candidate]()
                own.append(time.perf_counter() - start)
    timed = [Timed(*candidate, statistics.median(own)) for candidate, own in seconds.items()]
    return sorted(timed, key=lambda one: one.seconds)


def _work(spec: ModelSpec, strategy: str, chunk: int) -> Callable[[], float] | None:
    """The losses and gradients of a few points, which are waited for also on a GPU; None where a candidate cannot."""
    try:
        whole: Any = build(replace(spec, strategy=strategy, chunk=chunk))
        landscape = whole.take(choose(whole.examples, EXAMPLES, derive(0, "autotune", "examples")))
        points = landscape.initial(POINTS, derive(0, "autotune", "points"))

        def work() -> float:
            return (evaluate(landscape, points).sum() + gradient(landscape, points).sum()).item()

        work()  # warms up, too
    except (ValueError, RuntimeError):
        return None
    return work


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
