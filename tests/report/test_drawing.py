import os
import subprocess
import sys
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path

import joblib
import pytest

from nwedge._files import StoreError
from nwedge.report import drawing
from nwedge.report.figures import DRAWINGS, style


@pytest.fixture
def figures(datasets, rows) -> dict[str, drawing.Draw]:
    """Two figures, what draws each."""
    return {
        claim: partial(DRAWINGS[claim].figure, datasets[claim], [row for row in rows if row["claim"] == claim])
        for claim in ("tunnels", "two-halves")
    }


@pytest.fixture
def side_by_side(monkeypatch) -> None:
    """Two figures are drawn by two processes; this one draws none."""
    monkeypatch.setattr(drawing, "PAYS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(style, "settle", refused)


def refused(figure) -> None:
    raise AssertionError("drawn in this process")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_processes_write_the_same_bytes_as_one(figures, tmp_path, request):
    here = drawing.files(figures, tmp_path / "here")
    request.getfixturevalue("side_by_side")
    there = drawing.files(figures, tmp_path / "there")
    assert list(here) == list(figures)
    assert there == here
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert contents(tmp_path / "here").keys() == {f"{name}.{kind}" for name in figures for kind in ("svg", "png")}
    assert all(contents(tmp_path / "here")[f"{name}.svg"] == svg for name, svg in here.items())


@pytest.mark.usefixtures("side_by_side")
def test_processes_write_where_this_one_works_now(figures, tmp_path, monkeypatch):
    drawing.files(figures, tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    drawing.files(figures, Path("second"))
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


@pytest.mark.usefixtures("side_by_side")
def test_a_file_that_cannot_be_written_is_told_from_any_process(figures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"cannot write {tmp_path / 'file'}"):
        drawing.files(figures, tmp_path / "file")


@pytest.mark.parametrize("error", [PermissionError("no processes"), BrokenExecutor("killed")])
def test_where_no_process_can_be_had_all_is_drawn_here(figures, tmp_path, monkeypatch, error):
    def failing(self, jobs):
        raise error

    monkeypatch.setattr(drawing, "PAYS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(joblib.Parallel, "__call__", failing)
    assert drawing.files(figures, tmp_path).keys() == figures.keys()
    assert len(contents(tmp_path)) == 4


def test_a_script_needs_no_guard(stored, tmp_path):
    """The processes do not run the script again, as those of multiprocessing would."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from nwedge.report import document, drawing\n"
        "from nwedge.report.results import read\n"
        "print('once')\n"
        "drawing.PAYS = 1\n"
        "drawing.style.settle = None\n"
        "os.sched_getaffinity = lambda pid: {0, 1}\n"
        f"figures = document._figures(['tunnels', 'two-halves'], read(Path({str(stored)!r})))\n"
        f"print(*drawing.files(figures, Path({str(tmp_path)!r})))\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["once", "tunnels", "two-halves"]
