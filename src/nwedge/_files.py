"""Files written whole or not at all, and a directory that processes share."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any

LOCK = ".lock"
WAIT = 0.05
"""Seconds between looks at a lock."""


class StoreError(Exception):
    """A file or directory that cannot be read or written: one sentence that names it."""


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path` (made if needed), which takes its place once the block has ended.

    The bytes are on disk before the name changes (fsync, rename, fsync of the folder), so a process killed at any
    moment leaves either the old file or the new one. A block that raises leaves the old one.

    Raises:
        StoreError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{host()}-{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
        ValueError: the value holds NaN or an infinity, which JSON does not have.
    """
    text = json.dumps(value, indent=1, allow_nan=False)
    with whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        StoreError: the file cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path} is damaged: it is no JSON") from error


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file (made if needed), whole or not at all, and on disk once this returns.

    What a process that was killed has left of a line is cut off first. Readers take the lines that `whole_lines` gives.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = _end_of_lines(file)
            file.truncate(end)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if not end:
            _sync(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def whole_lines(path: Path) -> list[str]:
    """The lines of a text file, without a last one that a process could not end.

    Raises:
        StoreError: the file cannot be read, or is no text.
    """
    try:
        return [line.decode() for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is damaged: it is no text") from error


def remove(path: Path) -> None:
    """Delete a file that may be missing.

    Raises:
        StoreError: the file is there and cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {path}: {error.strerror}") from error


def there(path: Path) -> bool:
    """Whether there is such a file or directory (StoreError if it may not be looked for)."""
    try:
        return path.exists()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def ask_anew(directory: Path, path: Path) -> None:
    """Have the file system look anew for `path`, which is somewhere below the directory.

    NFS remembers for half a minute that a name was missing, unless it sees that the folder has changed, which it asks
    the server when the folder is opened (Linux, nfs(5): close-to-open consistency).
    """
    for folder in reversed(path.relative_to(directory).parents):
        with contextlib.suppress(OSError):
            os.close(os.open(directory / folder, os.O_RDONLY))


def check_directory(path: Path) -> None:
    """Refuse (StoreError) a path that is no directory and cannot be made one, or in which nothing may be written."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if os.path.exists(one))
    if not there.is_dir():
        raise StoreError(f"{there} is a file: give the path of a directory")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write to the directory {there}: it is not allowed")


@contextlib.contextmanager
def shared(directory: Path, enter: Callable[[bool], None]) -> Iterator[None]:
    """Make the directory and share it with other processes for the length of the block.

    The first process clears what dead ones left, and calls enter(True) while it is alone; those that join it call
    enter(False). Each clears again in the end, as workers of a killed process may have been writing for a moment more.
    The lock ends with the process, however it ends. On file systems without locks every process is taken for the first.

    Args:
        directory: to be made and shared.
        enter: refuses (StoreError) to join the work that is going on, or prepares a new one.

    Raises:
        StoreError: the path is a file, cannot be written, or `enter` raises it.
    """
    if there(directory) and not directory.is_dir():
        raise StoreError(f"{directory} is a file: give the path of a directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / LOCK).open("a")
    except OSError as error:
        raise StoreError(f"cannot write to the directory {directory}: {error.strerror}") from error
    with lock:
        first = _first(lock)
        if first:
            remove_stale(directory)
        enter(first)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
        remove_stale(directory)


def _first(lock: IO[str]) -> bool:
    """Whether nobody else holds the lock: then it is held alone, else together with the others."""
    while True:
        for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                return kind == fcntl.LOCK_EX
            except BlockingIOError:  # others hold it or, for a moment, one of them is alone
                continue
            except OSError:  # a file system without locks
                return True
        time.sleep(WAIT)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block ends, so that a result that took an hour is stored when it comes meanwhile."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])


def host() -> str:
    """Where a process id is that of one process: the machine's name and, on Linux, the container's PID namespace."""
    try:
        return f"{socket.gethostname()}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return socket.gethostname()


def alive(pid: int) -> bool:
    """Whether a process with this id runs on this `host` (not one that has ended and waits for its parent to see)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1]
    except OSError:  # no Linux, or gone meanwhile
        return True
    return state not in ("Z", "X")


def remove_stale(directory: Path) -> None:
    """Delete the temporary files that dead processes of this machine have left below a directory."""
    for temporary in directory.rglob(".*.tmp"):
        name, _, pid = temporary.name.removesuffix(".tmp").rpartition("-")
        if name.endswith(f".{host()}") and pid.isdigit() and not alive(int(pid)):
            remove(temporary)


def _end_of_lines(file: IO[bytes]) -> int:
    """Where the last whole line ends."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if not size or file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
