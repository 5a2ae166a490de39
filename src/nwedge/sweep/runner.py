"""Runs tasks whose results are not stored yet, each as soon as its inputs are there, and goes on after failures."""

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import Any, Literal

from nwedge._files import StoreError, ask_anew
from nwedge.specs.landscapes import ForeignWedgeSpec
from nwedge.specs.tasks import TaskSpec
from nwedge.store import Store
from nwedge.sweep.engines import Engine, InProcess, WorkerPool
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books, Failure, describe
from nwedge.sweep.provenance import provenance
from nwedge.sweep.work import Execute, Job, Outcome

LOOK = 0.5
"""Seconds between looks at the tasks that other processes work on."""
TRIES = 2
"""How often a task is tried whose process dies: it may be the task that kills it, or something else."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a task; `text` is one line, empty where there is nothing to add."""

    kind: Literal["kept", "damaged", "started", "lost", "done", "failed", "not run"]
    task: TaskSpec
    text: str = ""
    seconds: float = 0.0


@dataclass
class Summary:
    """What became of the tasks, by id: done now, kept from before, failed, and not run because an input failed."""

    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, Failure] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    """The id of a task that was not run: the id of the failed task that it depends on."""


def run(
    tasks: Sequence[TaskSpec],
    store: Store,
    execute: Execute,
    *,
    workers: int = 1,
    threads: int = 1,
    engine: Callable[[Job], Engine] | None = None,
    prepare: Callable[[Any], None] | None = None,
    share: Any = None,
    report: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Do the tasks that are not done; every result is stored as soon as it is there, and the same for any `workers`.

    Of the tasks that can start, the one on which most others depend goes first. A damaged result is reported and
    computed again. A task that raises is recorded (traceback and spec), what depends on it is not run, and the rest
    goes on; one whose worker process dies is tried once more. Inputs are always those read back from the store, so
    that an interrupted and resumed run computes from the same bytes. Several processes may run the same tasks in one
    directory: each task is done by one of them.

    Args:
        tasks: in any order, with all the tasks that they need.
        store: where results are.
        execute: called as execute(task, inputs, threads=N), `inputs` being the results that the task needs, by id;
            with several workers a function that a new process can import by its name.
        workers: processes that do tasks side by side; 1 does one after the other in this process.
        threads: what each task computes with; stands in the provenance.
        engine: makes the engine in the place of those that `workers` tells apart, such as `cluster.RayCluster`.
        prepare: see `nwedge.sweep.work.Job`.
        share: see `nwedge.sweep.work.Job`.
        report: called with each event, as it happens.

    Raises:
        ValueError: a task needs one that is not among the tasks, or workers that cannot import `execute`.
        StoreError: the directory cannot be written or read.
        WorkersError: the worker processes cannot start.
    """
    by_id = {task.id: task for task in tasks}
    _check_needs(by_id)
    backends = {task.landscape.backend for task in tasks if isinstance(task.landscape, ForeignWedgeSpec)}
    job = Job(store.directory.absolute(), execute, threads, provenance(threads, sorted(backends)), prepare, share)
    if engine is None:
        engine = InProcess if workers == 1 else functools.partial(WorkerPool, workers=workers)
    leases = Leases(store.directory)
    began = leases.clock()
    summary = Summary()
    for task in by_id.values():
        if _is_kept(task, store):
            summary.kept.append(task.id)
            report(Event("kept", task))
    if len(summary.kept) == len(by_id):
        return summary
    with leases, contextlib.closing(engine(job)) as started:
        _Sweep(by_id, store, started, leases, summary, report, began).run()
    return summary


class _Sweep:
    """The tasks of a run: those that can start, those that run, and what became of the others."""

    def __init__(
        self,
        by_id: Mapping[str, TaskSpec],
        store: Store,
        engine: Engine,
        leases: Leases,
        summary: Summary,
        report: Callable[[Event], None],
        began: float,
    ) -> None:
        self._by_id, self._store, self._engine, self._leases = by_id, store, engine, leases
        self._summary, self._report, self._began = summary, report, began
        self._books = Books(store.directory)
        self._kept = set(summary.kept)
        self._elsewhere: dict[str, TaskSpec] = {}
        self._looked = 0.0
        self._ranks = ranks(by_id)
        self._sorter = TopologicalSorter({task.id: task.needs for task in by_id.values()})
        self._ready: list[tuple[tuple[int, int], str]] = []
        self._running: dict[str, TaskSpec] = {}
        self._tries: Counter[str] = Counter()

    def run(self) -> None:
        """Start tasks as they become possible, until none is left."""
        self._sorter.prepare()
        while self._sorter.is_active():
            for id in self._sorter.get_ready():
                heappush(self._ready, (self._ranks[id], id))
            if self._ready and len(self._running) < self._engine.workers:
                self._take(self._by_id[heappop(self._ready)[1]])
            elif self._running:
                for task, outcome in self._engine.finished(LOOK if self._elsewhere else None):
                    self._settle(task, outcome)
            else:
                time.sleep(LOOK)
            self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        """See to the tasks that other processes took: those that are done, and those that were given up."""
        if not self._elsewhere or time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        for id, task in list(self._elsewhere.items()):
            if self._store.has(task) or not self._leases.worked_on(task):
                del self._elsewhere[id]
                heappush(self._ready, (self._ranks[id], id))

    def _take(self, task: TaskSpec) -> None:
        """Start a task, unless it is done or cannot be done."""
        culprit = _culprit(task, self._summary)
        if culprit is not None:
            self._summary.not_run[task.id] = culprit
            self._report(Event("not run", task, f"because {describe(self._by_id[culprit])} failed"))
            self._sorter.done(task.id)
        elif task.id in self._kept:
            self._sorter.done(task.id)
        elif not self._leases.take(task):
            self._elsewhere[task.id] = task
        elif self._ended_elsewhere(task):
            self._leases.drop(task)
            self._sorter.done(task.id)
        else:
            self._start(task)

    def _ended_elsewhere(self, task: TaskSpec) -> bool:
        """Book a task that another process has done, or failed at since this run began; a damaged result is removed.

        The task must be this process's by its note, so that no other one makes or removes the result meanwhile.
        """
        for path in (self._store.path(task), self._books.failure_path(task)):
            ask_anew(self._store.directory, path)
        if self._store.has(task):
            problem = self._store.problem(task)
            if problem is None:
                self._summary.kept.append(task.id)
                self._report(Event("kept", task))
                return True
            self._store.remove(task)
            self._report(Event("damaged", task, f"{problem}: computing it again"))
        failure = self._books.failure(task, after=self._began)
        if failure is None:
            return False
        self._fail(task, failure)
        return True

    def _fail(self, task: TaskSpec, failure: Failure) -> None:
        self._summary.failed[task.id] = failure
        self._report(Event("failed", task, f"{failure.error} ({failure.path})"))

    def _start(self, task: TaskSpec) -> None:
        self._report(Event("started", task))
        self._running[task.id] = task
        self._tries[task.id] += 1
        self._engine.start(task, [self._by_id[need] for need in task.needs])

    def _settle(self, task: TaskSpec, outcome: Outcome | None) -> None:
        """Book how a task ended, None being that its process died."""
        if outcome is None and self._tries[task.id] < TRIES:
            self._report(Event("lost", task, "its process died: trying once more"))
            self._start(task)
            return
        outcome = outcome or Outcome(error=f"its process died {TRIES} times: too little memory for so many workers?")
        if outcome.fatal:
            raise StoreError(outcome.error.partition(": ")[2])
        if outcome.error:
            self._fail(task, self._books.fail(task, outcome.error, outcome.trace))
        else:
            self._books.finish(task, outcome.seconds)
            self._summary.done.append(task.id)
            self._report(Event("done", task, seconds=outcome.seconds))
        self._leases.drop(task)
        del self._running[task.id]
        self._sorter.done(task.id)


def ranks(by_id: Mapping[str, TaskSpec]) -> dict[str, tuple[int, int]]:
    """What goes first, smallest first: the tasks on which most others depend, then as they are given."""
    dependents: Counter[str] = Counter()
    for task in by_id.values():
        reached: set[str] = set()
        ahead = list(task.needs)
        while ahead:
            need = ahead.pop()
            if need not in reached:
                reached.add(need)
                ahead.extend(by_id[need].needs)
        dependents.update(reached)
    return {id: (-dependents[id], place) for place, id in enumerate(by_id)}


def _check_needs(by_id: Mapping[str, TaskSpec]) -> None:
    for task in by_id.values():
        missing = [need for need in task.needs if need not in by_id]
        if missing:
            raise ValueError(f"{describe(task)} needs the task {missing[0]}, which is not among the tasks: add it")


def _is_kept(task: TaskSpec, store: Store) -> bool:
    """Whether a task's result is there, whole; a damaged one is seen to once the task is this process's alone."""
    try:
        return store.has(task) and store.problem(task) is None
    except StoreError:
        if store.has(task):
            raise
        return False  # another process has just removed it, since it was damaged


def _culprit(task: TaskSpec, summary: Summary) -> str | None:
    for need in task.needs:
        if need in summary.failed:
            return need
        if need in summary.not_run:
            return summary.not_run[need]
    return None
