"""Timing inside one process: the versions of a work take turns, so that a drift of the machine's speed hits all."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timing:
    """Median seconds of a work by this code, by a naive version, and of its floor."""

    work: str
    this: float
    naive: float | None = None
    floor: float | None = None


def compare(
    work: str,
    this: Callable[[], object],
    naive: Callable[[], object] | None = None,
    floor: Callable[[], object] | None = None,
    *,
    rounds: int = 7,
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
    return Timing(work, medians["this"], medians.get("naive"), medians.get("floor"))
