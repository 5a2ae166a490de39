"""A task is one process's at a time, and another's once that one is dead."""

import json
import os
import socket
import threading
import time

import pytest

from nwedge._files import StoreError
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


def test_the_note_of_another_machine_is_stale_once_it_is_not_renewed(make, tmp_path):
    task, one, other = make.group(), Leases(tmp_path), Leases(tmp_path)
    one.take(task)
    elsewhere = {"pid": DEAD, "host": "not-" + socket.gethostname()}
    rewrite(one, task, age=other.stale - 10, **elsewhere)
    assert other.worked_on(task)
    assert not other.take(task)
    rewrite(one, task, age=other.stale + 10, **elsewhere)
    assert not other.worked_on(task)
    assert other.take(task)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
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


def test_a_directory_that_cannot_be_written_is_named(make, tmp_path):
    (tmp_path / "running").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*running"):
        Leases(tmp_path).take(make.group())
