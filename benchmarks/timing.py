"""Timing inside one process: the versions of a work take turns, so that a drift of the machine's speed hits all."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Goal:
    """What a work is held to; None where nothing is asked.

    Attributes:
        floors: at most so many times the floor.
        faster: at least so many times as fast as the naive version.
        seconds: at most so many.
    """

    floors: float | None = None
    faster: float | None = None
    seconds: float | None = None


NO_GOAL = Goal()


@dataclass(frozen=True)
class Timing:
    """Median seconds of a work by this code, by a naive version, and of its floor, and the goal."""

    work: str
    this: float
    naive: float | None = None
    floor: float | None = None
    goal: Goal = NO_GOAL

    def met(self) -> dict[str, bool]:
        """Each goal in words, and whether it is met."""
        found = {}
        if self.goal.floors is not None and self.floor is not None:
            found[f"<= {self.goal.floors:g} floors"] = self.this <= self.goal.floors * self.floor
        if self.goal.faster is not None and self.naive is not None:
            found[f">= {self.goal.faster:g} x naive"] = self.naive >= self.goal.faster * self.this
        if self.goal.seconds is not None:
            found[f"<= {self.goal.seconds:g} s"] = self.this <= self.goal.seconds
        return found


def compare(
    work: str,
    this: Callable[[], object],
    naive: Callable[[], object] | None = None,
    floor: Callable[[], object] | None = None,
    *,
    rounds: int = 7,
    goal: Goal = NO_GOAL,
) -> Timing:
    """The median times of the versions over `rounds` rounds, each version once a round, after one warm-up."""
    versions = {"this": this, "naive": naive, "floor": floor}
    seconds: dict[str, list[float]] = {name: [] for name, version in versions.items() if version is not None}
    for turn in range(rounds + 1):
        for name in seconds:
            version = versions[name]
            assert version is not None
            start = time.perf_counter()
            version()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: torch.tensor(values).median().item() for name, values in seconds.items()}
    return Timing(work, medians["this"], medians.get("naive"), medians.get("floor"), goal)


def judged(goal: str, met: bool) -> str:
    """A goal in words, and whether it is met."""
    return f"{goal}: {'met' if met else 'missed'}"
