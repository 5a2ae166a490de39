"""Runs tasks whose results are not stored yet, each as soon as its inputs are there, and goes on after failures."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Literal

from nwedge._files import StoreError
from nwedge.specs.tasks import TaskSpec
from nwedge.store import CorruptResult, Result, Store
from nwedge.sweep.ledger import Books, Failure, describe, now
from nwedge.sweep.provenance import provenance

Execute = Callable[..., Result]
"""execute(task, inputs: Mapping[task id, Result], threads=N) -> Result."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a task; `text` is one line, empty where there is nothing to add."""

    kind: Literal["kept", "damaged", "started", "done", "failed", "not run"]
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
    threads: int = 1,
    report: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Do the tasks that are not done, one after the other; every result is stored as soon as it is there.

    A damaged result is reported and computed again. A task that raises is recorded (traceback and spec), what depends
    on it is not run, and the rest goes on. Inputs are always those read back from the store, so that an interrupted
    and resumed run computes from the same bytes.

    Args:
        tasks: in any order, with all the tasks that they need.
        store: where results are.
        execute: called as execute(task, inputs, threads=N), `inputs` being the results that the task needs, by id.
        threads: what each task computes with; stands in the provenance.
        report: called with each event, as it happens.

    Raises:
        ValueError: a task needs one that is not among the tasks.
        StoreError: the directory cannot be written or read.
    """
    by_id = {task.id: task for task in tasks}
    _check_needs(by_id)
    common = provenance(threads)
    books = Books(store.directory)
    books.forget_running()
    summary = Summary(kept=_kept(by_id.values(), store, report))
    settled = set(summary.kept)
    inputs = _Inputs(store, by_id, [task for task in by_id.values() if task.id not in settled])

    def attempt(task: TaskSpec) -> None:
        report(Event("started", task))
        books.start(task)
        begun = time.perf_counter()
        try:
            result = execute(task, inputs.of(task), threads=threads)
            seconds = time.perf_counter() - begun
            own = {"device": task.landscape.device, "wall_time": round(seconds, 3), "finished": now()}
            store.write(task, result, common | own)
            inputs.offer(task, store.read(task))
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, CorruptResult):
                raise
            failure = summary.failed[task.id] = books.fail(task, error)
            report(Event("failed", task, f"{failure.error} ({failure.path})"))
        else:
            books.finish(task, seconds)
            summary.done.append(task.id)
            report(Event("done", task, seconds=seconds))
        finally:
            books.stop(task)
            inputs.release(task)

    sorter = TopologicalSorter({task.id: task.needs for task in by_id.values()})
    sorter.prepare()
    ready: deque[str] = deque()
    while sorter.is_active():
        ready.extendleft(reversed(sorter.get_ready()))  # what has just become possible comes first: inputs leave early
        task = by_id[ready.popleft()]
        culprit = _culprit(task, summary)
        if culprit is not None:
            summary.not_run[task.id] = culprit
            inputs.release(task)
            report(Event("not run", task, f"because {describe(by_id[culprit])} failed"))
        elif task.id not in settled:
            attempt(task)
        sorter.done(task.id)
    return summary


class _Inputs:
    """Results that tasks read, each held in memory from its first reader to its last."""

    def __init__(self, store: Store, by_id: Mapping[str, TaskSpec], readers: Iterable[TaskSpec]) -> None:
        self._store, self._by_id = store, by_id
        self._readers = Counter(need for task in readers for need in task.needs)
        self._held: dict[str, Result] = {}

    def of(self, task: TaskSpec) -> dict[str, Result]:
        for need in task.needs:
            if need not in self._held:
                self._held[need] = self._store.read(self._by_id[need])
        return {need: self._held[need] for need in task.needs}

    def offer(self, task: TaskSpec, result: Result) -> None:
        if self._readers[task.id]:
            self._held[task.id] = result

    def release(self, task: TaskSpec) -> None:
        for need in task.needs:
            self._readers[need] -= 1
            if not self._readers[need]:
                self._held.pop(need, None)


def _check_needs(by_id: Mapping[str, TaskSpec]) -> None:
    for task in by_id.values():
        missing = [need for need in task.needs if need not in by_id]
        if missing:
            raise ValueError(f"{describe(task)} needs the task {missing[0]}, which is not among the tasks: add it")


def _kept(tasks: Iterable[TaskSpec], store: Store, report: Callable[[Event], None]) -> list[str]:
    kept = []
    for task in tasks:
        if not store.has(task):
            continue
        problem = store.problem(task)
        if problem is None:
            kept.append(task.id)
            report(Event("kept", task))
        else:
            store.remove(task)
            report(Event("damaged", task, f"{problem}: computing it again"))
    return kept


def _culprit(task: TaskSpec, summary: Summary) -> str | None:
    for need in task.needs:
        if need in summary.failed:
            return need
        if need in summary.not_run:
            return summary.not_run[need]
    return None
