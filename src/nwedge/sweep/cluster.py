"""Tasks on a Ray cluster, which schedules them, retries them where a worker or a node dies, and moves their results."""

import logging
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from nwedge._files import StoreError
from nwedge.specs.tasks import TaskSpec
from nwedge.store import Result, Store
from nwedge.sweep.engines import Ended, check_importable
from nwedge.sweep.work import THREADS, Done, Job, Outcome, Recent, WorkersError, do, one_line

RETRIES = 3
"""How often Ray itself tries a task again whose worker or node dies."""
PLACE = re.compile(r"(ray://)?(?P<host>[^:/]+):(?P<port>\d+)")
ANSWER = 10.0
"""Seconds in which a cluster must answer."""
INPUTS = 64
"""Results that stay in the cluster's object store for the next tasks that read them."""


class RayCluster:
    """Tasks on a Ray cluster; results come back to this process, which alone reads and writes the directory.

    So the nodes need no file system in common. A result that tasks read goes to each node once.

    Args:
        job: its `execute` must be a function that a new process can import by its name.
        address: of a cluster: "auto" for the one that this machine is part of, HOST:PORT, or ray://HOST:PORT; None
            starts one on this machine, which ends with this process.
        gpus: of each task, also in part.
        workers: tasks at once; None: as many as the CPUs and GPUs of the cluster can do, also when nodes join.

    Raises:
        ValueError: a function that no other process can import.
        WorkersError: the cluster cannot be reached, or has not the CPUs or GPUs that a task needs.
    """

    def __init__(self, job: Job, *, address: str | None = None, gpus: float = 0.0, workers: int | None = None) -> None:
        check_importable(job.execute)
        self._most, self._store = workers, Store(job.directory)
        self._wanted = {"CPU": float(job.threads), **({"GPU": gpus} if gpus else {})}
        self._owner = not ray.is_initialized()
        _connect(address, job.threads, workers)
        for name, amount in self._wanted.items():
            there = ray.cluster_resources().get(name, 0.0)
            if there < amount:
                self.close()
                raise WorkersError(f"a task needs {amount:g} {name}s, and the Ray cluster has {there:g}: ask for fewer")
        try:
            self._shared = [ray.put(job.share)]  # in a list, so that a process fetches it when it is prepared alone
        except TypeError as error:
            self.close()
            raise WorkersError(f"the data cannot be sent to the cluster: {one_line(error)}") from error
        self._job = ray.put(replace(job, share=None))
        self._perform = ray.remote(_perform).options(num_cpus=job.threads, num_gpus=gpus, max_retries=RETRIES)
        self._inputs = Recent[Any](INPUTS)
        self._busy: dict[Any, TaskSpec] = {}

    @property
    def workers(self) -> int:
        """How many tasks may be under way."""
        there = ray.cluster_resources()
        fit = min(int(there.get(name, 0.0) / amount) for name, amount in self._wanted.items())
        return max(1, fit if self._most is None else min(fit, self._most))

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Hand the task, with the results that it reads, to the cluster."""
        try:
            inputs = [self._inputs.get(need.id, lambda need=need: ray.put(self._store.read(need))) for need in needs]
        except StoreError as error:
            self._busy[ray.put(Outcome.of(error))] = task
            return
        self._busy[self._perform.remote(self._job, self._shared, task, [need.id for need in needs], *inputs)] = task

    def finished(self, timeout: float | None = None) -> Ended:
        """Wait for a task to end, not longer than `timeout` seconds: those that have, each with its outcome.

        The outcome is None where its workers or nodes died more often than Ray tries.
        """
        ended, _ = ray.wait(list(self._busy), timeout=timeout)
        return [(task, self._outcome(one, task)) for one, task in ((one, self._busy.pop(one)) for one in ended)]

    def close(self) -> None:
        """Cancel what is under way, and leave the cluster or, if it is this process's own, end it."""
        for one in getattr(self, "_busy", ()):
            ray.cancel(one, force=True)
        if self._owner:
            ray.shutdown()

    def _outcome(self, reference: Any, task: TaskSpec) -> Outcome | None:
        try:
            done: Done | Outcome = ray.get(reference)
        except RayError:
            return None
        return done.store(self._store, task) if isinstance(done, Done) else done


def _connect(address: str | None, threads: int, workers: int | None) -> None:
    """Start a cluster or join one; workers see as many threads in their environment as each task has."""
    where = f"at {address}" if address else "on this machine"
    if address and (place := PLACE.fullmatch(address)):  # Ray would end this process where nobody answers
        try:
            socket.create_connection((place["host"], int(place["port"])), timeout=ANSWER).close()
        except OSError as error:
            raise WorkersError(f"no Ray cluster {where}: {error.strerror or error}") from error
    environment = {"env_vars": dict.fromkeys(THREADS, str(threads))}
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": workers and workers * threads}
    try:
        ray.init(
            address=address,
            runtime_env=environment,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkersError(f"no Ray cluster {where}: {one_line(error)}") from error


_prepared = False


def _perform(job: Job, shared: Sequence[Any], task: TaskSpec, needs: Sequence[str], *inputs: Result) -> Done | Outcome:
    """On a worker: do a task, and give back its result or why there is none."""
    global _prepared
    if job.prepare is not None and not _prepared:
        job.prepare(ray.get(shared[0]))
        _prepared = True
    return do(job, task, dict(zip(needs, inputs, strict=True)))
