"""Where tasks are executed: in this process, or in worker processes, which end when this one ends."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from nwedge._files import StoreError
from nwedge.specs.tasks import TaskSpec
from nwedge.store import CorruptResult, Result, Store
from nwedge.sweep.ledger import now

Execute = Callable[..., Result]
"""execute(task, inputs: Mapping[task id, Result], threads=N) -> Result."""

HELD = 16
"""Results that a process keeps in memory for the next tasks that read them."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What numerical libraries read when they are loaded."""


class WorkersError(RuntimeError):
    """Worker processes that cannot start."""


@dataclass(frozen=True)
class Job:
    """What all tasks of a run have in common: where results are, how and with how many threads, the provenance."""

    directory: Path
    execute: Execute
    threads: int
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        seconds: that it took.
        error: why it failed, in one line; empty if it did not.
        trace: the lines of the traceback.
        fatal: whether no task can go on: the directory cannot be read or written.
    """

    seconds: float = 0.0
    error: str = ""
    trace: Sequence[str] = ()
    fatal: bool = False


class Performer:
    """Does tasks, one at a time: reads the inputs from the store, executes, stores the result."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = Store(job.directory)
        self._held: OrderedDict[str, Result] = OrderedDict()

    def __call__(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> Outcome:
        """Do a task that reads the results of `needs`; whatever it raises is in the outcome."""
        job = self._job
        begun = time.perf_counter()
        try:
            inputs = {need.id: self._read(need) for need in needs}
            with threadpool_limits(job.threads, user_api="blas"):
                result = job.execute(task, inputs, threads=job.threads)
            seconds = time.perf_counter() - begun
            own = {"device": task.landscape.device, "wall_time": round(seconds, 3), "finished": now()}
            self._store.write(task, result, {**job.provenance, **own})
        except Exception as error:
            fatal = isinstance(error, StoreError) and not isinstance(error, CorruptResult)
            return Outcome(error=_one_line(error), trace=traceback.format_exception(error), fatal=fatal)
        return Outcome(seconds)

    def _read(self, task: TaskSpec) -> Result:
        if task.id not in self._held:
            self._held[task.id] = self._store.read(task)
        self._held.move_to_end(task.id)
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return self._held[task.id]


class InProcess:
    """One task after another, here."""

    workers = 1

    def __init__(self, job: Job) -> None:
        self._perform = Performer(job)
        self._ended: list[tuple[TaskSpec, Outcome | None]] = []

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Do the task."""
        self._ended.append((task, self._perform(task, needs)))

    def finished(self) -> list[tuple[TaskSpec, Outcome | None]]:
        """The task that was done."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Nothing is left to end."""


class WorkerPool:
    """Tasks in worker processes, each a pool of its own, so that one that dies takes no other task with it.

    The workers hold one end of a pipe and exit when the other end is closed, which the system does when this process
    ends in any way: none outlives it. They never see Ctrl-C.

    Args:
        job: its `execute` must be a function that a new process can import by its name.
        workers: processes, at least 1; they are started when there is a task for them.

    Raises:
        ValueError: a function that no other process can import.
    """

    def __init__(self, job: Job, workers: int) -> None:
        _check_importable(job.execute)
        self.workers = workers
        self._job = job
        self._context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        self._idle: list[_Worker] = []
        self._busy: dict[Future[Outcome], tuple[TaskSpec, _Worker]] = {}

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Hand the task to a worker that is idle, or to a new one."""
        worker = self._idle.pop() if self._idle else _Worker(self._context, self._theirs, self._job)
        try:
            self._busy[worker.pool.submit(_perform, task, tuple(needs))] = task, worker
        except BrokenProcessPool:  # it died while it was idle
            worker.bury()
            self.start(task, needs)

    def finished(self) -> list[tuple[TaskSpec, Outcome | None]]:
        """Wait for a task to end: those that have, each with its outcome, or None where its worker died.

        Raises:
            WorkersError: a worker that died before it could take a task.
        """
        ended: list[tuple[TaskSpec, Outcome | None]] = []
        for future in wait(self._busy, return_when=FIRST_COMPLETED).done:
            task, worker = self._busy.pop(future)
            try:
                ended.append((task, future.result()))
                self._idle.append(worker)
            except BrokenProcessPool:
                worker.bury()
                ended.append((task, None))
        return ended

    def close(self) -> None:
        """End the workers at once, also those that are at work."""
        self._ours.close()
        for worker in [*self._idle, *(worker for _, worker in self._busy.values())]:
            worker.pool.shutdown(wait=True, cancel_futures=True)
        self._theirs.close()


Engine = InProcess | WorkerPool
"""What the runner needs: to start tasks, at most `workers` at once, to be told how they ended, and to end them."""


class _Worker:
    """A process, as a pool of one."""

    def __init__(self, context: BaseContext, lifeline: Connection, job: Job) -> None:
        self.pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(lifeline, job))
        with _without_interrupts(), _environment(dict.fromkeys(THREADS, str(job.threads))):
            self._alive = self.pool.submit(os.getpid)  # starts the process

    def bury(self) -> None:
        self.pool.shutdown(wait=True)
        if self._alive.exception() is not None:
            raise WorkersError(
                "worker processes cannot start (their error stands above): a script that replicates with several "
                'workers must do so under `if __name__ == "__main__":`, and `workers=1` needs none'
            ) from None


_performer: Performer


def _begin(lifeline: Connection, job: Job) -> None:
    """In a new worker: be ready for tasks, and exit as soon as the process that started it is gone."""
    global _performer
    threading.Thread(target=_exit_at_end_of, args=(lifeline,), daemon=True).start()
    _performer = Performer(job)


def _perform(task: TaskSpec, needs: Sequence[TaskSpec]) -> Outcome:
    return _performer(task, needs)


def _exit_at_end_of(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _check_importable(execute: Execute) -> None:
    try:
        pickle.dumps(execute)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"with several workers, execute must be a function of a module that they can import; got {execute!r}: "
            "give workers=1"
        ) from error


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back for the length of the block, and for ever in the processes that are started in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change variables of the environment for the length of the block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
