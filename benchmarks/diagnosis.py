"""How long `nwedge diagnose` takes from files to the report: `python -m benchmarks.diagnosis`.

20 checkpoints of the digits MLP (goal: under 60 s), and 5 of SimpleCNN on all of Fashion-MNIST (under 10 minutes). They
are independent trainings, so that all walls are there and tunnels are trained.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nwedge import NetworkLandscape, descend
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.landscapes.networks.checkpoints import write_checkpoint


def digits() -> nn.Module:
    """The digits MLP."""
    return architectures.mlp(64, 10, (50, 50))


def digits_data() -> Any:
    """Training and held-out digits."""
    return data.load("digits")


def fashion() -> nn.Module:
    """SimpleCNN."""
    return architectures.simple_cnn(1, 28, 10)


def fashion_data() -> Any:
    """Training and held-out images of clothes."""
    return data.load("fashion-mnist")


@dataclass(frozen=True)
class Case:
    """Checkpoints of independent trainings: how many, by which settings, and the seconds that are the goal."""

    checkpoints: int
    training: dict[str, Any]
    goal: float


CASES = {
    digits: Case(20, {"lr": 0.1, "momentum": 0.9, "steps": 300}, 60),
    fashion: Case(5, {"optimizer": "adam", "lr": 8e-4, "steps": 469}, 600),
}
DATA = {digits: digits_data, fashion: fashion_data}


def main() -> None:
    """One line for each case, and the advice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("names", nargs="*", help="digits, fashion; both by default")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the diagnosis")
    arguments = parser.parse_args()
    for network, case in CASES.items():
        if not arguments.names or network.__name__ in arguments.names:
            landscape = NetworkLandscape(network(), *DATA[network]())
            start = landscape.initial(case.checkpoints, derive(0, "start"))
            points = descend(landscape, start, generator=derive(0, "training"), **case.training).points
            modules = [landscape.module(point) for point in points]
            seconds, advice = timed(modules, network.__name__, DATA[network].__name__, arguments.threads)
            met = "met" if seconds < case.goal else "missed"
            print(
                f"{case.checkpoints} checkpoints, {network.__name__}: {seconds:.0f} s, under {case.goal:.0f} s: {met}"
            )
            print(advice)


def timed(modules: list[nn.Module], network: str, examples: str, threads: int) -> tuple[float, str]:
    """The seconds of one diagnosis in a process of its own, and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{row}.safetensors" for row in range(len(modules))]
        for file, module in zip(files, modules, strict=True):
            write_checkpoint(file, module)
        functions = ("--network", f"{__spec__.name}:{network}", "--data", f"{__spec__.name}:{examples}")
        options = ("--threads", str(threads), "--out", f"{folder}/out")
        program = (sys.executable, "-c", "from nwedge.cli import main; raise SystemExit(main())")
        begun = time.perf_counter()
        ended = subprocess.run(
            (*program, "diagnose", *files, *functions, *options),
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return time.perf_counter() - begun, ended.stdout


if __name__ == "__main__":
    main()
