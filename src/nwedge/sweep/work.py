"""What it is to do a task: read the results that it needs, execute it, store its result, and tell what went wrong."""

import platform
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_limits

from nwedge._files import StoreError
from nwedge.specs.tasks import TaskSpec
from nwedge.store import CorruptResult, Result, Store
from nwedge.sweep.ledger import now

Execute = Callable[..., Result]
"""execute(task, inputs: Mapping[task id, Result], threads=N) -> Result."""
T = TypeVar("T")

HELD = 16
"""Results that a process keeps in memory for the next tasks that read them."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What numerical libraries read when they are loaded."""


class WorkersError(RuntimeError):
    """Worker processes that cannot start."""


@dataclass(frozen=True)
class Job:
    """What all tasks of a run have in common.

    Attributes:
        directory: where results are.
        execute: does a task.
        threads: that each task computes with.
        provenance: that each result gets.
        prepare: called once in each process of a cluster, with `share`, which travels to each node once.
        share: what all tasks read, such as data sets.
    """

    directory: Path
    execute: Execute
    threads: int
    provenance: Mapping[str, Any]
    prepare: Callable[[Any], None] | None = None
    share: Any = None


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

    @classmethod
    def of(cls, error: Exception) -> "Outcome":
        """That of a task that raised."""
        fatal = isinstance(error, StoreError) and not isinstance(error, CorruptResult)
        return cls(error=one_line(error), trace=traceback.format_exception(error), fatal=fatal)


@dataclass(frozen=True)
class Done:
    """A result that is not stored yet, its provenance, and the seconds that it took."""

    result: Result
    provenance: Mapping[str, Any]
    seconds: float

    def store(self, store: Store, task: TaskSpec) -> Outcome:
        """Store it; what goes wrong is in the outcome."""
        try:
            store.write(task, self.result, self.provenance)
        except Exception as error:
            return Outcome.of(error)
        return Outcome(self.seconds)


def do(job: Job, task: TaskSpec, inputs: Mapping[str, Result]) -> Done | Outcome:
    """Execute a task with the results that it needs, by id; whatever it raises is in the outcome."""
    begun = time.perf_counter()
    try:
        with threadpool_limits(job.threads, user_api="blas"):
            result = job.execute(task, inputs, threads=job.threads)
    except Exception as error:
        return Outcome.of(error)
    seconds = time.perf_counter() - begun
    own = {"device": task.landscape.device, "wall_time": round(seconds, 3), "finished": now()}
    return Done(result, {**job.provenance, "machine": platform.node(), **own}, seconds)


class Recent(Generic[T]):
    """The values of the last few keys that were asked for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, T] = OrderedDict()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key, made if it is not there."""
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
        return self._values[key]


class Performer:
    """Does tasks, one at a time: reads the inputs from the store, executes, stores the result."""

    def __init__(self, job: Job) -> None:
        self._job, self._store, self._held = job, Store(job.directory), Recent[Result](HELD)

    def __call__(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> Outcome:
        """Do a task that reads the results of `needs`; whatever goes wrong is in the outcome."""
        try:
            inputs = {need.id: self._held.get(need.id, lambda need=need: self._store.read(need)) for need in needs}
        except Exception as error:
            return Outcome.of(error)
        done = do(self._job, task, inputs)
        return done.store(self._store, task) if isinstance(done, Done) else done


def one_line(error: Exception) -> str:
    """The kind and the text of an error."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
