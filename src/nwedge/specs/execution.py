"""Where and how tasks run, in words: flags that the commands which run tasks have in common."""

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nwedge.specs.landscapes import STRATEGIES

LEAST_PART = 0.0001
"""Of a GPU, that Ray can keep free."""
ENGINES = LOCAL, RAY = ("local", "ray")
LEAST_SEEDS = 2
"""Seeds without which a claim is not judged on a landscape: an interval needs two values."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how tasks run, and where what they yield is kept."""

    out: Path
    """The directory that holds results, verdicts, figures and the report."""
    device: str = "cpu"
    """Where landscapes live: cpu, cuda or cuda:N."""
    strategy: str | None = None
    """How networks are evaluated: stacked or vmap take many points at once, loop one by one; else by rule."""
    chunk: int | None = None
    """Examples that networks are evaluated on at once; else by rule."""
    autotune: bool = False
    """Time the candidates for strategy and chunk on this machine, and take the fastest, in a rerun of DIR, too."""
    engine: str = LOCAL
    """What does the tasks: local, processes on this machine, or ray, a Ray cluster (pip install 'nwedge[ray]')."""
    address: str | None = None
    """Of the Ray cluster: auto, the one that this machine is part of, or HOST:PORT; by default one is started here."""
    gpus_per_task: float = 0.0
    """GPUs that Ray keeps free for each task, needed with --device cuda; also in part: four tasks share one at 0.25."""
    workers: int | None = None
    """Processes that do tasks side by side, with the same results for any number; by default all CPUs are used."""
    cpus_per_task: int = 1
    """Threads each task computes with: one is fastest on small landscapes; another number may change the last bits."""

    def __post_init__(self) -> None:
        """Refuse unknown devices, strategies and engines, and counts that cannot be (ValueError)."""
        check_device(self.device)
        if self.strategy is not None:
            check_known("strategy", (self.strategy,), STRATEGIES)
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"--chunk must be at least 1; got {self.chunk}")
        if self.autotune and (self.strategy or self.chunk):
            raise ValueError("--autotune chooses strategy and chunk itself: leave out --strategy and --chunk")
        check_known("engine", (self.engine,), ENGINES)
        if self.engine != RAY and (self.address is not None or self.gpus_per_task):
            raise ValueError("--address and --gpus-per-task are for --engine ray: add it, or leave them out")
        if not 0 <= self.gpus_per_task < math.inf:
            raise ValueError(f"--gpus-per-task must be finite and at least 0; got {self.gpus_per_task:g}")
        if self.gpus_per_task and self.device == "cpu":
            raise ValueError("--gpus-per-task keeps GPUs free that --device cpu does not use: add --device cuda")
        if 0 < self.gpus_per_task < LEAST_PART or (self.gpus_per_task > 1 and self.gpus_per_task % 1):
            raise ValueError(f"--gpus-per-task must be whole or from {LEAST_PART} to 1; got {self.gpus_per_task:g}")
        if self.engine == RAY and self.device != "cpu" and not self.gpus_per_task:
            raise ValueError(
                "--engine ray needs --gpus-per-task beside --device cuda, so that tasks get their own GPUs"
            )
        if self.engine == RAY and ":" in self.device:
            raise ValueError(f"--engine ray itself chooses each task's GPUs: give --device cuda; got {self.device}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {self.workers}")
        if self.cpus_per_task < 1:
            raise ValueError(f"--cpus-per-task must be at least 1; got {self.cpus_per_task}")

    @property
    def side_by_side(self) -> int:
        """How many tasks run at once: as asked for, or one for each `cpus_per_task` of the CPUs that may be used."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // self.cpus_per_task)


def check_device(device: str) -> None:
    """Refuse what is no name of a device (ValueError); whether the machine has it is not looked at."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ValueError(f"--device must be cpu, cuda or cuda:N; got {device!r}")


def check_known(what: str, given: Iterable[str], valid: Iterable[str]) -> None:
    """Refuse a name that is not among the valid ones (ValueError), naming them."""
    valid = tuple(valid)
    unknown = [name for name in given if name not in valid]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; valid: {', '.join(valid)}")
