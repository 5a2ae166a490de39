import gc
import json
import os
import time
import weakref
from pathlib import Path

import pytest
import xarray as xr

from nwedge._files import StoreError
from nwedge.store import Result, Store
from nwedge.sweep import work
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books
from nwedge.sweep.runner import LOOK, run

DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 4]) + path.read_bytes()[1:]),
    "no NetCDF": lambda path: path.write_text("not a result"),
}


def values(tasks, store):
    return {task.id: float(store.read(task).dataset["value"]) for task in tasks}


def test_everything_is_done_once_inputs_first(make, execute, store):
    tasks = make.chain()
    events = []
    summary = run(tasks[::-1], store, execute, threads=3, report=events.append)
    assert sorted(execute.log) == sorted(task.id for task in tasks)
    for task in tasks:
        assert all(execute.log.index(need) < execute.log.index(task.id) for need in task.needs)
    assert summary.done == execute.log
    assert summary.kept == []
    assert summary.failed == summary.not_run == {}
    assert [event.kind for event in events] == ["started", "done"] * len(tasks)
    assert execute.threads == {3}
    for task in tasks:
        written = store.provenance(task)
        assert written["threads"] == 3
        assert written["device"] == "cpu"
        assert written["wall_time"] >= 0
        assert {"torch", "nwedge", "python", "platform", "commit", "finished"} <= written.keys()
    assert os.listdir(store.directory / "running") == []


def test_what_most_others_depend_on_goes_first(make, execute, store):
    lonely, common, *_ = groups = [make.group(seed) for seed in range(3)]
    claims = [make.claim(lonely), make.claim(common, "two-halves"), make.claim(common), make.claim(groups[2])]
    run([*claims, *groups], store, execute)
    assert execute.log == [common.id, lonely.id, groups[2].id, *(claim.id for claim in claims)]


def test_inputs_are_read_once_and_only_a_few_are_held(make, execute, store, monkeypatch):
    tasks = make.chain(3)
    reads = []
    original = Store.read

    def read(self, task):
        reads.append(task.id)
        return original(self, task)

    monkeypatch.setattr(Store, "read", read)
    monkeypatch.setattr(work, "HELD", 2)
    alive = []

    def watched(task, inputs, *, threads):
        groups.extend(weakref.ref(one) for one in inputs.values())
        gc.collect()
        alive.append(len({id(one()) for one in groups if one() is not None}))
        return execute(task, inputs, threads=threads)

    groups: list[weakref.ref[Result]] = []
    run(tasks, store, watched)
    assert reads == [task.id for task in tasks[:3]]  # two claims share a group
    assert alive == [0, 0, 0, 1, 1, 2, 2, 2, 2]


class Other:
    """Another process that works on a task until this one waits for it: then it does something, and drops the task."""

    def __init__(self, store, task, then, monkeypatch) -> None:
        leases, sleep = Leases(store.directory), time.sleep
        assert leases.take(task)

        def wait(seconds):
            sleep(0.05)  # which the clock of the file system sees
            if seconds == LOOK and leases.worked_on(task):
                then()
                leases.drop(task)

        monkeypatch.setattr("time.sleep", wait)


def test_a_damaged_result_is_another_process_s_while_that_sees_to_it(make, execute, store, monkeypatch):
    task = make.group()
    run([task], store, execute)
    path = store.path(task)
    whole = path.read_bytes()
    path.write_bytes(b"")

    def redo():
        assert path.read_bytes() == b""
        path.write_bytes(whole)

    Other(store, task, redo, monkeypatch)
    assert run([task], store, execute).kept == [task.id]
    assert execute.log == [task.id]


def test_a_damaged_result_that_another_process_removes_at_the_same_moment_is_no_error(
    make, execute, store, monkeypatch
):
    task, problem = make.group(), Store.problem
    run([task], store, execute)

    def late(store, task):
        store.remove(task)
        return problem(store, task)

    monkeypatch.setattr(Store, "problem", late)
    assert run([task], store, execute).done == [task.id]


def test_a_failure_of_another_process_counts_for_this_run_and_the_next_tries_again(make, execute, store, monkeypatch):
    tasks = first, second, *claims = make.chain()
    books, events = Books(store.directory), []
    Other(store, first, lambda: books.fail(first, "ValueError: burst"), monkeypatch)
    summary = run(tasks, store, execute, report=events.append)
    assert execute.log == [second.id, claims[2].id, claims[3].id]
    assert {id: failure.error for id, failure in summary.failed.items()} == {first.id: "ValueError: burst"}
    assert summary.not_run == {claims[0].id: first.id, claims[1].id: first.id}
    assert [event.text.split(" (")[0] for event in events if event.kind == "failed"] == ["ValueError: burst"]
    assert os.listdir(store.directory / "running") == []
    assert len(run(tasks, store, execute).done) == 3


def test_what_another_machine_has_just_done_is_found_where_missing_names_are_remembered(
    make, execute, store, monkeypatch
):
    """As on NFS, whose clients ask the server again when a folder is opened."""
    task = make.group()
    run([task], store, execute)
    there, aside = store.path(task), store.directory / "aside"
    there.rename(aside)
    exists, opened, take, missing = Path.exists, os.open, Leases.take, set()

    def remembered(path):
        if path not in missing and not exists(path):
            missing.add(path)
        return path not in missing

    def asking(path, *arguments):
        missing.difference_update([one for one in missing if one.parent == Path(path)])
        return opened(path, *arguments)

    def late(leases, task):
        assert there in missing
        aside.rename(there)
        return take(leases, task)

    monkeypatch.setattr(Path, "exists", remembered)
    monkeypatch.setattr(os, "open", asking)
    monkeypatch.setattr(Leases, "take", late)
    assert run([task], store, execute).kept == [task.id]
    assert execute.log == [task.id]


