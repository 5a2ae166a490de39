"""What `nwedge status` shows, from the plan and the names of the files that are there."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.ledger import Books, Durations, describe, duration, kind_of
from nwedge.sweep.state import State, state

COLUMNS = ("done", "running", "failed", "not run", "missing")
EVERY = 5.0
"""Seconds between looks."""
LATELY = timedelta(minutes=10)
"""Of which the throughput is told."""


def show(tasks: Sequence[TaskSpec], directory: Path, console: Console | None = None) -> None:
    """Print how many tasks of each folder are done, running, failed, not run because of them, and missing; and more.

    That is, what runs, what failed and why, and the time left.
    """
    console = console or Console()
    table, lines = _told(tasks, directory, state(tasks, directory))
    console.print(table)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def watch(tasks: Sequence[TaskSpec], directory: Path, console: Console | None = None, *, every: float = EVERY) -> None:
    """Show it again and again, in place of the last on a terminal, until nothing is running or missing."""
    console = console or Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            found = state(tasks, directory)
            table, lines = _told(tasks, directory, found)
            live.update(Group(table, *map(Text, lines)), refresh=True)
            if not found.running and not found.missing:
                return
            time.sleep(every)


def _told(tasks: Sequence[TaskSpec], directory: Path, found: State) -> tuple[Table, list[str]]:
    """The counts, and what is said below them."""
    books = Books(directory)
    table = Table("tasks", *COLUMNS)
    columns = (found.done, found.running, found.failed, found.not_run, found.missing)
    counted = [Counter(task.folder for task in column) for column in columns]
    for folder in dict.fromkeys(task.folder for task in tasks):
        table.add_row(folder, *(str(counts[folder]) for counts in counted))
    table.add_section()
    table.add_row("all", *(str(len(column)) for column in columns))
    lines = [f"running: {describe(task)}" for task in found.running]
    for task in found.failed:
        failure = books.failure(task)
        lines.append(f"failed: {describe(task)}: {failure.error} ({failure.path})" if failure else describe(task))
    journal = books.journal()
    todo = (*found.running, *found.missing) or (*found.failed, *found.not_run)  # which the next run tries again
    lines.append(_left(todo, len(tasks), Durations.of(journal), workers=max(1, len(found.running))))
    lines += _throughput([entry.finished for entry in journal])
    return table, lines


def _throughput(finished: Sequence[datetime]) -> list[str]:
    """How many tasks ended lately; nothing where none did."""
    now = datetime.now(UTC)
    recent = sorted(one for one in finished if now - one <= LATELY)
    if not recent:
        return []
    minutes = max(1.0, (now - recent[0]) / timedelta(minutes=1))
    return [f"Ended in the last {minutes:.0f} min: {len(recent)}, that is {len(recent) / minutes:.3g} a minute."]


def _left(tasks: Sequence[TaskSpec], total: int, durations: Durations, *, workers: int) -> str:
    if not tasks:
        return "All tasks are done."
    left = durations.left(Counter(map(kind_of, tasks)), workers)
    estimate = "nothing has finished yet, so the time left is unknown" if left is None else f"about {duration(left)}"
    return f"{len(tasks)} of {total} tasks are left: {estimate}."
