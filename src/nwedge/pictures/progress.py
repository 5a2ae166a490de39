"""How far a picture is, and how long it may still take."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PERIOD = 10
"""Seconds between lines where there is no terminal to draw a bar on."""


class Display:
    """A bar with the time left or, without a terminal, a line now and then; a context manager.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._what, self._total, self._done = console, "", 1, 0.0
        self._shown, self._kept, self._free = 0.0, 0.0, False
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._row = self._bar.add_task("")
        self._began = self._said = time.monotonic()

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, what: str, total: int) -> None:
        """Start on something that has so many units of work."""
        self._what, self._total, self._done = what, total, 0.0
        self._shown, self._kept, self._free = 0.0, 0.0, False
        self._began = self._said = time.monotonic()
        self._bar.reset(self._row, total=total, description=what)

    def skip(self) -> None:
        """What is done next was done before, and takes no time."""
        self._free = True

    def step(self, share: float, units: int) -> None:
        """So much of the next units is done, a share in [0, 1]."""
        self._show(self._done + share * units)

    def advance(self, units: int) -> None:
        """So many units are done, whole."""
        self._done += units
        self._show(self._done)

    def _show(self, done: float) -> None:
        if self._free:
            self._kept += done - self._shown
        self._shown, self._free = done, False
        done, total = done - self._kept, self._total - self._kept
        self._bar.update(self._row, total=total, completed=done)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= PERIOD and done > 0:
            self._said = now
            left = (now - self._began) * (total / done - 1)
            self._console.print(
                f"{self._what}: {done / total:.0%}, about {left:.0f} s left", markup=False, highlight=False
            )
