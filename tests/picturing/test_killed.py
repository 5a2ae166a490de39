"""A picture that is killed goes on from the parts that it has kept."""

import math
import os
import signal
import time
from pathlib import Path

import pytest
import xarray as xr

from nwedge.pictures.keeping import Keeper
from nwedge.store import read_dataset

POINTS = 21
WORDS = ("plane", "a.pt", "--points", str(POINTS), "--metrics", "picturing_module:slow")


def wait_for_parts(out: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(Path(out, ".picture-parts").glob("*.nc"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def evaluations() -> int:
    found = len(Path("calls").read_text())
    Path("calls").unlink()
    return found


@pytest.mark.parametrize(
    ("words", "parts"), [(WORDS, 3), ((*WORDS, "loss", "--tolerance", "0.5"), 11)], ids=["all examples", "tolerance"]
)  # of the loss 8 parts are kept before the slow metric's first
def test_the_same_numbers_after_a_kill_and_no_part_is_evaluated_again(draw, start, words, parts):
    assert draw(*words, "--out", "whole") == 0
    all_of_them = evaluations()
    process = start(*words, "--out", "killed")
    wait_for_parts("killed", parts)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not Path("killed/picture.html").exists()
    evaluations()
    assert draw(*words, "--out", "killed") == 0
    assert evaluations() <= all_of_them * 0.7
    assert not Path("killed/.picture-parts").exists()
    for name in ("network.nc", "checkpoints.nc"):
        xr.testing.assert_identical(read_dataset(Path("whole", name)), read_dataset(Path("killed", name)))
    assert Path("whole/picture.html").read_bytes() == Path("killed/picture.html").read_bytes()
    assert draw(*words, "--out", "killed") == 0
    assert not Path("calls").exists()  # all is kept


def test_another_picture_uses_no_parts_of_the_killed_one(draw, start):
    process = start(*WORDS, "--seed", "7", "--out", "out")
    wait_for_parts("out", 2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert draw(*WORDS, "--out", "out") == 2
    assert draw(*WORDS, "--out", "out", "--overwrite") == 0
    assert draw(*WORDS, "--out", "whole") == 0
    xr.testing.assert_identical(read_dataset(Path("out/network.nc")), read_dataset(Path("whole/network.nc")))


def test_an_interrupted_picture_says_that_it_keeps_its_parts(draw, monkeypatch, capsys):
    import nwedge.methods.cutting

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("nwedge.pictures.cuts.cut", interrupted)
    assert draw(*WORDS) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert Path("picture/checkpoints.nc").exists()
    monkeypatch.setattr("nwedge.pictures.cuts.cut", nwedge.methods.cutting.cut)
    assert draw(*WORDS) == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("plane", "a.pt", "--points", "15", "--tolerance", "0.03"), 5),  # two of the anchors, which come first
        (("plane", "a.pt", "--points", "33", "--refine", "0.3"), 12),
        (("line", "a.pt", "b.pt", "--points", "33", "--refine", "0.3", "--tolerance", "0.03"), 4),
        (("plane", "a.pt", "--points", "9", "--directions", "hessian", "--draws", "1"), 3),
    ],
)
def test_no_part_is_computed_twice(draw, monkeypatch, words, parts):
    """A run that ends at any part leaves all those before to the next run, to the same numbers as an unbroken one."""
    assert draw(*words, "--out", "whole", data="many") == 0
    computed, part = [], Keeper.part

    def ending(keeper, name, compute):
        def counted():
            if len(computed) == parts:
                raise KeyboardInterrupt
            found = compute()
            computed.append(name)
            return found

        return part(keeper, name, counted)

    monkeypatch.setattr(Keeper, "part", ending)
    assert draw(*words, "--out", "broken", data="many") == 130
    before = list(computed)
    assert len(before) == parts
    parts = math.inf
    assert draw(*words, "--out", "broken", data="many") == 0
    assert len(set(computed)) == len(computed) > len(before)
    xr.testing.assert_identical(read_dataset(Path("whole/network.nc")), read_dataset(Path("broken/network.nc")))
