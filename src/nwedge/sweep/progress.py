"""What a person sees of a sweep: a bar on a terminal, plain lines elsewhere, both with the time left."""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.ledger import Durations, describe, duration, kind_of
from nwedge.sweep.runner import Event


class Display:
    """Shows the events of a run, as a context manager to be given to `run` as `report`.

    Args:
        tasks: all tasks of the run.
        durations: of the tasks that have finished before; those of this run are added.
        console: where it is shown.
        workers: how many tasks run side by side.
    """

    def __init__(self, tasks: Sequence[TaskSpec], durations: Durations, console: Console, *, workers: int = 1) -> None:
        self._console = console
        self.workers = workers
        self._left = {task.id: kind_of(task) for task in tasks}
        self._kinds = Counter(self._left.values())
        self._total = len(self._left)
        self._running: dict[str, str] = {}
        self._durations = durations
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._row = self._bar.add_task("", total=self._total)

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "done":
            self._durations.add(event.task.folder, event.task.landscape.name, event.seconds)
        if event.kind == "started":
            self._running[event.task.id] = describe(event.task)
        elif event.kind not in ("damaged", "lost"):
            self._settle(event.task.id)
            self._running.pop(event.task.id, None)
        if self._console.is_terminal:
            now = " | ".join(self._running.values())
            self._bar.update(self._row, completed=self._total - len(self._left), description=f"{self._time()}  {now}")
        elif event.kind == "done":
            place = f"[{self._total - len(self._left)}/{self._total}]"
            self._print(f"{place} {describe(event.task)}: {event.seconds:.1f} s, {self._time()}")
        if event.text:
            self._print(f"{event.kind}: {describe(event.task)}: {event.text}")

    def _settle(self, id: str) -> None:
        """Count a task as one that is not left."""
        settled = self._left.pop(id, None)
        if settled is not None:
            self._kinds[settled] -= 1

    def _time(self) -> str:
        left = self._durations.left(self._kinds, self.workers)
        return "time left unknown" if left is None else f"about {duration(left)} left"

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
