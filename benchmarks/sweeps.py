"""What a task costs beyond its work: scheduling, the note that it runs, its result on disk, and reading it later.

Run it alone for the full number of tasks: `python -m benchmarks.sweeps --tasks 10000`.
"""

import argparse
import functools
import importlib.util
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import xarray as xr
from rich.console import Console

from benchmarks.timing import Goal, Timing
from nwedge.plan import Plan
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import ClaimSpec, TaskSpec
from nwedge.store import Result, Store
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books, Durations
from nwedge.sweep.progress import Display
from nwedge.sweep.runner import Event, run
from nwedge.sweep.status import show

TASKS, RUNNING = 1000, 64
LOCAL, RAY, KEPT, STATUS = 0.015, 0.025, 0.005, 2.0
"""The most seconds that a task may cost here, on a Ray cluster, and once it is done; and that `status` may take."""


def tasks(count: int) -> list[ClaimSpec]:
    """Tasks that differ in their seed alone."""
    bowl = ControlSpec(name="control-bowl", kind="bowl", dim=3)
    return [
        ClaimSpec(claim="tunnels", landscape=bowl, seed=seed, config=NoObstaclesConfig(), reads=())
        for seed in range(count)
    ]


def tiny(task: TaskSpec, inputs: Mapping[str, Result], *, threads: int) -> Result:
    """A number, at once."""
    return Result(xr.Dataset({"value": ((), 1.0)}))


def timings(count: int = TASKS) -> Iterator[Timing]:
    """A task in this process, in two workers, and on a Ray cluster of two CPUs, without their start.

    Then what is paid for results that are there: to verify them at the next start, and `status`.
    """
    plan = tasks(count)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        yield _timing("in this process", plan, LOCAL, directory, workers=1)
        seconds = _seconds(lambda: run(plan, Store(directory), tiny)) / count
        yield Timing(f"a kept result of {count:,}", seconds, goal=Goal(seconds=KEPT))
        yield _status(plan, directory)
    with tempfile.TemporaryDirectory() as name:
        yield _timing("in two workers", plan, LOCAL, Path(name), workers=2)
    if importlib.util.find_spec("ray") is not None:
        from nwedge.sweep.cluster import RayCluster

        with tempfile.TemporaryDirectory() as name:
            yield _timing("on Ray", plan, RAY, Path(name), engine=functools.partial(RayCluster, workers=2))


def _timing(where: str, plan: Sequence[ClaimSpec], most: float, directory: Path, **how: object) -> Timing:
    """The seconds a task between the first and the last that ends."""
    ends: list[float] = []

    display = Display(plan, Durations(), Console(file=io.StringIO()))

    def note(event: Event) -> None:
        display(event)
        if event.kind == "done":
            ends.append(time.perf_counter())

    run(plan, Store(directory), tiny, report=note, **how)  # pyright: ignore[reportArgumentType]
    name = f"a tiny task of {len(plan):,}, {where}"
    return Timing(name, (ends[-1] - ends[0]) / (len(ends) - 1), goal=Goal(seconds=most))


def _status(plan: Sequence[ClaimSpec], directory: Path) -> Timing:
    """Reading the plan, the journal and the records, where every other task is undone: one failed, some run."""
    Plan("replicate", {}, tuple(plan)).write(directory)
    undone = plan[::2]
    for task in undone:
        Store(directory).remove(task)
    Books(directory).fail(undone[0], "ValueError: no")
    with Leases(directory) as leases:
        for task in undone[1 : 1 + RUNNING]:
            leases.take(task)
        seconds = _seconds(lambda: show(Plan.read(directory).tasks, directory, Console(file=io.StringIO())))
    return Timing(f"status of {len(plan):,} tasks", seconds, goal=Goal(seconds=STATUS))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    for timing in timings(parser.parse_args().tasks):
        met = ", ".join(f"{goal}: {'met' if met else 'missed'}" for goal, met in timing.met().items())
        print(f"{timing.work}: {timing.this * 1e3:.2f} ms ({met})")


if __name__ == "__main__":
    main()
