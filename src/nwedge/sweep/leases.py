"""Which process works on a task: a note that one process alone can make, and that goes stale when it dies."""

import contextlib
import fcntl
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from nwedge._files import StoreError, alive, host, read_json, remove, there
from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.ledger import now

RUNNING, TURN = "running", ".turn"
"""Below the directory: the folder of the notes, and the file that is locked where stale ones are replaced."""
BEAT = 10.0
"""Seconds after which a process that works renews its notes."""
STALE = 60.0
"""Seconds after which a note that was not renewed is taken for that of a dead process."""


@dataclass
class Leases:
    """The tasks that this process works on, as `running/<id>.json` below a directory that several processes may share.

    A note is made by exclusive creation, which file systems, shared ones too, grant to one process alone, and renewed
    every `BEAT` seconds by a thread. It is stale if its process is gone from this machine, or if it was not renewed for
    `STALE` seconds by the clock of the file system. A process that was suspended for longer may find another's note in
    the place of its own, and leaves it alone. As a context manager it renews, and drops what is left at the end.

    Attributes:
        directory: below which the notes are.
        beat: seconds between renewals.
        stale: seconds without a renewal after which a note is stale.
    """

    directory: Path
    beat: float = BEAT
    stale: float = STALE
    _held: dict[str, Path] = field(default_factory=dict, init=False)
    _end: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> "Leases":
        self._clear()
        self._end.clear()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        for path in list(self._held.values()):
            with contextlib.suppress(StoreError):
                self._remove_ours(path)
        self._held.clear()

    def take(self, task: TaskSpec) -> bool:
        """Note that this process works on a task, unless it or another one does; a stale note is replaced.

        Raises:
            StoreError: the note cannot be written.
        """
        if task.id in self._held:
            return False
        path = self._held[task.id] = self._path(task)  # known before it is there: an interrupt leaves no note
        try:
            taken = self._create(path) or self._replace(path)
        except StoreError:
            del self._held[task.id]
            raise
        if not taken:
            del self._held[task.id]
        return taken

    def drop(self, task: TaskSpec) -> None:
        """Take the note back (StoreError if it cannot be); one that another process has replaced meanwhile stays."""
        path = self._held.get(task.id)
        if path is not None:
            self._remove_ours(path)
            self._held.pop(task.id, None)

    def worked_on(self, task: TaskSpec) -> bool:
        """Whether a process that is alive works on the task."""
        path = self._path(task)
        return there(path) and not self._is_stale(path)

    def clock(self) -> float:
        """The time by the clock that dates the files, which may be another machine's; ours where we may not write."""
        try:
            with tempfile.TemporaryFile(dir=self.directory) as file:
                return os.fstat(file.fileno()).st_mtime
        except OSError:
            return time.time()

    def _clear(self) -> None:
        """Remove the notes that dead processes left, also of tasks that they had finished."""
        stale = [path for path in (self.directory / RUNNING).glob("*.json") if self._is_stale(path)]
        if stale:
            with self._turn():
                for path in stale:
                    if self._is_stale(path):
                        remove(path)

    def _replace(self, path: Path) -> bool:
        if not self._is_stale(path):
            return False
        with self._turn():  # one process at a time replaces stale notes, else a second would remove the first's new one
            if not self._is_stale(path):
                return False
            remove(path)
            return self._create(path)

    def _create(self, path: Path) -> bool:
        note = {"pid": os.getpid(), "host": host(), "started": now()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(note, file)
        except BaseException as error:  # an interrupt, too, leaves no torn note
            remove(path)
            if isinstance(error, OSError):
                raise StoreError(f"cannot write {path}: {error.strerror}") from error
            raise
        return True

    def _remove_ours(self, path: Path) -> None:
        with self._turn():  # else another process could replace the note between the look and the removal
            if _is_ours(path):
                remove(path)

    def _is_stale(self, path: Path) -> bool:
        note = _note(path)
        if note is not None and note[0] == host() and not alive(note[1]):
            return True
        try:
            return self.clock() - path.stat().st_mtime > self.stale
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        path = self.directory / TURN
        try:
            file = path.open("a")
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        with file:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _renew(self) -> None:
        while not self._end.wait(self.beat):
            for path in list(self._held.values()):
                with contextlib.suppress(OSError):
                    if _is_ours(path):
                        os.utime(path)

    def _path(self, task: TaskSpec) -> Path:
        return self.directory / RUNNING / f"{task.id}.json"


def _note(path: Path) -> tuple[str, int] | None:
    """The host and the process of a note; None of one that is torn, just being written, or gone."""
    try:
        note = read_json(path)
        return note["host"], int(note["pid"])
    except (StoreError, KeyError, TypeError, ValueError):
        return None


def _is_ours(path: Path) -> bool:
    return _note(path) == (host(), os.getpid())
