import io

import pytest
from rich.console import Console

from nwedge.sweep.leases import Leases
from nwedge.sweep.runner import run
from nwedge.sweep.state import state
from nwedge.sweep.status import watch


def test_where_each_task_stands(make, execute, store):
    first, second, *claims = tasks = make.chain()
    execute.fails = {first.id: ValueError(), claims[2].id: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(tasks, store, execute)
    with Leases(store.directory) as leases:
        leases.take(claims[3])
        found = state(tasks, store.directory)
    assert found.done == (second,)
    assert found.failed == (first,)
    assert found.running == (claims[3],)
    assert found.not_run == tuple(claims[:2])
    assert found.missing == (claims[2],)
    assert state(tasks, store.directory).running == ()


def test_a_watch_ends_where_the_rest_hangs_on_a_failure(make, execute, store, monkeypatch):
    first, *_ = tasks = make.chain()
    execute.fails = {first.id: ValueError("no")}
    summary = run(tasks, store, execute)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("looked again"))
    page = io.StringIO()
    watch(tasks[::-1], store.directory, Console(file=page, width=100))
    text = " ".join(page.getvalue().split())
    assert "all │ 3 │ 0 │ 1 │ 2 │ 0" in text
    assert "3 of 6 tasks are left" in text
    assert {task.id for task in state(tasks, store.directory).not_run} == set(summary.not_run)