def test_a_rerun_repeats_nothing(make, execute, store):
    tasks = make.chain()
    run(tasks, store, execute)
    before = {path: path.stat().st_mtime_ns for path in store.directory.rglob("*.nc")}
    execute.log.clear()
    summary = run(tasks, store, execute)
    assert execute.log == []
    assert sorted(summary.kept) == sorted(task.id for task in tasks)
    assert {path: path.stat().st_mtime_ns for path in store.directory.rglob("*.nc")} == before


def test_what_is_there_serves_a_larger_plan(make, execute, store):
    tasks = make.chain(3)
    run(tasks[:1], store, execute)
    execute.log.clear()
    run(tasks, store, execute)
    assert sorted(execute.log) == sorted(task.id for task in tasks[1:])


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_named_and_computed_again(make, execute, store, damage):
    tasks = make.chain()
    run(tasks, store, execute)
    expected = values(tasks, store)
    for victim in (tasks[0], tasks[-1]):
        DAMAGE[damage](store.path(victim))
        execute.log.clear()
        events = []
        summary = run(tasks, store, execute, report=events.append)
        assert execute.log == [victim.id] == summary.done
        (told,) = [event for event in events if event.kind == "damaged"]
        assert told.task == victim
        assert str(store.path(victim)) in told.text
        assert "\n" not in told.text
        assert values(tasks, store) == expected


def test_a_result_under_the_wrong_name_or_without_its_weights_is_computed_again(make, execute, store):
    first, second, *claims = make.chain()
    tasks = [first, second, *claims]
    run(tasks, store, execute)
    expected = values(tasks, store)
    store.path(claims[0]).write_bytes(store.path(claims[1]).read_bytes())
    store.weights_path(first).unlink()
    store.weights_path(second).write_bytes(store.weights_path(second).read_bytes() + b"x")
    execute.log.clear()
    summary = run(tasks, store, execute)
    assert sorted(execute.log) == sorted([first.id, second.id, claims[0].id])
    assert len(summary.kept) == len(tasks) - 3
    assert values(tasks, store) == expected


def test_a_failure_is_recorded_and_the_rest_goes_on(make, execute, store):
    tasks = first, _, *claims = make.chain()
    execute.fails = {first.id: ArithmeticError("it [burst]\ninto two"), claims[3].id: MemoryError()}
    events = []
    summary = run(tasks, store, execute, report=events.append)
    assert set(summary.failed) == {first.id, claims[3].id}
    assert summary.not_run == {claims[0].id: first.id, claims[1].id: first.id}
    assert len(summary.done) == 2
    assert summary.failed[first.id].error == "ArithmeticError: it [burst] into two"
    record = json.loads((store.directory / "failures" / f"{first.id}.json").read_text())
    assert record["task"] == json.loads(first.to_json())
    assert "in __call__" in "".join(record["traceback"])
    texts = {event.task.id: event.text for event in events if event.text}
    assert f"{first.id}.json" in texts[first.id]
    assert texts[claims[0].id] == "because runs on control-bowl failed"
    assert os.listdir(store.directory / "running") == []
    execute.fails = {}
    execute.log.clear()
    summary = run(tasks, store, execute)
    assert not summary.failed
    assert sorted(execute.log) == sorted([first.id, *(claims[place].id for place in (0, 1, 3))])
    assert os.listdir(store.directory / "failures") == []


def test_a_result_that_cannot_be_stored_is_a_failure(make, store):
    task = make.group()
    summary = run([task], store, lambda task, inputs, *, threads: Result(xr.Dataset({"x": ((), 1j)})))
    assert "complex128" in summary.failed[task.id].error
    assert not store.has(task)


def test_an_input_damaged_during_the_run_is_a_failure_of_its_reader(make, execute, store):
    group = make.group()
    claim = make.claim(group)
    run([group], store, execute)
    weights = store.weights_path(group)

    def report(event):
        if event.kind == "started":
            weights.write_bytes(b"x")

    summary = run([group, claim], store, execute, report=report)
    assert "are damaged" in summary.failed[claim.id].error
    assert claim.id not in execute.log[1:]


def test_a_need_that_nobody_makes_is_refused(make, execute, store):
    with pytest.raises(ValueError, match="tunnels on control-bowl, seed 0 needs the task"):
        run([make.claim(make.group())], store, execute)
    assert execute.log == []


def test_a_store_that_cannot_be_written_ends_the_run(make, execute, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        run(make.chain(), Store(tmp_path / "file" / "out"), execute)
    assert execute.log == []


def test_an_interrupt_leaves_what_can_go_on(make, execute, store):
    tasks = make.chain()
    execute.fails = {tasks[-1].id: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(tasks, store, execute)
    assert os.listdir(store.directory / "running") == []
    assert not (store.directory / "failures").exists()
    execute.fails = {}
    execute.log.clear()
    run(tasks, store, execute)
    assert execute.log == [tasks[-1].id]


def test_an_interrupt_right_after_the_note_of_a_task_takes_it_back(make, execute, store, monkeypatch):
    take = Leases.take

    def interrupted(leases, task):
        take(leases, task)
        raise KeyboardInterrupt

    monkeypatch.setattr(Leases, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(make.chain(), store, execute)
    assert os.listdir(store.directory / "running") == []
