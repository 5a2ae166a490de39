"""What `nwedge status` shows, from the plan and the names of the files that are there."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nwedge.plan import Plan
from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.ledger import Books, Durations, describe, duration
from nwedge.sweep.state import state

COLUMNS = ("done", "running", "failed", "missing")


def show(plan: Plan, directory: Path, console: Console | None = None) -> None:
    """Print how many tasks of each folder are done, running, failed and missing, what failed, and the time left."""
    console = console or Console()
    books = Books(directory)
    found = state(plan.tasks, directory)
    table = Table("tasks", *COLUMNS)
    for folder in dict.fromkeys(task.folder for task in plan.tasks):
        counts = (sum(task.folder == folder for task in getattr(found, column)) for column in COLUMNS)
        table.add_row(folder, *map(str, counts))
    table.add_section()
    table.add_row("all", *(str(len(getattr(found, column))) for column in COLUMNS))
    console.print(table)
    for task in found.running:
        _line(console, f"running: {describe(task)}")
    for task in found.failed:
        failure = books.failure(task)
        _line(console, f"failed: {describe(task)}: {failure.error} ({failure.path})" if failure else describe(task))
    todo = (*found.running, *found.failed, *found.missing)
    _line(console, _left(todo, len(plan.tasks), books.durations(), workers=max(1, len(found.running))))


def _left(tasks: Sequence[TaskSpec], total: int, durations: Durations, *, workers: int) -> str:
    if not tasks:
        return "All tasks are done."
    left = durations.of(tasks, workers)
    estimate = "nothing has finished yet, so the time left is unknown" if left is None else f"about {duration(left)}"
    return f"{len(tasks)} of {total} tasks are left: {estimate}."


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
