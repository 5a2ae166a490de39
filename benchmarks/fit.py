"""What tasks took in a directory of `nwedge replicate`, and a model of it: an overhead, and operations at a rate."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from scipy.optimize import least_squares

from benchmarks.sizes import SizeOf, of_preset
from nwedge._files import StoreError
from nwedge.plan import Plan
from nwedge.specs.cost import Cost, count, total
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.tasks import GroupSpec, TaskSpec
from nwedge.sweep.ledger import Books, Durations, kind_of

SEARCHED = 1 / 3
"""The share of its bound that a search is taken to add where none has been measured: as `nwedge count` says."""
SOFT = 0.1
"""Residuals of the log up to which the fit is one by least squares; larger ones count by their size alone."""


@dataclass(frozen=True)
class Measured:
    """A directory: its plan, and what its journal tells.

    Attributes:
        directory: its name.
        preset: of the plan.
        tasks: of the plan.
        seconds: that tasks took, by id; without those that are not done.
        strangers: tasks of the journal that are not in the plan, as after a rerun with other settings.
        span: seconds from the start of the first task that ended to the end of the last.
        durations: the means by claim and landscape.
    """

    directory: str
    preset: str
    tasks: tuple[TaskSpec, ...]
    seconds: Mapping[str, float]
    strangers: int
    span: float
    durations: Durations

    @classmethod
    def read(cls, directory: Path) -> "Measured":
        """What is known of a directory, which may still be at work.

        Raises:
            StoreError: it holds no plan, no finished task, or tasks that have other names in this version.
        """
        plan = Plan.read(directory)
        entries = Books(directory).journal()
        if not entries:
            raise StoreError(f"no task of {directory} has ended yet: wait until one has")
        known = {task.id for task in plan.tasks}
        if any(need not in known for task in plan.tasks for need in task.needs):
            raise StoreError(f"{directory} was made by a version that names its tasks otherwise: make it anew")
        return cls(
            directory=directory.name,
            preset=plan.arguments["preset"],
            tasks=plan.tasks,
            seconds={entry.id: entry.seconds for entry in entries if entry.id in known},
            strangers=sum(entry.id not in known for entry in entries),
            span=(entries[-1].finished - entries[0].finished).total_seconds() + entries[0].seconds,
            durations=Durations.of(entries),
        )

    @property
    def complete(self) -> bool:
        """Whether every task of the plan is done, and no other."""
        return len(self.seconds) == len(self.tasks) and not self.strangers


@dataclass(frozen=True)
class Model:
    """seconds = overhead + passes * operations of a pass / rate, for tasks on networks.

    Attributes:
        overhead: seconds of each task beside its passes.
        rate: operations a second of one worker.
        fitted: tasks that it was fitted to.
        shares: of the most that its searches may add, what they added, by claim: the median over its tasks.
    """

    overhead: float
    rate: float
    fitted: int
    shares: Mapping[str, float]

    def operations(self, task: TaskSpec, size_of: SizeOf = of_preset, *, longer: int = 1) -> float:
        """The floating-point operations of a task on a network, with training `longer` times as long."""
        cost = _longer(task, longer)
        return (cost.passes + self.shares.get(task.folder, SEARCHED) * cost.search) * _pass(task, size_of)

    def seconds(self, task: TaskSpec) -> float:
        """The seconds of a task on a network, on a worker like those that were measured."""
        return self.overhead + self.operations(task) / self.rate


def fit(measured: Measured) -> Model:
    """The model, by least squares of log(predicted / measured), where a factor of 2 counts alike in both directions.

    Fitted to the tasks on networks without searches. Beyond 10 % off, a task counts by its distance and not by its
    square (scipy's soft_l1), so that a few tasks of another kind do not draw the line. Each claim with searches then
    gets the share of their bound that makes its median task right.

    Raises:
        ValueError: fewer than two such tasks are done.
    """
    done = [task for task in on_networks(measured.tasks) if task.id in measured.seconds]
    certain = [task for task in done if not count(task).search]
    if len(certain) < 2:
        raise ValueError(f"{measured.directory} has {len(certain)} tasks to fit; expected 2: let more of them end")
    seconds = np.array([measured.seconds[task.id] for task in certain])
    operations = np.array([count(task).passes * _pass(task, of_preset) for task in certain], dtype=float)

    def residuals(logs: np.ndarray) -> np.ndarray:
        overhead, each = np.exp(logs)
        return np.log((overhead + operations * each) / seconds)

    start = np.log([seconds.min() / 2, np.median(seconds / operations)])
    overhead, each = np.exp(least_squares(residuals, start, loss="soft_l1", f_scale=SOFT).x)
    model = Model(float(overhead), float(1 / each), len(certain), {})
    found: dict[str, list[float]] = {}
    for task in done:
        if count(task).search:
            found.setdefault(task.folder, []).append(_share(task, measured.seconds[task.id], model))
    return dataclasses.replace(model, shares={folder: median(shares) for folder, shares in found.items()})


def expected(measured: Measured, model: Model) -> dict[str, float]:
    """The seconds of every task of the plan by id: as measured, else by the model, else the mean of its claim."""
    return {task.id: measured.seconds.get(task.id, _guess(task, measured, model)) for task in measured.tasks}


def elsewhere(
    tasks: Sequence[TaskSpec], measured: Measured, model: Model, rate: float, size_of: SizeOf, *, longer: int = 1
) -> dict[str, float]:
    """The seconds of tasks by id where networks are evaluated at another rate; all others as they were measured.

    Args:
        tasks: of any plan.
        measured: what tasks without networks took.
        model: of the overhead and of searches.
        rate: operations a second.
        size_of: the networks.
        longer: the factor of the steps of training on networks.
    """
    found = {}
    for task in tasks:
        if isinstance(task.landscape, NetworkSpec):
            found[task.id] = model.overhead + model.operations(task, size_of, longer=longer) / rate
        else:
            found[task.id] = measured.seconds.get(task.id, _guess(task, measured, model))
    return found


def on_networks(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """The tasks whose landscape is a network."""
    return [task for task in tasks if isinstance(task.landscape, NetworkSpec)]


def passes(tasks: Sequence[TaskSpec]) -> Cost:
    """What tasks evaluate together."""
    return total(map(count, tasks))


def _guess(task: TaskSpec, measured: Measured, model: Model) -> float:
    if isinstance(task.landscape, NetworkSpec):
        return model.seconds(task)
    mean = measured.durations.left({kind_of(task): 1})
    assert mean is not None
    return mean


def _share(task: TaskSpec, seconds: float, model: Model) -> float:
    """The share of the bound of its searches that explains what a task took, in [0, 1]."""
    cost = count(task)
    evaluated = (seconds - model.overhead) * model.rate / _pass(task, of_preset)
    return min(1.0, max(0.0, (evaluated - cost.passes) / cost.search))


def _pass(task: TaskSpec, size_of: SizeOf) -> int:
    """The operations of one pass."""
    assert isinstance(task.landscape, NetworkSpec)
    return size_of(task.landscape).flops


def _longer(task: TaskSpec, longer: int) -> Cost:
    """What a task evaluates where training has `longer` times as many steps."""
    if isinstance(task, GroupSpec):
        return count(dataclasses.replace(task, train=dataclasses.replace(task.train, steps=longer * task.train.steps)))
    return count(task)
