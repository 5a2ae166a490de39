"""Prints one table of speed (this code, a naive version, a floor, their ratios, from one run) and lines of errors."""

import platform
import sys

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import adapters, backends, curvature, descent, networks, sampling, subspaces, wedges
from benchmarks.timing import Timing


def main() -> None:
    """Run every benchmark with the number of threads given on the command line, one by default."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    table = Table(title=f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {platform.machine()}")
    for heading in ("work", "this code", "naive", "floor", "naive / this", "this / floor"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for timing in (
        *networks.timings(),
        *descent.timings(),
        *curvature.timings(),
        *wedges.timings(),
        *subspaces.timings(),
        *sampling.timings(),
        *backends.timings(),
        *adapters.timings(),
    ):
        table.add_row(*_row(timing))
    console = Console(width=150)
    console.print(table)
    for line in curvature.counts():
        console.print(line)


def _row(timing: Timing) -> tuple[str, ...]:
    return (
        timing.work,
        _seconds(timing.this),
        _seconds(timing.naive),
        _seconds(timing.floor),
        _ratio(timing.naive, timing.this),
        _ratio(timing.this, timing.floor),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1e3:.2f} ms"


def _ratio(over: float | None, under: float | None) -> str:
    return "-" if over is None or under is None else f"{over / under:.2f} x"


if __name__ == "__main__":
    main()
