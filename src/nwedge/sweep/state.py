"""Where the tasks of a plan stand, from the names of the files that are there. Light: no xarray here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nwedge.plan import result_path
from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books


@dataclass(frozen=True)
class State:
    """Where the tasks stand; `missing` are those that nobody works on and that have not failed."""

    done: tuple[TaskSpec, ...]
    running: tuple[TaskSpec, ...]
    failed: tuple[TaskSpec, ...]
    missing: tuple[TaskSpec, ...]


def state(tasks: Iterable[TaskSpec], directory: Path) -> State:
    """Where each task stands; done means that its result file is there (the runner verifies that it is whole)."""
    books, leases = Books(directory), Leases(directory)
    found: dict[str, list[TaskSpec]] = {"done": [], "running": [], "failed": [], "missing": []}
    for task in tasks:
        if result_path(directory, task).exists():
            found["done"].append(task)
        elif leases.worked_on(task):
            found["running"].append(task)
        elif books.failure(task):
            found["failed"].append(task)
        else:
            found["missing"].append(task)
    return State(**{name: tuple(members) for name, members in found.items()})
