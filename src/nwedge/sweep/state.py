"""Where the tasks of a plan stand, from the names of the files that are there. Light: no xarray here."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from graphlib import TopologicalSorter
from pathlib import Path

from nwedge._files import there
from nwedge.plan import result_path
from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books


@dataclass(frozen=True)
class State:
    """Where the tasks stand: `not_run` are those below a failed one, `missing` the others that are still to be done."""

    done: tuple[TaskSpec, ...]
    running: tuple[TaskSpec, ...]
    failed: tuple[TaskSpec, ...]
    not_run: tuple[TaskSpec, ...]
    missing: tuple[TaskSpec, ...]


def state(tasks: Sequence[TaskSpec], directory: Path) -> State:
    """Where each task stands; done means that its result file is there (the runner verifies that it is whole)."""
    books, leases = Books(directory), Leases(directory)
    by_id = {task.id: task for task in tasks}
    stands: dict[str, str] = {}
    for id in TopologicalSorter({task.id: task.needs for task in tasks}).static_order():
        task = by_id[id]
        if there(result_path(directory, task)):
            stands[id] = "done"
        elif leases.worked_on(task):
            stands[id] = "running"
        elif books.failure(task):
            stands[id] = "failed"
        elif any(stands[need] in ("failed", "not_run") for need in task.needs):
            stands[id] = "not_run"
        else:
            stands[id] = "missing"
    return State(
        **{field.name: tuple(task for task in tasks if stands[task.id] == field.name) for field in fields(State)}
    )
