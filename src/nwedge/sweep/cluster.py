"""Tasks on a Ray cluster, which schedules them, retries them where a worker or a node dies, and moves their results."""

import functools
import logging
import re
import socket
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from nwedge.specs.landscapes import BACKENDS
from nwedge.specs.tasks import TaskSpec
from nwedge.store import Result, Store
from nwedge.sweep.engines import Ended, check_importable
from nwedge.sweep.provenance import provenance
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
            starts one on this machine, which ends with this process, or stays with that of the caller's ray.init.
        gpus: of each task, also in part.
        workers: tasks at once; None: as many as the CPUs and GPUs of the cluster can do, also when nodes join.

    Raises:
        ValueError: a function that no other process can import.
        WorkersError: the cluster cannot be reached, none of its nodes has the CPUs and GPUs that a task needs, or it
            does not take the data.
    """

    def __init__(self, job: Job, *, address: str | None = None, gpus: float = 0.0, workers: int | None = None) -> None:
        check_importable(job.execute)
        self._most, self._store = workers, Store(job.directory)
        self._wanted = {"CPU": float(job.threads), **({"GPU": gpus} if gpus else {})}
        self._owner = not ray.is_initialized()
        _connect(address, job.threads, workers)
        try:
            self._check_size()
            self._perform = ray.remote(_perform).options(num_cpus=job.threads, num_gpus=gpus, max_retries=RETRIES)
            self._shared = [ray.put(job.share)]  # in a list, so that a process fetches it when it is prepared alone
            self._job = ray.put(replace(job, share=None))
        except (TypeError, ValueError, RayError) as error:
            self.close()
            raise WorkersError(f"the Ray cluster does not take the tasks or their data: {one_line(error)}") from error
        except WorkersError:
            self.close()
            raise
        self._inputs = Recent[Any](INPUTS)
        self._busy: dict[Any, TaskSpec] = {}
        self._ended: Ended = []

    @property
    def workers(self) -> int:
        """How many tasks may be under way."""
        return max(1, self._fit() if self._most is None else min(self._fit(), self._most))

    def start(self, task: TaskSpec, needs: Sequence[TaskSpec]) -> None:
        """Hand the task, with the results that it reads, to the cluster."""
        try:
            inputs = [self._inputs.get(need.id, lambda need=need: ray.put(self._store.read(need))) for need in needs]
            begun = self._perform.remote(self._job, self._shared, task, [need.id for need in needs], *inputs)
        except Exception as error:  # a result that cannot be read, or for which the object store has no room
            self._ended.append((task, Outcome.of(error)))
        else:
            self._busy[begun] = task

    def finished(self, timeout: float | None = None) -> Ended:
        """Wait for a task to end, not longer than `timeout` seconds: those that have, each with its outcome."""
        if self._ended:
            ended, self._ended = self._ended, []
            return ended
        over, _ = ray.wait(list(self._busy), timeout=timeout)
        return [(task, self._outcome(one, task)) for one, task in ((one, self._busy.pop(one)) for one in over)]

    def close(self) -> None:
        """Cancel what is under way, and leave the cluster or, if it is this process's own, end it."""
        for one in getattr(self, "_busy", ()):
            ray.cancel(one, force=True)
        if self._owner:
            ray.shutdown()

    def _outcome(self, reference: Any, task: TaskSpec) -> Outcome:
        try:
            done: Done | Outcome = ray.get(reference)
        except RayTaskError as error:  # before the task itself: a module is missing there, or the data do not arrive
            return Outcome(error=one_line(error.cause), trace=[str(error)])
        except RayError as error:  # its workers or nodes died more often than Ray tries
            return Outcome.of(error)
        return done.store(self._store, task) if isinstance(done, Done) else done

    def _fit(self) -> int:
        """How many tasks the nodes that are there can do at once; none of them is spread over several nodes."""
        return sum(min(int(node.get(name, 0.0) / amount) for name, amount in self._wanted.items()) for node in _nodes())

    def _check_size(self) -> None:
        """Refuse a cluster (WorkersError) on no node of which a task fits, unless it has none for tasks yet."""
        if self._fit():
            return
        nodes = _nodes()
        if not any(node.get("CPU") for node in nodes):
            warnings.warn("the Ray cluster has no CPUs yet: tasks wait for nodes that join it", stacklevel=4)
            return
        wanted = " and ".join(f"{amount:g} {name}s" for name, amount in self._wanted.items())
        there = "; ".join(
            sorted({", ".join(f"{node.get(name, 0.0):g} {name}s" for name in self._wanted) for node in nodes})
        )
        raise WorkersError(f"a task needs {wanted}, and no node of the Ray cluster has them ({there}): ask for fewer")


def _nodes() -> list[dict[str, float]]:
    """What each node that is there has, by name."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _connect(address: str | None, threads: int, workers: int | None) -> None:
    """Start a cluster or join one, unless the caller has; workers see each task's threads in their environment."""
    if ray.is_initialized():
        if address is not None:
            raise WorkersError(
                "this process is already connected to Ray: leave out the address, or ray.shutdown() first"
            )
        return
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
            address=address or "local",
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkersError(f"no Ray cluster {where}: {one_line(error)}") from error


_prepared = ""
"""What this worker was last prepared with, by its name in the object store."""


def _perform(job: Job, shared: Sequence[Any], task: TaskSpec, needs: Sequence[str], *inputs: Result) -> Done | Outcome:
    """On a worker: do a task, and give back its result or why there is none."""
    global _prepared
    if job.prepare is not None and _prepared != shared[0].hex():
        job.prepare(ray.get(shared[0]))
        _prepared = shared[0].hex()
    here = _provenance(job.threads, tuple(name for name in BACKENDS if name in job.provenance))
    return do(replace(job, provenance=here), task, dict(zip(needs, inputs, strict=True)))


_provenance = functools.cache(provenance)
