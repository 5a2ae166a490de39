"""How long a plan takes on any number of workers, by an event simulation of the runner's own order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.runner import ranks


@dataclass(frozen=True)
class Schedule:
    """When each task runs.

    Attributes:
        workers: that do the tasks.
        starts: seconds from the beginning, by task id, in the order of starting.
        ends: the same, in the same order.
    """

    workers: int
    starts: Mapping[str, float]
    ends: Mapping[str, float]

    @property
    def wall(self) -> float:
        """Seconds until the last task ends."""
        return max(self.ends.values(), default=0.0)

    @property
    def work(self) -> float:
        """Seconds of all tasks together."""
        return sum(self.ends[id] - self.starts[id] for id in self.ends)

    @property
    def utilisation(self) -> float:
        """The share of the workers' time in which they work; 1 where there is nothing to be done."""
        return self.work / (self.workers * self.wall) if self.wall else 1.0


def schedule(tasks: Sequence[TaskSpec], seconds: Mapping[str, float], workers: int) -> Schedule:
    """The list schedule: a free worker takes, of the tasks whose inputs exist, the one that `nwedge replicate` would.

    Args:
        tasks: in the order of the plan, with all the tasks that they need.
        seconds: that each task takes, by id.
        workers: at least 1.
    """
    order = ranks({task.id: task for task in tasks})
    sorter = TopologicalSorter({task.id: task.needs for task in tasks})
    sorter.prepare()
    ready: list[tuple[tuple[int, int], str]] = []
    running: list[tuple[float, str]] = []
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    now = 0.0
    while sorter.is_active():
        for id in sorter.get_ready():
            heappush(ready, (order[id], id))
        if ready and len(running) < workers:
            id = heappop(ready)[1]
            starts[id], ends[id] = now, now + seconds[id]
            heappush(running, (ends[id], id))
        else:
            now, id = heappop(running)
            sorter.done(id)
    return Schedule(workers, starts, ends)


def critical_path(tasks: Sequence[TaskSpec], seconds: Mapping[str, float]) -> list[TaskSpec]:
    """The chain of tasks, each an input of the next, that takes longest: no number of workers is faster.

    Args:
        tasks: with all the tasks that they need.
        seconds: that each task takes, by id.
    """
    by_id = {task.id: task for task in tasks}
    until: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for id in TopologicalSorter({task.id: task.needs for task in tasks}).static_order():
        latest = max(by_id[id].needs, key=until.__getitem__, default=None)
        before[id] = latest
        until[id] = seconds[id] + (until[latest] if latest else 0.0)
    path: list[TaskSpec] = []
    at = max(until, key=until.__getitem__, default=None)
    while at is not None:
        path.insert(0, by_id[at])
        at = before[at]
    return path
