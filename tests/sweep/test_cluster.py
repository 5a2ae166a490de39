"""A Ray cluster of a head and two nodes: the same results as without it, whatever node is lost."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from nwedge.store import Result, Store
from nwedge.sweep import runner
from nwedge.sweep.runner import run
from nwedge.sweep.work import Job, WorkersError

pytest.importorskip("ray")
HERE = Path(__file__).parent

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402
from ray.exceptions import ObjectStoreFullError  # noqa: E402

from nwedge.sweep.cluster import RETRIES, RayCluster  # noqa: E402


class Nodes:
    """A cluster whose head has no CPU and whose two nodes have one, and the folder that tells tasks what to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}, shutdown_at_exit=False
        )
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.cluster.wait_for_nodes()

    def engine(self, job) -> RayCluster:
        return RayCluster(job, address=self.cluster.address)

    def log(self) -> list[str]:
        """The ids of the tasks, one for each time that one was started."""
        path = self.folder / "log"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("SWEEP_WORK", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path]))
    monkeypatch.syspath_prepend(HERE)
    found = Nodes(folder)
    yield found
    ray.shutdown()
    found.cluster.shutdown()


def values(tasks, store: Store) -> dict[str, float]:
    return {task.id: float(store.read(task).dataset["value"]) for task in tasks}


