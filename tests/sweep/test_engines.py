"""Worker processes: the same results as without them, whatever dies, and nothing left behind."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from nwedge._files import StoreError
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import TaskSpec
from nwedge.store import Store
from nwedge.sweep.engines import WorkerPool
from nwedge.sweep.runner import run
from nwedge.sweep.state import state
from nwedge.sweep.work import Job, WorkersError

HERE = Path(__file__).parent


class Work:
    """The tasks and the function of `sweep_work`, and the folder of files that tell it what to do."""

    def __init__(self, folder: Path, module: ModuleType) -> None:
        self.folder, self.execute, self.chain = folder, module.execute, module.chain

    def tell(self, what: str, task: TaskSpec) -> Path:
        path = self.folder / f"{what}-{task.id}"
        path.touch()
        return path

    def log(self) -> list[tuple[str, int, str, str]]:
        """Of each start of a task: its id, the process, its threads, and those of its environment."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(id, int(pid), threads, other) for id, pid, threads, other in map(str.split, lines)]


@pytest.fixture
def work(tmp_path, monkeypatch) -> Work:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("SWEEP_WORK", str(folder))
    monkeypatch.syspath_prepend(HERE)
    import sweep_work

    return Work(folder, sweep_work)


def checksums(tasks, store: Store) -> dict[str, bytes]:
    """The content of every result without its provenance."""
    results = {task.id: store.read(task) for task in tasks}
    return {id: pickle.dumps((one.dataset.to_dict(), dict(one.weights))) for id, one in results.items()}


def runs(pid: int) -> bool:
    """Whether a process is there that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_results_are_the_same_for_any_number_of_workers(tmp_path):
    from nwedge.claims._task import execute

    arguments = Replicate(claims=("no-obstacles",), landscapes=("toy-sampled", "control-horseshoe"), seeds=2)
    tasks = arguments.tasks()
    found = []
    for workers in (1, 2):
        store = Store(tmp_path / str(workers))
        summary = run(tasks, store, execute, workers=workers)
        assert len(summary.done) == len(tasks)
        found.append(checksums(tasks, store))
    assert found[0] == found[1]


def test_workers_do_the_tasks_side_by_side_with_their_threads(work, store, wait_for):
    tasks = first, second, *_ = work.chain()
    environment = dict(os.environ)
    waiting = work.tell("wait", second)

    def report(event):  # the second group ends after a claim of the first: there are no stages
        if event.kind == "done" and event.task == tasks[3]:
            waiting.unlink()

    summary = run(tasks, store, work.execute, workers=2, threads=3, report=report)
    assert sorted(summary.done) == sorted(task.id for task in tasks)
    assert summary.done[:3] == [first.id, tasks[2].id, tasks[3].id]
    pids = {pid for _, pid, *_ in work.log()}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert {tuple(threads) for _, _, *threads in work.log()} == {("3", "3")}
    assert dict(os.environ) == environment
    assert store.provenance(first)["threads"] == 3
    assert os.listdir(store.directory / "running") == []
    wait_for(lambda: not any(map(runs, pids)))


def test_a_task_that_raises_is_recorded_and_the_rest_goes_on(work, store):
    tasks = first, _, *claims = work.chain()
    work.tell("raise", first)
    summary = run(tasks, store, work.execute, workers=2)
    assert summary.failed[first.id].error == "Odd: 1 and 2"
    assert "in _obey" in summary.failed[first.id].path.read_text()
    assert summary.not_run == {claims[0].id: first.id, claims[1].id: first.id}
    assert len(summary.done) == 3


def test_a_worker_that_dies_is_replaced_and_a_task_that_kills_it_twice_has_failed(work, store):
    tasks = first, second, *claims = work.chain()
    work.tell("die", first)
    work.tell("die-always", claims[3])
    events = []
    summary = run(tasks, store, work.execute, workers=2, report=events.append)
    assert set(summary.failed) == {claims[3].id}
    assert summary.failed[claims[3].id].error.startswith("its process died 2 times")
    assert sorted(summary.done) == sorted(task.id for task in tasks if task != claims[3])
    told = [event.task for event in events if event.kind == "lost"]
    assert sorted(task.id for task in told) == sorted([first.id, claims[3].id])
    starts = [id for id, *_ in work.log()]
    assert (starts.count(first.id), starts.count(claims[3].id), starts.count(second.id)) == (2, 2, 1)
    assert os.listdir(store.directory / "running") == []
    (work.folder / f"die-always-{claims[3].id}").unlink()
    assert run(tasks, store, work.execute, workers=2).done == [claims[3].id]


def test_a_worker_that_dies_while_it_is_idle_is_replaced(work, store, wait_for):
    pool = WorkerPool(Job(store.directory, work.execute, 1, {}), 2)
    first, second, *_ = work.chain()
    try:
        pool.start(first, ())
        ((task, outcome),) = pool.finished()
        assert outcome is not None
        assert (task, outcome.error) == (first, "")
        os.kill(work.log()[0][1], signal.SIGKILL)
        wait_for(lambda: not runs(work.log()[0][1]))
        time.sleep(0.2)
        pool.start(second, ())
        ((task, outcome),) = pool.finished()
        assert outcome is not None
        assert task == second
    finally:
        pool.close()


def test_a_worker_that_dies_before_it_is_ready_takes_its_task_alone_with_it(work, store, wait_for):
    first, second, *_ = tasks = work.chain()
    waiting = work.tell("wait", first)

    def report(event):
        if event.kind == "started" and event.task == second and waiting.exists():
            wait_for(lambda: bool(work.log()))
            (work.folder / "die-unready").touch()
        if event.kind == "lost":
            assert event.task == second
            waiting.unlink()

    assert len(run(tasks, store, work.execute, workers=2, report=report).done) == len(tasks)
    assert not waiting.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_directory_that_cannot_be_written_ends_the_run(work, store, workers):
    store.directory.mkdir()
    (store.directory / "weights").write_text("")
    with pytest.raises(StoreError, match=r"^cannot write .*weights"):
        run(work.chain(), store, work.execute, workers=workers)
    assert os.listdir(store.directory / "running") == []


def test_a_function_that_workers_cannot_import_is_refused(store, work, monkeypatch):
    with pytest.raises(ValueError, match="execute must be a function of a module that they can import; got"):
        run(work.chain(), store, lambda task, inputs, *, threads: None, workers=2)
    ghost = ModuleType("ghost")
    exec("def execute(task, inputs, *, threads): ...", ghost.__dict__)
    monkeypatch.setitem(sys.modules, "ghost", ghost)
    with pytest.raises(WorkersError, match="cannot start"):
        run(work.chain(), store, ghost.execute, workers=2)
    assert os.listdir(store.directory / "running") == []


SCRIPT = """
import sys
from pathlib import Path
from sweep_work import chain, execute
from nwedge._files import shared
from nwedge.store import Store
from nwedge.sweep.runner import run

