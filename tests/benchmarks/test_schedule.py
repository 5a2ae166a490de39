import itertools
import random
from heapq import heappop, heappush

import pytest
from benchmarks.schedule import critical_path, schedule

from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import ClaimSpec
from nwedge.store import Store
from nwedge.sweep.runner import run
from nwedge.sweep.work import Outcome

SEEDS = range(8)
MANY = 100
"""More workers than tasks."""


def task(number, needs=()):
    bowl = ControlSpec(name="control-bowl", kind="bowl", dim=3)
    return ClaimSpec(
        claim="tunnels", landscape=bowl, seed=number, config=NoObstaclesConfig(), reads=(), sheets=tuple(needs)
    )


def plan(seed, count=30):
    """Tasks that need some of those before them, and their seconds."""
    draw = random.Random(seed)
    tasks = []
    for number in range(count):
        before = draw.sample(tasks, min(len(tasks), draw.choice((0, 0, 1, 3))))
        tasks.append(task(number, [one.id for one in before]))
    return tasks, {one.id: draw.uniform(0.5, 10) for one in tasks}


def longest(tasks, seconds):
    """The seconds of the critical path, by a recursion over all chains."""
    by_id = {one.id: one for one in tasks}

    def until(id):
        return seconds[id] + max(map(until, by_id[id].needs), default=0)

    return max(map(until, by_id))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_worker_takes_the_sum_and_works_all_the_time(seed):
    tasks, seconds = plan(seed)
    found = schedule(tasks, seconds, 1)
    assert found.wall == pytest.approx(sum(seconds.values()))
    assert found.work == pytest.approx(sum(seconds.values()))
    assert found.utilisation == pytest.approx(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_workers_than_tasks_take_the_critical_path(seed):
    tasks, seconds = plan(seed)
    assert schedule(tasks, seconds, MANY).wall == pytest.approx(longest(tasks, seconds))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_critical_path_is_a_chain_of_inputs_and_the_longest(seed):
    tasks, seconds = plan(seed)
    path = critical_path(tasks, seconds)
    assert all(before.id in after.needs for before, after in itertools.pairwise(path))
    assert sum(seconds[one.id] for one in path) == pytest.approx(longest(tasks, seconds))


@pytest.mark.parametrize("workers", [1, 2, 3, 8, MANY])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_schedule_beats_its_bounds_and_none_is_worse_than_any_list_schedule_may_be(seed, workers):
    tasks, seconds = plan(seed)
    work, path = sum(seconds.values()), longest(tasks, seconds)
    wall = schedule(tasks, seconds, workers).wall
    assert wall >= max(work / workers, path) * (1 - 1e-9)
    assert wall <= (work / workers + path * (workers - 1) / workers) * (1 + 1e-9)  # Graham 1969


@pytest.mark.parametrize("workers", [1, 2, 3, 8, MANY])
@pytest.mark.parametrize("seed", SEEDS)
def test_tasks_wait_for_their_inputs_and_for_a_free_worker(seed, workers):
    tasks, seconds = plan(seed)
    found = schedule(tasks, seconds, workers)
    assert set(found.starts) == set(found.ends) == {one.id for one in tasks}
    for one in tasks:
        assert found.ends[one.id] == found.starts[one.id] + seconds[one.id]
        assert all(found.ends[need] <= found.starts[one.id] for need in one.needs)
    for start in found.starts.values():
        at_work = sum(found.starts[id] <= start < found.ends[id] for id in found.starts)
        assert at_work <= workers


class Simulated:
    """An engine whose tasks take given seconds of a clock of its own."""

    def __init__(self, seconds, workers):
        self.seconds, self.workers = seconds, workers
        self.now, self.started, self._running = 0.0, [], []

    def start(self, task, needs):
        self.started.append(task.id)
        heappush(self._running, (self.now + self.seconds[task.id], task.id, task))

    def finished(self, timeout=None):
        self.now, id, task = heappop(self._running)
        return [(task, Outcome(self.seconds[id]))]

    def close(self):
        pass


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_the_runner_itself_starts_the_same_tasks_in_the_same_order(seed, workers, tmp_path):
    tasks, seconds = plan(seed)
    engine = Simulated(seconds, workers)
    run(tasks, Store(tmp_path / "out"), print, engine=lambda job: engine)
    found = schedule(tasks, seconds, workers)
    assert engine.started == list(found.starts)
    assert engine.now == pytest.approx(found.wall)


def test_nothing_to_do_takes_no_time():
    found = schedule([], {}, 2)
    assert (found.wall, found.work, found.utilisation) == (0.0, 0.0, 1.0)
    assert critical_path([], {}) == []
