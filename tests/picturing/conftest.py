"""Checkpoints of a digits network of the user's, and the command that draws them."""

import multiprocessing
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nwedge.cli import main
from nwedge.recording import Recorder

MODULE = """
import time
import torch
from pathlib import Path
from torch import nn
from nwedge.landscapes.networks.data import load

def build():
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))

def normalised():
    return nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)).eval()

class Shifted(nn.Sequential):
    def forward(self, x):
        return super().forward(x + self.offset)

def shifted():
    model = Shifted(*build())
    model.register_buffer("offset", torch.tensor(float(Path("offset").read_text())), persistent=False)
    return model

def wide():
    return nn.Sequential(nn.Linear(64, 17), nn.ReLU(), nn.Linear(17, 10))

def data():
    (x, y), (held_x, held_y) = load("digits")
    return (x[:600], y[:600]), (held_x[:150], held_y[:150])

def many():
    (x, y), held_out = data()
    noise = torch.randn(4 * len(x), x.shape[1], generator=torch.Generator().manual_seed(0))
    return (x.repeat(4, 1) + 0.1 * noise, y.repeat(4)), held_out

def nothing():
    return None

def raising():
    raise RuntimeError("out of order")

def as_dicts():
    return tuple({"x": x, "labels": y} for x, y in data())

def mean_loss(model, batch):
    return nn.functional.cross_entropy(model(batch["x"]), batch["labels"])

def linear_loss(model, batch):
    return sum(weight.mean() for weight in model.parameters())

def half():
    return build().bfloat16()

def slow(landscape, points):
    with Path("calls").open("a") as file:
        file.write("x" * len(points))
    time.sleep(0.05)
    return landscape.loss(points)

def distance(landscape, points):
    return points.norm(dim=1)

accuracy = distance

def vector(landscape, points):
    return points[:, :3]

def number(landscape, points):
    return 1.0

def failing(landscape, points):
    raise KeyError("what")

def scaled(landscape, points):
    return float(Path("factor.txt").read_text()) * landscape.loss(points)

def holes(landscape, points):
    losses = landscape.loss(points)
    return torch.where(losses > losses.min() + 1, torch.nan, losses)
"""
CHECKPOINTS = ("a.pt", "b.pt", "c.pt")
NAME = "picturing_module"


def train(model: nn.Module, data: tuple, steps: int = 150, recorder: Recorder | None = None) -> nn.Module:
    """The module after some training in a plain loop."""
    x, y = data
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for step in range(steps):
        if recorder is not None:
            recorder.step(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with the module, checkpoints of it, and the recording of a run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / f"{NAME}.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    try:
        own = __import__(NAME)
        training, _ = own.data()
        for seed, name in enumerate(CHECKPOINTS):
            torch.manual_seed(seed)
            torch.save(train(own.build(), training).state_dict(), folder / name)
        torch.manual_seed(3)
        torch.save(train(own.normalised(), training).state_dict(), folder / "normalised.pt")
        model = own.build()
        train(model, training, steps=60, recorder=Recorder(folder / "run", model, every=12))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(NAME, None)
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """The working directory, with a copy of all that."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop(NAME, None)
    yield tmp_path
    sys.modules.pop(NAME, None)


def command(kind: str, *words: str, network: str = "build", data: str = "data") -> list[str]:
    functions = ("--network", f"{NAME}:{network}", "--data", f"{NAME}:{data}")
    return ["picture", kind, *words, *functions, "--threads", "1"]


@pytest.fixture
def draw(here) -> Callable[..., int]:
    """Runs the command; the exit code."""
    return lambda kind, *words, **names: main(command(kind, *words, **names))


@pytest.fixture
def start(here) -> Callable[..., multiprocessing.Process]:
    """Starts the command in a process of its own."""

    def started(kind: str, *words: str) -> multiprocessing.Process:
        process = multiprocessing.get_context("fork").Process(target=main, args=(command(kind, *words),))
        process.start()
        return process

    return started
