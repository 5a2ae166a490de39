"""Tasks in words: a task is its spec, its result is stored under the spec's id, and a rerun resumes by id."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import LandscapeSpec

RUNS = "runs"
"""The folder of the training tasks; a claim task's folder is its claim's id."""


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """How runs are trained: `keep` lists the steps (0 is the start) whose points are kept."""

    optimizer: str
    steps: int
    momentum: float = 0.0
    schedule: str = "constant"
    keep: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RunSpec(Spec):
    """One training run: (seed, member) fixes its start and its minibatches; members of a seed are independent."""

    lr: float
    weight_decay: float = 0.0
    seed: int
    member: int


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """What the runner knows of a task: its landscape, its folder in the store and the ids of the tasks it reads."""

    landscape: LandscapeSpec

    @property
    def folder(self) -> str:
        """The folder under `results/` that holds the task's file."""
        raise NotImplementedError

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the tasks whose results this one reads, without repeats."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class GroupSpec(TaskSpec):
    """Many runs trained together on one landscape; a group is fixed by the preset, never by the claims asked for."""

    train: TrainSpec
    runs: tuple[RunSpec, ...]

    @property
    def folder(self) -> str:
        """The folder of the training tasks."""
        return RUNS

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing: training reads no other task's result."""
        return ()


@dataclass(frozen=True, kw_only=True)
class RunRef(Spec):
    """A run as a claim reads it: the id of its group and its row there."""

    group: str
    row: int


@dataclass(frozen=True, kw_only=True)
class ClaimSpec(TaskSpec):
    """The measurement of one claim on one landscape for one seed, and the runs that it reads."""

    claim: str
    seed: int
    config: Spec
    reads: tuple[RunRef, ...]

    @property
    def folder(self) -> str:
        """The id of the claim."""
        return self.claim

    @property
    def needs(self) -> tuple[str, ...]:
        """The groups of the runs that it reads."""
        return tuple(dict.fromkeys(ref.group for ref in self.reads))
