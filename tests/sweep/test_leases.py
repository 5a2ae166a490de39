"""A task is one process's at a time, and another's once that one is dead."""

import json
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from nwedge._files import StoreError, host
from nwedge.sweep.leases import Leases

DEAD = 2**22 + 1
"""Above the largest process id of Linux."""


def note(leases, task):
    return leases.directory / "running" / f"{task.id}.json"


def rewrite(leases, task, age=0.0, **changes):
    """Change a note, and its age in seconds."""
    path = note(leases, task)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, (time.time() - age,) * 2)


def test_a_task_is_taken_once_and_again_when_it_is_dropped(make, tmp_path):
    task, one, other = make.group(), Leases(tmp_path), Leases(tmp_path)
    assert not one.worked_on(task)
    assert one.take(task)
    assert json.loads(note(one, task).read_text())["pid"] == os.getpid()
    assert other.worked_on(task)
    assert not other.take(task)
    one.drop(task)
    assert not other.worked_on(task)
    assert other.take(task)


def test_the_note_of_a_dead_process_is_replaced(make, tmp_path):
    task, one, other = make.group(), Leases(tmp_path), Leases(tmp_path)
    one.take(task)
    rewrite(one, task, pid=DEAD)
    assert not other.worked_on(task)
    assert other.take(task)
    assert json.loads(note(one, task).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("name", ["not-" + host(), host() + "0"], ids=["machine", "container"])
def test_the_note_of_another_machine_or_container_is_stale_once_it_is_not_renewed(make, tmp_path, name):
    task, one, other = make.group(), Leases(tmp_path), Leases(tmp_path)
    one.take(task)
    elsewhere = {"pid": DEAD, "host": name}
    rewrite(one, task, age=other.stale - 10, **elsewhere)
    assert other.worked_on(task)
    assert not other.take(task)
    rewrite(one, task, age=other.stale + 10, **elsewhere)
    assert not other.worked_on(task)
    assert other.take(task)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"host": host(), "pid": "x"})])
def test_a_torn_note_is_kept_until_it_is_old(make, tmp_path, content):
    task, one, other = make.group(), Leases(tmp_path), Leases(tmp_path)
    one.take(task)
    note(one, task).write_text(content)
    assert not other.take(task)
    os.utime(note(one, task), (0, 0))
    assert other.take(task)


def test_notes_are_renewed_and_taken_back_at_the_end(make, tmp_path):
    first, second = make.group(0), make.group(1)
    with Leases(tmp_path, beat=0.02) as leases:
        leases.take(first)
        leases.take(second)
        os.utime(note(leases, first), (0, 0))
        until = time.monotonic() + 30
        while note(leases, first).stat().st_mtime < 1:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert os.listdir(tmp_path / "running") == []


def test_what_dead_processes_left_is_cleared_when_one_begins(make, tmp_path):
    dead, alive = make.group(0), make.group(1)
    left, other = Leases(tmp_path), Leases(tmp_path)
    left.take(dead)
    rewrite(left, dead, pid=DEAD)
    other.take(alive)
    with Leases(tmp_path):
        assert os.listdir(tmp_path / "running") == [f"{alive.id}.json"]


def test_of_many_that_find_a_stale_note_one_gets_the_task(make, tmp_path):
    tasks = [make.group(seed) for seed in range(20)]
    dead = Leases(tmp_path)
    for task in tasks:
        dead.take(task)
        rewrite(dead, task, pid=DEAD)
    taken, ready = [], threading.Barrier(8)

    def race():
        mine = Leases(tmp_path)
        ready.wait()
        taken.extend(task.id for task in tasks if mine.take(task))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(task.id for task in tasks)


def test_a_note_that_another_process_has_replaced_is_left_alone(make, tmp_path, wait_for):
    first, second = make.group(0), make.group(1)
    with Leases(tmp_path, beat=0.02) as leases:
        for task in (first, second):
            leases.take(task)
            rewrite(leases, task, age=1000, pid=1)
        renewed = make.group(2)
        leases.take(renewed)
        os.utime(note(leases, renewed), (0, 0))
        wait_for(lambda: note(leases, renewed).stat().st_mtime > 1)
        assert time.time() - note(leases, first).stat().st_mtime > 900
        leases.drop(first)
        leases.drop(renewed)
    assert set(os.listdir(tmp_path / "running")) == {f"{first.id}.json", f"{second.id}.json"}


def test_a_full_disk_leaves_no_note(make, tmp_path):
    task, leases = make.group(), Leases(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # a file cannot grow beyond it, as on a full disk
    try:
        with pytest.raises(StoreError, match=r"^cannot write .*json: "):
            leases.take(task)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path / "running") == []
    assert leases.take(task)


def test_a_note_that_cannot_be_judged_or_replaced_is_named(make, tmp_path, monkeypatch):
    task, leases = make.group(), Leases(tmp_path)
    Leases(tmp_path).take(task)
    rewrite(leases, task, pid=DEAD)
    (tmp_path / ".turn").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*\.turn: Is a directory"):
        leases.take(task)

    rewrite(leases, task, pid=os.getpid())
    stat = Path.stat

    def gone(path, **options):
        if path == note(leases, task):
            raise OSError(116, "Stale file handle")
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", gone)
    with pytest.raises(StoreError, match=r"cannot read .*json: Stale file handle"):
        leases.take(task)


def test_a_directory_that_cannot_be_written_is_named(make, tmp_path):
    (tmp_path / "running").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*running"):
        Leases(tmp_path).take(make.group())


@pytest.mark.parametrize("where", ["nwedge.sweep.leases.json.dump", "nwedge.sweep.leases.os.fdopen"])
def test_an_interrupt_while_a_note_is_written_leaves_none(make, tmp_path, monkeypatch, where):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    task = make.group()
    monkeypatch.setattr(where, interrupted)
    with pytest.raises(KeyboardInterrupt), Leases(tmp_path) as leases:
        leases.take(task)
    assert os.listdir(tmp_path / "running") == []


def test_an_interrupt_once_a_note_is_written_leaves_none(make, tmp_path, monkeypatch):
    def interrupted(self, path):
        create(self, path)
        raise KeyboardInterrupt

    task, create = make.group(), Leases._create
    monkeypatch.setattr(Leases, "_create", interrupted)
    with pytest.raises(KeyboardInterrupt), Leases(tmp_path) as leases:
        leases.take(task)
    assert os.listdir(tmp_path / "running") == []


def test_what_is_held_is_not_taken_again(make, tmp_path):
    task, leases = make.group(), Leases(tmp_path)
    assert leases.take(task)
    assert not leases.take(task)
    leases.drop(task)
    assert leases.take(task)
