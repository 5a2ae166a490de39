"""Several processes that run the same tasks in one directory: each task is done once, also where one of them dies."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nwedge.store import Store
from nwedge.sweep.runner import run

HERE = Path(__file__).parent
SEEDS, SECONDS = 8, 0.05
KILLS = 20
SCRIPT = """
import sys
from pathlib import Path
from sweep_work import chain, execute
from nwedge._files import shared
from nwedge.store import Store
from nwedge.sweep.runner import run

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    with shared(directory, lambda first: None):
        print("begun", flush=True)
        summary = run(chain(int(sys.argv[3])), Store(directory), execute, workers=int(sys.argv[2]))
    print(len(summary.done), len(summary.kept), len(summary.failed))
"""


class Drivers:
    """Starts processes that do the tasks of `sweep_work` in one directory."""

    def __init__(self, folder: Path, seeds: int = SEEDS) -> None:
        import sweep_work

        self.tasks, self._execute, self._seeds = sweep_work.chain(seeds), sweep_work.execute, seeds
        self.folder, self.out, self._script = folder, folder / "out", folder / "script.py"
        self._script.write_text(SCRIPT)

    def start(self, workers: int = 1) -> subprocess.Popen[str]:
        command = [sys.executable, str(self._script), str(self.out), str(workers), str(self._seeds)]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
            "SWEEP_SECONDS": str(SECONDS),
        }
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def said(self, process: subprocess.Popen[str]) -> list[int]:
        """How many tasks a process that has ended did, kept, and failed at."""
        return [int(word) for word in process.communicate(timeout=120)[0].split()[1:]]

    def done(self) -> set[str]:
        return {task.id for task in self.tasks if Store(self.out).has(task)}

    def starts(self) -> list[str]:
        """The ids of the tasks, one for each time that one was begun."""
        path = self.folder / "log"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def values(self, directory: Path) -> dict[str, float]:
        return {task.id: float(Store(directory).read(task).dataset["value"]) for task in self.tasks}

    def alone(self) -> dict[str, float]:
        """The values of an undisturbed run."""
        run(self.tasks, Store(self.folder / "alone"), self._execute)
        return self.values(self.folder / "alone")


@pytest.fixture
def drivers(tmp_path, monkeypatch) -> Drivers:
    monkeypatch.setenv("SWEEP_WORK", str(tmp_path))
    monkeypatch.syspath_prepend(HERE)
    return Drivers(tmp_path)


def test_two_at_once_do_each_task_once(drivers):
    processes = [drivers.start(), drivers.start(workers=2)]
    said = [drivers.said(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(done + kept == len(drivers.tasks) for done, kept, _ in said)
    assert sum(done for done, *_ in said) == len(drivers.tasks)
    assert all(done > 0 for done, *_ in said)
    assert sorted(drivers.starts()) == sorted(task.id for task in drivers.tasks)
    assert drivers.values(drivers.out) == drivers.alone()
    assert os.listdir(drivers.out / "running") == []


def test_what_a_dead_one_leaves_the_other_does(drivers, wait_for):
    held = drivers.tasks[0]
    (drivers.folder / f"wait-{held.id}").touch()
    victim = drivers.start()
    wait_for(lambda: held.id in drivers.starts())
    other = drivers.start()
    wait_for(lambda: len(drivers.starts()) > 3)
    victim.send_signal(signal.SIGKILL)
    victim.wait(timeout=60)
    (drivers.folder / f"wait-{held.id}").unlink()
    assert drivers.said(other) == [len(drivers.tasks), 0, 0]
    starts = drivers.starts()
    assert starts.count(held.id) == 2
    assert len(starts) == len(drivers.tasks) + 1
    assert drivers.values(drivers.out) == drivers.alone()


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_random_moments_it_goes_on_and_ends_with_the_same_results(drivers, wait_for, workers):
    """Each time after some more tasks have begun: so few that, if it went on so, the last kill would find work left."""
    drivers, draws, done = Drivers(drivers.folder, seeds=24), random.Random(workers), set()
    for kills in range(KILLS, -1, -1):
        before = len(drivers.starts())
        process = drivers.start(workers)
        if kills:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            tasks, part = divmod(draws.uniform(0, (len(drivers.tasks) - len(done)) / (kills + 1)), 1)
            wait_for(lambda before=before, tasks=tasks: len(drivers.starts()) >= before + tasks)
            time.sleep(part * SECONDS)
            process.kill()
        else:
            did, kept, failed = drivers.said(process)
            assert (did + kept, failed) == (len(drivers.tasks), 0)
        assert process.wait(timeout=60) == (-signal.SIGKILL if kills else 0)
        assert not done & set(drivers.starts()[before:])
        done = drivers.done()
        assert (len(done) < len(drivers.tasks)) == (kills > 0)  # it was still going
    assert drivers.values(drivers.out) == drivers.alone()
    assert not list(drivers.out.rglob("*.tmp"))
    assert os.listdir(drivers.out / "running") == []
