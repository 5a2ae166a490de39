"""Tasks in words: a task is its spec, its result is stored under the spec's id, and a rerun resumes by id."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import LandscapeSpec

RUNS, SHEETS = "runs", "sheets"
"""The folders of the tasks that train; a claim task's folder is its claim's id."""

OPTIMA, RATE, BATCH, DECAY, DROPOUT, WIDTH, SIZE, CYCLE = (
    "optima",
    "rate",
    "batch",
    "decay",
    "dropout",
    "width",
    "size",
    "cycle",
)
"""What runs are for: independent optima; sweeps over one setting; networks of other sizes; cyclical rates."""
ALL = 0
"""As a number of runs: all there are."""


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """How runs are trained: `keep` lists the steps (0 is the start) whose points are kept.

    `schedule`: "constant", "cosine", or "cyclical", a cosine in every `cycle` steps; `examples`: of the data that the
    losses of these points are taken on, the same for all (None: all).
    """

    optimizer: str
    steps: int
    momentum: float = 0.0
    schedule: str = "constant"
    cycle: int | None = None
    keep: tuple[int, ...]
    examples: int | None = None


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
    """A run as another task reads it: its group's id, its row there, what it is for, and on which landscape it was."""

    group: str
    row: int
    role: str
    landscape: LandscapeSpec
    run: RunSpec


@dataclass(frozen=True, kw_only=True)
class SheetSpec(TaskSpec):
    """A sheet over m optima, trained as a whole and read by several claims.

    `reads`: the candidates, in order. The first m are taken; with `distinct`, the first m whose nearest wedges differ,
    where the landscape knows its wedges. `pooled`: whether the candidates are those of several seeds.
    """

    seed: int
    m: int
    steps: int
    rate: float
    samples: int | None
    distinct: bool
    pooled: bool
    reads: tuple[RunRef, ...]

    @property
    def folder(self) -> str:
        """The folder of the sheets."""
        return SHEETS

    @property
    def needs(self) -> tuple[str, ...]:
        """The groups of the runs that it reads."""
        return tuple(dict.fromkeys(ref.group for ref in self.reads))


@dataclass(frozen=True, kw_only=True)
class ClaimSpec(TaskSpec):
    """The measurement of one claim on one landscape for one seed, and the runs and sheets that it reads."""

    claim: str
    seed: int
    config: Spec
    reads: tuple[RunRef, ...]
    sheets: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The id of the claim."""
        return self.claim

    @property
    def needs(self) -> tuple[str, ...]:
        """The groups of the runs and the sheets that it reads."""
        return tuple(dict.fromkeys([*(ref.group for ref in self.reads), *self.sheets]))
