"""A sweep over a network of the user's on a Ray cluster that the command starts itself, and that ends with it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray")

MODULE = """
import os, sys, time
import torch
from torch import nn

def build(width=4):
    if sys.argv[0].endswith("default_worker.py"):
        open("working", "w").close()
        while os.path.exists("hold"):
            time.sleep(0.05)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))

def data():
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    return (x, (x[:, 0] > 0).long()), None
"""
COMMAND = [sys.executable, "-c", "import sys, nwedge.cli; sys.exit(nwedge.cli.main())", "sweep", "no-obstacles"]
COMMAND += ["--network", "own_cluster_module:build", "--data", "own_cluster_module:data", "--workers", "1"]
COMMAND += ["--steps", "5", "--vary", "seed=0:2", "--vary", "claim.points=11"]


class Driver:
    """Starts the command in a folder; what it starts bears a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "own_cluster_module.py").write_text(MODULE)
        own = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))), "OWN_CLUSTER": str(folder)}
        self.environment = os.environ | own | {"RAY_ADDRESS": "127.0.0.1:1"}  # another cluster, which is not asked

    def start(self, out: str, *words: str) -> subprocess.Popen[str]:
        command = [*COMMAND, *words, "--out", out]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def processes(self) -> list[str]:
        """The command lines of the processes that bear the mark and are no zombies."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if f"OWN_CLUSTER={self.folder}".encode() in (place / "environ").read_bytes():
                    found.append((place / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:  # it is gone, or another user's
                continue
        return [line for line in found if line]


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_nothing_outlives_the_command_and_the_same_one_goes_on(
    driver: Driver, number: signal.Signals, code: int, wait_for: Callable[[Callable[[], bool]], None]
) -> None:
    hold, working = driver.folder / "hold", driver.folder / "working"
    hold.touch()
    process = driver.start("ray", "--engine", "ray")
    wait_for(lambda: working.exists() or process.poll() is not None)
    assert any("raylet" in line for line in driver.processes())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    if number == signal.SIGINT:
        assert said.splitlines()[-1].startswith("nwedge: interrupted; what is finished is kept")
        assert "Traceback" not in said
    wait_for(
        lambda: not any(name in line for line in driver.processes() for name in ("raylet", "gcs_server", "ray::_"))
    )
    if number == signal.SIGINT:
        wait_for(lambda: driver.processes() == [])
        return

    hold.unlink()
    for out, words in (("ray", ("--engine", "ray")), ("here", ())):
        process = driver.start(out, *words)
        _, said = process.communicate(timeout=90)
        assert process.returncode == 0, said
    verdicts = [json.loads((driver.folder / out / "verdicts.json").read_text()) for out in ("ray", "here")]
    assert verdicts[0] == verdicts[1]
    wait_for(lambda: driver.processes() == [])  # Ray's agents look once a minute whether they are needed
