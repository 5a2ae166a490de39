"""Progress without a terminal: a line now and then, with the time left."""

import io

from rich.console import Console

import nwedge.pictures.progress as progress
from nwedge.pictures.progress import Display


def lines(monkeypatch, act) -> list[str]:
    clock = iter(range(0, 10000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    text = io.StringIO()
    with Display(Console(file=text, width=100)) as display:
        act(display)
    return text.getvalue().splitlines()


def test_what_is_done_is_told_with_the_time_left(monkeypatch):
    def act(display):
        display.begin("plane", 10)
        display.step(0.5, 4)
        display.advance(4)

    assert lines(monkeypatch, act) == ["plane: 20%, about 80 s left", "plane: 40%, about 60 s left"]


def test_what_was_kept_takes_no_time(monkeypatch):
    def act(display):
        display.begin("plane", 10)
        display.skip()
        display.step(0.6, 10)
        display.step(0.8, 10)

    assert lines(monkeypatch, act) == ["plane: 50%, about 40 s left"]
