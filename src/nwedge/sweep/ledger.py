"""The books of a sweep: which tasks run, which failed and why, and how long each took. Light: no xarray here."""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nwedge._files import StoreError, read_json, remove, there, write_json
from nwedge.specs.tasks import TaskSpec

JOURNAL = "journal.jsonl"
Kind = tuple[str, str]
"""Of tasks that take about as long: their folder and their landscape."""


@dataclass(frozen=True)
class Failure:
    """A failed task: its id, the error in one line, and the file that holds the traceback and the spec."""

    id: str
    error: str
    path: Path


@dataclass(frozen=True)
class Entry:
    """A task that has finished: its id, folder and landscape, the seconds that it took, and when it ended."""

    id: str
    folder: str
    landscape: str
    seconds: float
    finished: datetime


class Durations:
    """How long tasks of a folder took on a landscape."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._counts: Counter[tuple[str, ...]] = Counter()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Durations":
        """Those of tasks that have finished."""
        durations = cls()
        for entry in entries:
            durations.add(entry.folder, entry.landscape, entry.seconds)
        return durations

    def add(self, folder: str, landscape: str, seconds: float) -> None:
        """Count a task that took so many seconds."""
        for key in _keys(folder, landscape):
            self._seconds[key] += seconds
            self._counts[key] += 1

    def left(self, kinds: Mapping[Kind, int], workers: int = 1) -> float | None:
        """The seconds that tasks may take, so many of them side by side; None where no task has finished yet.

        Each is taken for the mean of its folder on its landscape, of its folder, or of all, the first that is known.

        Args:
            kinds: how many tasks there are of each kind.
            workers: how many are done side by side.
        """
        if not self._counts:
            return None
        return sum((count * self._mean(kind) for kind, count in kinds.items()), start=0.0) / workers

    def _mean(self, kind: Kind) -> float:
        key = next(key for key in _keys(*kind) if key in self._counts)
        return self._seconds[key] / self._counts[key]


@dataclass(frozen=True)
class Books:
    """`failures/<id>.json` and `journal.jsonl` below a directory.

    They are for people and for estimates of time: whether a task is done is decided by its result file alone.
    """

    directory: Path

    def finish(self, task: TaskSpec, seconds: float) -> None:
        """Forget an earlier failure of the task and add its duration to the journal."""
        remove(self.failure_path(task))
        kind = {"folder": task.folder, "landscape": task.landscape.name}
        entry = {"id": task.id, **kind, "seconds": round(seconds, 3), "finished": now()}
        try:
            with (self.directory / JOURNAL).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StoreError(f"cannot write {self.directory / JOURNAL}: {error.strerror}") from error

    def fail(self, task: TaskSpec, error: str, trace: Sequence[str] = ()) -> Failure:
        """Keep the error of a task that failed, in one line, with the lines of its traceback and with its spec."""
        failure = Failure(task.id, error, self.failure_path(task))
        record = {"error": error, "traceback": list(trace), "failed": now()}
        write_json(failure.path, record | {"task": json.loads(task.to_json())})
        return failure

    def failure(self, task: TaskSpec, after: float = 0.0) -> Failure | None:
        """The last failure of the task, if it has not succeeded since.

        Args:
            task: that may have failed.
            after: the time, by the clock of the file system, before which a failure does not count.
        """
        path = self.failure_path(task)
        try:
            if path.stat().st_mtime <= after:
                return None
            return Failure(task.id, str(read_json(path)["error"]), path)
        except (OSError, StoreError, KeyError, TypeError):
            return Failure(task.id, "its record is damaged", path) if there(path) else None

    def journal(self) -> list[Entry]:
        """The tasks that have finished; lines that a crash has torn are left out."""
        path = self.directory / JOURNAL
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if there(path) else []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                finished = datetime.fromisoformat(entry["finished"])
                of = entry["id"], entry["folder"], entry["landscape"]
                found.append(Entry(*of, float(entry["seconds"]), finished))
        return found

    def failure_path(self, task: TaskSpec) -> Path:
        """The file of the last failure of the task."""
        return self.directory / "failures" / f"{task.id}.json"


def kind_of(task: TaskSpec) -> Kind:
    """The kind of a task."""
    return task.folder, task.landscape.name


def describe(task: TaskSpec) -> str:
    """A task in a few words: what is measured, where, and for which seed."""
    seed = getattr(task, "seed", None)
    return f"{task.folder} on {task.landscape.name}" + ("" if seed is None else f", seed {seed}")


def duration(seconds: float) -> str:
    """Seconds in words: 12 s, 3 min, 2 h 5 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _keys(folder: str, landscape: str) -> tuple[tuple[str, ...], ...]:
    return (folder, landscape), (folder,), ()
