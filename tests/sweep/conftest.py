"""Small chains of tasks, and an executor that logs what it does and whose numbers depend on its inputs."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import xarray as xr

from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import OPTIMA, ClaimSpec, GroupSpec, RunRef, RunSpec, TaskSpec, TrainSpec
from nwedge.store import Result, Store

SECONDS = 90


class Tasks:
    """Makes groups and claims."""

    def group(self, seed: int = 0) -> GroupSpec:
        train = TrainSpec(optimizer="sgd", steps=1, keep=(0, 1))
        return GroupSpec(landscape=self._bowl(seed), train=train, runs=(RunSpec(lr=0.1, seed=seed, member=0),))

    def claim(self, group: GroupSpec, claim: str = "tunnels", seed: int = 0) -> ClaimSpec:
        run = group.runs[0]
        reads = (RunRef(group=group.id, row=0, role=OPTIMA, landscape=group.landscape, run=run),)
        return ClaimSpec(claim=claim, landscape=self._bowl(seed), seed=seed, config=NoObstaclesConfig(), reads=reads)

    def chain(self, seeds: int = 2) -> list[TaskSpec]:
        groups = [self.group(seed) for seed in range(seeds)]
        claims = [
            self.claim(group, claim, seed) for seed, group in enumerate(groups) for claim in ("tunnels", "two-halves")
        ]
        return [*groups, *claims]

    def _bowl(self, seed: int) -> ControlSpec:
        return ControlSpec(name="control-bowl", kind="bowl", dim=3, seed=seed)


class Executor:
    """Does a task; `fails` holds what those that fail raise, by id, `log` the ids in the order of execution."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails: dict[str, BaseException] = {}
        self.threads: set[int] = set()

    def __call__(self, task: TaskSpec, inputs: Mapping[str, Result], *, threads: int) -> Result:
        self.log.append(task.id)
        self.threads.add(threads)
        assert tuple(inputs) == task.needs
        if task.id in self.fails:
            raise self.fails[task.id]
        number = int(task.id[:6], 16)
        if isinstance(task, GroupSpec):
            return Result(xr.Dataset({"value": ((), number)}), {"points": np.full((2, 3), float(number))})
        total = sum(one.weights["points"].sum() + float(one.dataset["value"]) for one in inputs.values())
        return Result(xr.Dataset({"value": ((), number + total)}))


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    """Waits until something is so, and fails after a minute and a half."""

    def wait(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.01)

    return wait


@pytest.fixture
def make() -> Tasks:
    return Tasks()


@pytest.fixture
def execute() -> Executor:
    return Executor()


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "out")
