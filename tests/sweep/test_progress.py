import io

import pytest
from rich.console import Console

from nwedge.sweep.ledger import Durations
from nwedge.sweep.progress import Display
from nwedge.sweep.runner import run


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
