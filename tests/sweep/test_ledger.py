import json
import os
import socket

import pytest

from nwedge.sweep.ledger import JOURNAL, Books, Durations, describe, duration, state
from nwedge.sweep.runner import run


@pytest.fixture
def books(tmp_path) -> Books:
    return Books(tmp_path)


def test_running_means_that_its_process_is_alive(make, books):
    task = make.group()
    assert not books.runs(task)
    books.start(task)
    assert books.runs(task)
    (note,) = (books.directory / "running").iterdir()
    kept = json.loads(note.read_text())
    assert kept["pid"] == os.getpid()
    note.write_text(json.dumps(kept | {"pid": 2**22 + 1}))  # above the largest process id of Linux
    assert not books.runs(task)
    note.write_text(json.dumps(kept | {"pid": 2**22 + 1, "host": "not-" + socket.gethostname()}))
    assert books.runs(task)
    note.write_text("{")
    assert not books.runs(task)
    books.start(task)
    books.stop(task)
    assert not books.runs(task)


def test_a_failure_is_kept_until_the_task_succeeds(make, books):
    task = make.group()
    assert books.failure(task) is None
    failure = books.fail(task, "ValueError: no", ["Traceback\n", "ValueError: no\n"])
    assert books.failure(task) == failure
    assert failure.error == "ValueError: no"
    record = json.loads(failure.path.read_text())
    assert record["traceback"] == ["Traceback\n", "ValueError: no\n"]
    assert record["task"] == json.loads(task.to_json())
    failure.path.write_text("{")
    damaged = books.failure(task)
    assert damaged is not None
    assert damaged.error == "its record is damaged"
    books.finish(task, 1.0)
    assert books.failure(task) is None


def test_durations_are_of_the_folder_on_the_landscape_then_of_the_folder_then_of_all(make):
    group = make.group()
    tunnels, halves = make.claim(group), make.claim(group, "two-halves")
    durations = Durations()
    assert durations.of([tunnels]) is None
    durations.add("runs", "network", 1.0)
    assert durations.of([tunnels, group]) == 2.0
    durations.add("tunnels", "network", 9.0)
    assert durations.of([tunnels]) == 9.0
    assert durations.of([halves]) == 5.0
    durations.add("tunnels", "control-bowl", 3.0)
    durations.add("tunnels", "control-bowl", 4.0)
    assert durations.of([tunnels]) == 3.5
    assert durations.of([]) == 0
    assert durations.of([tunnels, tunnels, tunnels], workers=2) == 5.25


def test_the_journal_outlives_torn_lines(make, books):
    task = make.group()
    books.finish(task, 2.0)
    with (books.directory / JOURNAL).open("ab") as file:
        file.write(b'{"id": "a", "fol\xff\n[]\n3\n{}\n')
    books.finish(task, 4.0)
    assert books.durations().of([task, task]) == 6.0


def test_where_each_task_stands(make, execute, store):
    first, second, *claims = tasks = make.chain()
    execute.fails = {first.id: ValueError(), claims[2].id: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(tasks, store, execute)
    Books(store.directory).start(claims[3])
    found = state(tasks, store.directory)
    assert found.done == (second,)
    assert found.failed == (first,)
    assert found.running == (claims[3],)
    assert found.missing == tuple(claims[:3])


def test_words(make):
    group = make.group()
    assert describe(group) == "runs on control-bowl"
    assert describe(make.claim(group, seed=4)) == "tunnels on control-bowl, seed 4"
    assert [duration(seconds) for seconds in (0.2, 99.0, 100.0, 3600.0, 6000.0, 9000.0)] == [
        "0 s",
        "99 s",
        "2 min",
        "60 min",
        "1 h 40 min",
        "2 h 30 min",
    ]
