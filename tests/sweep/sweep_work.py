"""Work that processes can import: tasks, and a function that does them as files in the folder $SWEEP_WORK say.

A file "die-ID" kills the process that does the task and is gone then, "die-always-ID" stays; "raise-ID" makes it raise;
"wait-ID" makes it wait until the file is gone. Each task takes $SWEEP_SECONDS. Each start of a task is logged with its
process and its threads. A file "die-unready" kills the next process that imports this module to do tasks, and is gone.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import OPTIMA, ClaimSpec, GroupSpec, RunRef, RunSpec, TaskSpec, TrainSpec
from nwedge.store import Result

CLAIMS = ("tunnels", "two-halves")
SECONDS = 60


class Odd(Exception):
    """An exception that does not survive a journey between processes."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def chain(seeds: int = 2) -> list[TaskSpec]:
    """Groups and after them two claims on each."""
    groups, claims = [], []
    for seed in range(seeds):
        bowl = ControlSpec(name="control-bowl", kind="bowl", dim=3, seed=seed)
        run = RunSpec(lr=0.1, seed=seed, member=0)
        group = GroupSpec(landscape=bowl, train=TrainSpec(optimizer="sgd", steps=1, keep=(0, 1)), runs=(run,))
        ref = RunRef(group=group.id, row=0, role=OPTIMA, landscape=bowl, run=run)
        groups.append(group)
        claims += [
            ClaimSpec(claim=claim, landscape=bowl, seed=seed, config=NoObstaclesConfig(), reads=(ref,))
            for claim in CLAIMS
        ]
    return [*groups, *claims]


def execute(task: TaskSpec, inputs: Mapping[str, Result], *, threads: int) -> Result:
    """The number of a task plus those of its inputs."""
    folder = Path(os.environ["SWEEP_WORK"])
    with (folder / "log").open("a") as file:
        file.write(f"{task.id} {os.getpid()} {threads} {os.environ.get('OMP_NUM_THREADS')}\n")
    _obey(folder, task)
    time.sleep(float(os.environ.get("SWEEP_SECONDS", "0")))
    number = int(task.id[:6], 16)
    total = number + sum(one.weights["points"].sum() for one in inputs.values())
    return Result(xr.Dataset({"value": ((), total)}), {} if inputs else {"points": np.full((2, 3), float(number))})


def _obey(folder: Path, task: TaskSpec) -> None:
    until = time.monotonic() + SECONDS
    while (folder / f"wait-{task.id}").exists():
        if time.monotonic() > until:
            raise TimeoutError("nobody removed the file")
        time.sleep(0.01)
    if (folder / f"raise-{task.id}").exists():
        raise Odd(1, 2)
    once = folder / f"die-{task.id}"
    if once.exists() or (folder / f"die-always-{task.id}").exists():
        once.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)


def refuse(share: object) -> None:
    """Raise."""
    raise LookupError("no data came")


def prepare(share: Mapping[str, np.ndarray]) -> None:
    """Note what came to this process."""
    with (Path(os.environ["SWEEP_WORK"]) / "prepared").open("a") as file:
        file.write(f"{share['array']}\n")


if multiprocessing.current_process().name != "MainProcess":
    unready = Path(os.environ["SWEEP_WORK"]) / "die-unready"
    if unready.exists():
        unready.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
