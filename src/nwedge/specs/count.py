"""The arguments of `nwedge count`, in words, and its table: what a replication evaluates, before it runs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nwedge.specs.cost import GRADIENT, PRODUCT, Cost, count, has_data, total
from nwedge.specs.presets import Place
from nwedge.specs.replicate import Selection
from nwedge.specs.tasks import RUNS, SHEETS, TaskSpec

NAMES = {RUNS: "training", SHEETS: "sheets"}
UNITS = (
    "network: the network on one example, in forward passes: a gradient counts as "
    f"{GRADIENT}, a Hessian-vector product as {PRODUCT}.",
    "searches: what searches add at most, in the same unit; they usually add a third of it.",
    "without data: points of wedge models and controls, in the same way, searches included.",
)
MILLISECONDS_A_MINUTE = 60_000


@dataclass(frozen=True, kw_only=True)
class Count(Selection):
    """Count what a replication evaluates, claim by claim, without running it."""

    milliseconds_per_example: float | None = None
    """CPU time of a forward pass of the network on one example; given it, minutes are printed, too."""

    def __post_init__(self) -> None:
        """Refuse what a selection refuses, and a time that is not positive (ValueError)."""
        super().__post_init__()
        time = self.milliseconds_per_example
        if time is not None and not 0 < time < math.inf:
            raise ValueError(f"--milliseconds-per-example must be positive and finite; got {time:g}")

    def lines(self) -> list[str]:
        """The table, one line for the training, the sheets and each claim, and what its columns mean.

        Raises:
            ValueError: none of the claims is measured on any of the landscapes.
        """
        folders: dict[str, list[TaskSpec]] = {}
        for task in self.tasks_in(Place()):
            folders.setdefault(task.folder, []).append(task)
        rows = [self._row(NAMES.get(folder, folder), tasks) for folder, tasks in folders.items()]
        rows.append(self._row("all", [task for tasks in folders.values() for task in tasks]))
        head = ("", "tasks", "network", "searches", "without data", "CPU minutes")[: len(rows[0])]
        notes = [*UNITS]
        if self.milliseconds_per_example is not None:
            notes.append(
                f"CPU minutes: the network at {self.milliseconds_per_example:g} ms a pass, without and with searches."
            )
        return [*_aligned([head, *rows]), "", *notes]

    def _row(self, name: str, tasks: list[TaskSpec]) -> tuple[str, ...]:
        network = total(count(task) for task in tasks if has_data(task.landscape))
        other = total(count(task) for task in tasks if not has_data(task.landscape))
        numbers = (len(tasks), network.passes, network.search, other.passes + other.search)
        return (name, *(f"{number:,.0f}" for number in numbers), *self._minutes(network))

    def _minutes(self, cost: Cost) -> tuple[str, ...]:
        if self.milliseconds_per_example is None:
            return ()
        least = cost.passes * self.milliseconds_per_example / MILLISECONDS_A_MINUTE
        most = least + cost.search * self.milliseconds_per_example / MILLISECONDS_A_MINUTE
        return (f"{least:,.1f} to {most:,.1f}" if cost.search else f"{least:,.1f}",)


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The cells of each row in columns: the first to the left, the others to the right."""
    rows = list(rows)
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]
