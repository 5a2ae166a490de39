import json
from collections import Counter

import pytest

from nwedge.sweep.ledger import JOURNAL, Books, Durations, describe, duration, kind_of


def kinds(*tasks) -> Counter:
    return Counter(map(kind_of, tasks))


@pytest.fixture
def books(tmp_path) -> Books:
    return Books(tmp_path)


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
    assert durations.left(kinds(tunnels)) is None
    durations.add("runs", "network", 1.0)
    assert durations.left(kinds(tunnels, group)) == 2.0
    durations.add("tunnels", "network", 9.0)
    assert durations.left(kinds(tunnels)) == 9.0
    assert durations.left(kinds(halves)) == 5.0
    durations.add("tunnels", "control-bowl", 3.0)
    durations.add("tunnels", "control-bowl", 4.0)
    assert durations.left(kinds(tunnels)) == 3.5
    assert durations.left(kinds()) == 0
    assert durations.left(kinds(tunnels, tunnels, tunnels), workers=2) == 5.25


def test_the_journal_outlives_torn_lines(make, books):
    task = make.group()
    books.finish(task, 2.0)
    with (books.directory / JOURNAL).open("ab") as file:
        file.write(b'{"id": "a", "fol\xff\n[]\n3\n{}\n')
    books.finish(task, 4.0)
    first, second = books.journal()
    assert (first.folder, first.landscape, first.seconds) == ("runs", "control-bowl", 2.0)
    assert second.finished.tzinfo is not None
    assert Durations.of(books.journal()).left(kinds(task, task)) == 6.0


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