def test_results_are_those_of_this_process_and_failures_are_recorded(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep_work

    tasks = sweep_work.chain(3)
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    run(tasks, here, sweep_work.execute)
    before = len(nodes.log())
    monkeypatch.setattr(
        runner, "provenance", lambda threads, backends: {"torch": "the driver's", "jax": "the driver's"}
    )
    summary = run(tasks, there, sweep_work.execute, engine=nodes.engine)
    assert sorted(summary.done) == sorted(task.id for task in tasks)
    assert values(tasks, there) == values(tasks, here)
    assert sorted(nodes.log()[before:]) == sorted(task.id for task in tasks)
    found = there.provenance(tasks[0])
    assert (found["torch"], found["jax"]) == (version("torch"), version("jax"))  # of the node, and of the same things
    assert found["machine"]
    for task in tasks[:3]:
        np.testing.assert_array_equal(there.read(task).weights["points"], here.read(task).weights["points"])

    (nodes.folder / f"raise-{tasks[0].id}").touch()
    failing = Store(tmp_path / "failing")
    summary = run(tasks, failing, sweep_work.execute, engine=nodes.engine)
    assert summary.failed[tasks[0].id].error == "Odd: 1 and 2"
    assert "in _obey" in summary.failed[tasks[0].id].path.read_text()
    assert set(summary.not_run) == {task.id for task in tasks if tasks[0].id in task.needs}
    assert len(summary.done) == len(tasks) - 3

    (nodes.folder / f"raise-{tasks[0].id}").unlink()
    put = ray.put
    monkeypatch.setattr(ray, "put", lambda value: full() if isinstance(value, Result) else put(value))
    summary = run(tasks, Store(tmp_path / "full"), sweep_work.execute, engine=nodes.engine)
    assert sorted(summary.done) == sorted(task.id for task in tasks[:3])
    assert len(summary.failed) == len(tasks) - 3
    assert all(one.error.startswith("ObjectStoreFullError: no room") for one in summary.failed.values())


def full() -> None:
    raise ObjectStoreFullError("no room")


def test_a_node_that_is_lost_loses_no_task(nodes: Nodes, tmp_path: Path, wait_for) -> None:
    import sweep_work

    tasks, store = sweep_work.chain(4), Store(tmp_path / "out")
    for task in tasks[:2]:  # one on each node, until one of them is gone
        (nodes.folder / f"wait-{task.id}").touch()

    def lose() -> None:
        wait_for(lambda: len(nodes.log()) == 2)
        nodes.cluster.remove_node(nodes.nodes[0], allow_graceful=False)
        for path in nodes.folder.glob("wait-*"):
            path.unlink()

    losing = threading.Thread(target=lose)
    losing.start()
    summary = run(tasks, store, sweep_work.execute, engine=nodes.engine)
    losing.join()
    assert len(nodes.log()) == len(tasks) + 1  # the one whose node was lost began once more
    assert sorted(summary.done) == sorted(task.id for task in tasks)
    assert not summary.failed
    here = Store(tmp_path / "here")
    run(tasks, here, sweep_work.execute)
    assert values(tasks, store) == values(tasks, here)


def test_what_all_tasks_read_travels_to_the_nodes(nodes: Nodes, tmp_path: Path) -> None:
    import sweep_work

    tasks, store = sweep_work.chain(1), Store(tmp_path / "out")
    given = {"array": np.arange(3.0)}
    run(tasks, store, sweep_work.execute, engine=nodes.engine, prepare=sweep_work.prepare, share=given)
    (line,) = set((nodes.folder / "prepared").read_text().splitlines())
    assert line == "[0. 1. 2.]"

    ray.init(address=nodes.cluster.address, log_to_driver=False)
    for number in (1, 2):  # in the same workers, since the connection stays
        share = {"array": np.full(2, number)}
        store = Store(tmp_path / str(number))
        run(tasks, store, sweep_work.execute, engine=RayCluster, prepare=sweep_work.prepare, share=share)
    assert {"[1 1]", "[2 2]"} <= set((nodes.folder / "prepared").read_text().splitlines())
    with pytest.raises(WorkersError, match="this process is already connected to Ray"):
        run(tasks, Store(tmp_path / "other"), sweep_work.execute, engine=nodes.engine)


def test_why_a_task_failed_is_told_as_ray_tells_it(nodes: Nodes, tmp_path: Path) -> None:
    import sweep_work

    tasks = sweep_work.chain(2)
    before = Store(tmp_path / "before")
    summary = run(tasks, before, sweep_work.execute, engine=nodes.engine, prepare=sweep_work.refuse)
    assert set(summary.failed) == {task.id for task in tasks[:2]}
    for failure in summary.failed.values():
        assert failure.error == "LookupError: no data came"
        assert "in refuse" in failure.path.read_text()
    assert nodes.log() == []

    (nodes.folder / f"die-always-{tasks[0].id}").touch()
    summary = run(tasks, Store(tmp_path / "dies"), sweep_work.execute, engine=nodes.engine)
    assert summary.failed[tasks[0].id].error.startswith("WorkerCrashedError: ")
    assert nodes.log().count(tasks[0].id) == 1 + RETRIES
    assert len(summary.done) == len(tasks) / 2


def test_a_cluster_that_cannot_be_had_is_one_sentence(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep_work

    tasks, store = sweep_work.chain(1), Store(tmp_path / "out")

    def engine(gpus: float) -> Callable[[Job], RayCluster]:
        return lambda job: RayCluster(job, address=nodes.cluster.address, gpus=gpus)

    for gpus, threads, words in (
        (
            1.0,
            1,
            r"needs 1 CPUs and 1 GPUs, and no node of .* has them \(0 CPUs, 0 GPUs; 1 CPUs, 0 GPUs\): ask for fewer",
        ),
        (0.0, 2, r"needs 2 CPUs, and no node of the Ray cluster has them \(0 CPUs; 1 CPUs\)"),
    ):
        with pytest.raises(WorkersError, match=words):
            run(tasks, store, sweep_work.execute, threads=threads, engine=engine(gpus))
        assert not ray.is_initialized()
    with monkeypatch.context() as patched:
        big = {"Alive": True, "Resources": {"CPU": 5.0, "GPU": 2.0}}
        patched.setattr(ray, "nodes", lambda: [big, big | {"Alive": False}])
        with pytest.raises(WorkersError, match=r"does not take the tasks or their data: ValueError: .*0\.0001"):
            run(tasks, store, sweep_work.execute, engine=engine(0.00001))
        patched.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"memory": 5.0}}])
        with pytest.warns(UserWarning, match="no CPUs yet: tasks wait for nodes that join it"):
            run(tasks[:1], store, sweep_work.execute, engine=engine(0.0))
    with pytest.raises(WorkersError, match=r"no Ray cluster at 127.0.0.1:1"):
        run(tasks, store, sweep_work.execute, engine=lambda job: RayCluster(job, address="127.0.0.1:1"))
