"""How long `nwedge picture plane` takes from a checkpoint to an opened page: `python -m benchmarks.picture_command`.

The digits MLP on all of its data (goal: under 15 s), and SimpleCNN on 10,000 examples of Fashion-MNIST, to a tolerance
of 2 % (under 3 minutes). Opened means drawn in a headless Chromium, where there is one.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.diagnosis import digits, digits_data, fashion
from nwedge import NetworkLandscape, descend
from nwedge._random import derive
from nwedge.landscapes.networks import data
from nwedge.landscapes.networks.checkpoints import write_checkpoint

DRAWN = 'class="main-svg"'
"""What stands in a page once plotly has drawn."""


def fashion_data() -> Any:
    """10,000 training images of clothes, and the held-out ones."""
    return data.load("fashion-mnist", examples=10_000)


@dataclass(frozen=True)
class Case:
    """A training, options of the command, and the seconds that are the goal."""

    training: dict[str, Any]
    options: tuple[str, ...]
    goal: float


CASES = {
    digits: Case({"lr": 0.1, "momentum": 0.9, "steps": 300}, (), 15),
    fashion: Case({"optimizer": "adam", "lr": 3e-3, "steps": 300}, ("--tolerance", "0.02"), 180),
}
DATA = {digits: digits_data, fashion: fashion_data}


def main() -> None:
    """One line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture_command", description=__doc__)
    parser.add_argument("names", nargs="*", help="digits, fashion; both by default")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the picture")
    arguments = parser.parse_args()
    for network, case in CASES.items():
        if not arguments.names or network.__name__ in arguments.names:
            landscape = NetworkLandscape(network(), *DATA[network]())
            start = landscape.initial(1, derive(0, "start"))
            (point,) = descend(landscape, start, generator=derive(0, "training"), **case.training).points
            options = (*case.options, "--threads", str(arguments.threads))
            written, opened = timed(landscape.module(point), network.__name__, DATA[network].__name__, options)
            seconds = written + (opened or 0.0)
            met = "met" if seconds < case.goal else "missed"
            then = "not opened, for want of Chromium" if opened is None else f"opened in {opened:.1f} s"
            print(
                f"plane of {network.__name__}: written in {written:.1f} s, {then}; together {seconds:.1f} s, "
                f"under {case.goal:.0f} s: {met}"
            )


def timed(module: nn.Module, network: str, examples: str, options: tuple[str, ...]) -> tuple[float, float | None]:
    """The seconds to a written page in a process of its own, and those to open it; None without a browser."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/checkpoint.safetensors"
        write_checkpoint(file, module)
        functions = ("--network", f"{__spec__.name}:{network}", "--data", f"{__spec__.name}:{examples}")
        program = (sys.executable, "-c", "from nwedge.cli import main; raise SystemExit(main())")
        begun = time.perf_counter()
        subprocess.run(
            (*program, "picture", "plane", file, *functions, *options, "--out", f"{folder}/out"),
            cwd=Path(__file__).parents[1],
            check=True,
        )
        written = time.perf_counter() - begun
        return written, opened(Path(folder, "out", "picture.html"))


def opened(page: Path) -> float | None:
    """The seconds in which a browser starts and draws a page; None where there is none.

    Raises:
        RuntimeError: a page that is opened and not drawn.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return None
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as profile:
        ended = subprocess.run(
            (browser, "--headless", "--no-sandbox", f"--user-data-dir={profile}", "--dump-dom", page.as_uri()),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    if DRAWN not in ended.stdout.partition("</script>")[0]:
        raise RuntimeError(f"the browser has opened {page} and drawn no figure")
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
