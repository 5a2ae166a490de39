import io

import pytest
from rich.console import Console

from nwedge.sweep.ledger import Durations
from nwedge.sweep.progress import Display
from nwedge.sweep.runner import Event, run


def shown(make, execute, store, *, terminal: bool) -> str:
    tasks = make.chain()
    execute.fails = {tasks[-1].id: ValueError("a [red]b[/red]")}
    page = io.StringIO()
    with Display(tasks, Durations(), Console(file=page, force_terminal=terminal, width=200)) as display:
        run(tasks, store, execute, report=display)
    return page.getvalue()


def test_plain_lines_where_there_is_no_terminal(make, execute, store):
    lines = shown(make, execute, store, terminal=False).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("[1/6] runs on control-bowl: 0.0 s, about ")
    assert lines[0].endswith(" s left")
    assert lines[5].startswith("failed: two-halves on control-bowl, seed 1: ValueError: a [red]b[/red] (")
    assert "\x1b" not in "".join(lines)


def test_a_bar_on_a_terminal(make, execute, store):
    text = shown(make, execute, store, terminal=True)
    assert "\x1b[" in text
    assert "6/6" in text
    assert "failed: two-halves" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_kept_tasks_count_as_done(make, execute, store, terminal):
    shown(make, execute, store, terminal=terminal)
    text = shown(make, execute, store, terminal=terminal)
    assert "failed: two-halves" in text
    if terminal:
        assert "6/6" in text
    else:
        assert len(text.splitlines()) == 1


def test_tasks_side_by_side_share_the_time_that_is_left(make):
    tasks = make.chain()
    durations, page = Durations(), io.StringIO()
    for task in tasks:
        durations.add(task.folder, task.landscape.name, 40.0)
    with Display(tasks, durations, Console(file=page), workers=2) as display:
        for kind in ("started", "lost", "started", "done"):
            display(Event(kind, tasks[0], "its process died" * (kind == "lost"), seconds=40.0))
    lines = page.getvalue().splitlines()
    assert lines == [
        "lost: runs on control-bowl: its process died",
        "[1/6] runs on control-bowl: 40.0 s, about 2 min left",
    ]


def test_the_bar_names_all_that_runs(make):
    first, second, *claims = make.chain()
    page = io.StringIO()
    with Display([first, second, *claims], Durations(), Console(file=page, force_terminal=True, width=200)) as display:
        for kind, task in (("started", first), ("done", first), ("started", claims[0]), ("started", claims[2])):
            display(Event(kind, task))
        display._bar.refresh()
        last = page.getvalue().splitlines()[-1]
    assert "tunnels on control-bowl, seed 0 | tunnels on control-bowl, seed 1" in last
    assert "runs on" not in last
    assert "1/6" in last
