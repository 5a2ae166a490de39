"""Where tasks are executed: in this process, or in worker processes, which end when this one ends."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Protocol, runtime_checkable

from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.work import THREADS, Execute, Job, Outcome, Performer, WorkersError

Ended = list[tuple[TaskSpec, Outcome | None]]
"""Tasks that have ended, each with its outcome, or None where its process died."""


@runtime_checkable
class Engine(Protocol):
    """What the runner needs: to start tasks, to be told how they ended, and to end them."""

    @property
    def workers(self) -> int:
        """How many tasks may be under way."""
        ...

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Begin a task that reads the results of `needs`."""
        ...

    def finished(self, timeout: float | None = None) -> Ended:
        """Wait until tasks end, not longer than `timeout` seconds."""
        ...

    def close(self) -> None:
        """End what is under way."""
        ...


class InProcess:
    """One task after another, here."""

    workers = 1

    def __init__(self, job: Job) -> None:
        self._perform = Performer(job)
        self._ended: Ended = []

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Do the task."""
        self._ended.append((task, self._perform(task, needs)))

    def finished(self, timeout: float | None = None) -> Ended:
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
        workers: processes, at least 1; all but the first are started when there is a task for them.

    Raises:
        ValueError: a function that no other process can import.
    """

    def __init__(self, job: Job, workers: int) -> None:
        check_importable(job.execute)
        self.workers = workers
        self._job = job
        self._context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        # now, so that a script without a guard, which starts anew in its workers, fails there before it takes a task
        self._first = _Worker(self._context, self._theirs, job)
        self._idle = [self._first]
        self._busy: dict[Future[Outcome], tuple[TaskSpec, _Worker]] = {}

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Hand the task to a worker that is idle, or to a new one."""
        worker = self._idle.pop() if self._idle else _Worker(self._context, self._theirs, self._job)
        try:
            self._busy[worker.pool.submit(_perform, task, tuple(needs))] = task, worker
        except BrokenProcessPool:  # it died while it was idle
            self._bury(worker)
            self.start(task, needs)

    def finished(self, timeout: float | None = None) -> Ended:
        """Wait for a task to end, not longer than `timeout` seconds: those that have, each with its outcome.

        The outcome is None where the worker died.

        Raises:
            WorkersError: the first worker died before it could take a task, so that the others will, too.
        """
        ended: Ended = []
        for future in wait(self._busy, timeout, FIRST_COMPLETED).done:
            task, worker = self._busy.pop(future)
            try:
                ended.append((task, future.result()))
                self._idle.append(worker)
            except BrokenProcessPool:
                self._bury(worker)
                ended.append((task, None))
        return ended

    def _bury(self, worker: "_Worker") -> None:
        worker.pool.shutdown(wait=True)
        if self._first.alive.exception() is not None:
            raise WorkersError(
                "worker processes cannot start (their error stands above): a script that replicates with several "
                'workers must do so under `if __name__ == "__main__":`, and `workers=1` needs none'
            ) from None

    def close(self) -> None:
        """End the workers at once, also those that are at work."""
        self._ours.close()
        for worker in [*self._idle, *(worker for _, worker in self._busy.values())]:
            worker.pool.shutdown(wait=True, cancel_futures=True)
        self._theirs.close()


class _Worker:
    """A process, as a pool of one."""

    def __init__(self, context: BaseContext, lifeline: Connection, job: Job) -> None:
        self.pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(lifeline, job))
        with _without_interrupts(), _environment(dict.fromkeys(THREADS, str(job.threads))):
            self.alive = self.pool.submit(os.getpid)  # starts the process


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


def check_importable(execute: Execute) -> None:
    """Refuse a function that another process cannot import (ValueError)."""
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