def main():
    directory = Path(sys.argv[1])
    with shared(directory, lambda first: None):
        print(len(run(chain(), Store(directory), execute, workers=2).done))

if __name__ in {names}:
    main()
"""


def script(tmp_path: Path, names: str = '("__main__",)') -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(names=names))
    return [sys.executable, str(path), str(tmp_path / "out")]


def start(command: list[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_is_ended_no_worker_stays_and_the_same_command_goes_on(tmp_path, work, number, wait_for):
    tasks, out = work.chain(), tmp_path / "out"
    others = [task for task in tasks if task != tasks[2]]
    waiting = work.tell("wait", tasks[2])  # one worker is at work, the other idle
    command = script(tmp_path)
    process = start(command)
    wait_for(lambda: state(tasks, out).done == tuple(others) and not (out / f"running/{tasks[-1].id}.json").exists())
    assert state(tasks, out).running == (tasks[2],)
    pids = {pid for _, pid, *_ in work.log()}
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGINT)  # which they do not see, so that they say nothing
    time.sleep(0.3)
    assert all(map(runs, pids))
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to all processes
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    wait_for(lambda: not any(map(runs, pids)))
    assert said.count("Traceback") == (
        number == signal.SIGINT
    )  # the parent's KeyboardInterrupt; the workers are silent
    assert state(tasks, out).running == ()
    assert state(tasks, out).done == tuple(others)
    waiting.unlink()
    said, _ = start(command).communicate(timeout=60)
    assert said == "1\n"
    assert os.listdir(out / "running") == []
    assert not list(out.rglob("*.tmp"))
    run(tasks, Store(tmp_path / "again"), work.execute)
    assert checksums(tasks, Store(out)) == checksums(tasks, Store(tmp_path / "again"))


def test_a_script_without_a_guard_starts_no_avalanche_and_is_told(tmp_path, work):
    process = start(script(tmp_path, '("__main__", "__mp_main__")'))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'must do so under `if __name__ == "__main__":`' in said.splitlines()[-1]
    assert work.log() == []
