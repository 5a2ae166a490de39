"""A sweep over a network of the user's, from the command line and in one call, to its report."""

import json
import sys
from pathlib import Path

import pytest

import nwedge
from nwedge.cli import main
from nwedge.plan import Plan
from nwedge.specs.tasks import ClaimSpec

MODULE = """
import sys
import torch
from torch import nn

def build(width=16):
    if width == 7:
        sys.exit("wide")
    if width == 9:
        return nn.Linear(9, 2)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))

def data(examples=200):
    if examples == 3:
        open("no such file")
    x = torch.randn(examples, 8, generator=torch.Generator().manual_seed(0))
    return (x, (x[:, 0] * x[:, 1] > 0).long()), None
"""
NAMES = {"network": "sweeping_module:build", "data": "sweeping_module:data"}
TRAINING = {"momentum": 0.9, "steps": 300}


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "sweeping_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("sweeping_module", None)


def command(*words: str) -> list[str]:
    flags = [word for name, value in NAMES.items() for word in (f"--{name}", value)]
    settings = [word for name, value in TRAINING.items() for word in (f"--{name}", str(value))]
    return ["sweep", "no-obstacles", *flags, *settings, *words]


def test_the_command_and_the_call_measure_judge_and_draw_the_same(capsys):
    grid = ["--vary", "lr=0.1,0.2", "--vary", "network.width=24,32", "--vary", "seed=0:2", "--workers", "2"]
    assert main(command(*grid, "--out", "by-command")) == 0
    said = capsys.readouterr().out
    assert "lr=0.1, network.width=24" in said
    assert "Report: by-command/report.html" in said
    vary = {"lr": (0.1, 0.2), "network.width": (24, 32), "seed": range(2)}
    finished = nwedge.sweep_over("no-obstacles", vary, out="by-call", **NAMES, **TRAINING)
    stored = json.loads(Path("by-command/verdicts.json").read_text())
    assert json.loads(json.dumps(finished.verdicts)) == stored
    assert [row["landscape"] for row in stored] == [
        f"lr={lr}, network.width={width}" for lr in (0.1, 0.2) for width in (24, 32)
    ]
    assert all(row["seeds"] == 2 and row["statistic"] > 0.5 for row in stored)
    assert len({row["statistic"] for row in stored}) > 1
    assert not finished.summary.failed

    assert {task.landscape.strategy for task in Plan.read(Path("by-call")).tasks} == {"stacked"}
    page = finished.report.read_text()
    assert "evaluated by stacked, 512 examples at a time" in page
    assert "nwedge sweep no-obstacles --network sweeping_module:build" in page
    assert "The settings that are varied" in page
    assert "sweeping_module:build(width=24) on sweeping_module:data()" in page
    assert "Where the model and the networks part company" not in page
    assert "two-halves" not in page
    for name in ("sweep.svg", "sweep.png", "no-obstacles.svg"):
        assert (Path("by-call/figures") / name).stat().st_size > 1000

    again = nwedge.sweep_over("no-obstacles", vary | {"seed": range(3)}, out="by-call", **NAMES, **TRAINING)
    assert len(again.summary.kept) == 2 * len(again.summary.done)


def test_a_combination_that_cannot_be_trained_is_told_and_the_rest_is_judged(capsys):
    grid = ["--vary", "lr=0.1", "--vary", "claim.points=51,-1", "--vary", "seed=0:2", "--workers", "1", "--out", "out"]
    assert main(command(*grid)) == 1
    said = capsys.readouterr()
    assert "left out: no-obstacles on claim.points=-1" in said.out
    (row,) = json.loads(Path("out/verdicts.json").read_text())
    assert row["landscape"] == "claim.points=51"
    tasks = [task for task in Plan.read(Path("out")).tasks if isinstance(task, ClaimSpec)]
    assert said.err.count("failed: no-obstacles on claim.points=-1") == len(tasks) / 2
    assert main(["report", "out"]) == 0
    assert main(["status", "out"]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--network", "sweeping_module:nope"), "sweeping_module has no nope"),
        (("--network", "sweeping_module:data"), "must return a torch.nn.Module; got tuple"),
        (("--data", "sweeping_module:build"), "must return (training data, held-out data or None)"),
        (("--vary", "network.depth=3"), "does not take depth: it takes width"),
        (("--vary", "data.images=3"), "does not take images: it takes examples"),
        (
            ("--vary", "network.width=7"),
            "sweeping_module:build(width=7) on sweeping_module:data(): 'sweeping_module:build' raises",
        ),
        (
            ("--vary", "data.examples=3"),
            "on sweeping_module:data(examples=3): 'sweeping_module:data' raises FileNotFoundError",
        ),
        (
            ("--vary", "network.width=16,9"),
            "sweeping_module:build(width=9) on sweeping_module:data(): RuntimeError: mat1",
        ),
        (("--vary", "lr=x"), "--vary lr must be a number; got 'x'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(words, sentence, capsys):
    assert main(command("--out", "out", *words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not Path("out").exists()


def test_a_module_that_was_edited_after_it_was_imported_stores_nothing(capsys):
    vary = {"seed": range(2), "claim.points": (11,)}
    few = {"steps": 2, **NAMES}
    assert nwedge.sweep_over("no-obstacles", vary, out="out", **few).summary.done
    Path("sweeping_module.py").write_text(MODULE.replace("nn.ReLU", "nn.Tanh"))
    before = sorted(Path("out/results").rglob("*.nc"))
    with pytest.raises(ValueError, match="the file of 'sweeping_module:build' has changed"):
        nwedge.sweep_over("no-obstacles", vary, out="out", **few)
    assert sorted(Path("out/results").rglob("*.nc")) == before
