"""The arguments of `nwedge replicate`, in words: the flags of the command line come from here."""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from nwedge.specs.claims import CLAIMS
from nwedge.specs.landscapes import BACKENDS, STRATEGIES, TORCH
from nwedge.specs.presets import PRESETS, QUICK_SEEDS, Place, expand
from nwedge.specs.tasks import TaskSpec

KINDS = ("toy", "network", "controls")
SEEDS = 5
ENGINES = LOCAL, RAY = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which claims are measured, on what, and how often."""

    preset: str = "digits"
    """Which networks and settings."""
    claims: tuple[str, ...] = ()
    """Ids of the claims to measure (see `nwedge claims`); none given: all of them."""
    landscapes: tuple[str, ...] = KINDS
    """Kinds of landscapes (toy, network, controls) or names of single ones."""
    seeds: int | None = None
    """Independent seeds, 2 at least; the default is 5, and 3 with --quick."""
    quick: bool = False
    """Fewer seeds and points, same training."""

    def __post_init__(self) -> None:
        """Refuse unknown names and counts that cannot be (ValueError)."""
        _known("preset", (self.preset,), tuple(PRESETS))
        _known("claim", self.claims, tuple(claim.id for claim in CLAIMS))
        names = tuple(subject.name for members in PRESETS[self.preset].subjects.values() for subject in members)
        _known("landscape", self.landscapes, KINDS + names)
        if not self.landscapes:
            raise ValueError(f"--landscapes needs at least one name; valid: {', '.join(KINDS + names)}")
        if self.seeds is not None and self.seeds < 2:
            raise ValueError(f"--seeds must be at least 2, since an interval needs two values; got {self.seeds}")

    def tasks_in(self, place: Place) -> tuple[TaskSpec, ...]:
        """The tasks to be done, inputs first, with the landscapes in a place.

        Raises:
            ValueError: none of the claims is measured on any of the landscapes.
        """
        tasks = expand(
            PRESETS[self.preset],
            claims=self.claims or tuple(claim.id for claim in CLAIMS),
            landscapes=self.landscapes,
            seeds=self.seeds or (QUICK_SEEDS if self.quick else SEEDS),
            quick=self.quick,
            place=place,
        )
        if not tasks:
            claims, landscapes = ", ".join(self.claims), ", ".join(self.landscapes)
            raise ValueError(f"nothing to do: of {claims or 'the claims'}, none is measured on {landscapes}")
        return tasks


@dataclass(frozen=True, kw_only=True)
class Replicate(Selection):
    """Measure the claims, judge them and draw the report; a rerun resumes where the last one stopped."""

    out: Path = Path("replicate")
    """The directory that holds results, verdicts, figures and the report."""
    device: str = "cpu"
    """Where landscapes live: cpu, cuda or cuda:N."""
    toy_backend: str = TORCH
    """What computes the wedge models: torch, tensorflow or jax, with the same wedges and starts."""
    strategy: str | None = None
    """How networks are evaluated: stacked or vmap take many points at once, loop one by one; else the preset's."""
    chunk: int | None = None
    """Examples that networks are evaluated on at once; else the preset's."""
    autotune: bool = False
    """Time the candidates for strategy and chunk on this machine, and take the fastest, in a rerun of DIR, too."""
    engine: str = LOCAL
    """What does the tasks: local, processes on this machine, or ray, a Ray cluster (pip install 'nwedge[ray]')."""
    address: str | None = None
    """Of the Ray cluster: auto, the one that this machine is part of, or HOST:PORT; by default one is started here."""
    gpus_per_task: float = 0.0
    """GPUs that Ray keeps free for each task, also in part: four tasks share one at 0.25."""
    workers: int | None = None
    """Processes that do tasks side by side, with the same results for any number; by default all CPUs are used."""
    cpus_per_task: int = 1
    """Threads each task computes with: one is fastest on small landscapes; another number may change the last bits."""

    def __post_init__(self) -> None:
        """Refuse what a selection refuses, unknown devices and counts that cannot be (ValueError)."""
        super().__post_init__()
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ValueError(f"--device must be cpu, cuda or cuda:N; got {self.device!r}")
        _known("toy backend", (self.toy_backend,), (TORCH, *BACKENDS))
        if self.strategy is not None:
            _known("strategy", (self.strategy,), STRATEGIES)
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"--chunk must be at least 1; got {self.chunk}")
        if self.autotune and (self.strategy or self.chunk):
            raise ValueError("--autotune chooses strategy and chunk itself: leave out --strategy and --chunk")
        _known("engine", (self.engine,), ENGINES)
        if self.engine != RAY and (self.address is not None or self.gpus_per_task):
            raise ValueError("--address and --gpus-per-task are for --engine ray: add it, or leave them out")
        if not 0 <= self.gpus_per_task < math.inf:
            raise ValueError(f"--gpus-per-task must be finite and at least 0; got {self.gpus_per_task:g}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {self.workers}")
        if self.cpus_per_task < 1:
            raise ValueError(f"--cpus-per-task must be at least 1; got {self.cpus_per_task}")

    @property
    def side_by_side(self) -> int:
        """How many tasks run at once: as asked for, or one for each `cpus_per_task` of the CPUs that may be used."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // self.cpus_per_task)

    def tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks to be done, inputs first.

        Raises:
            ValueError: none of the claims is measured on any of the landscapes.
        """
        return self.tasks_in(Place(self.device, self.toy_backend, self.strategy, self.chunk))


def _known(what: str, given: tuple[str, ...], valid: tuple[str, ...]) -> None:
    unknown = [name for name in given if name not in valid]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; valid: {', '.join(valid)}")
