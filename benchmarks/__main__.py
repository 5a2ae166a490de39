"""Prints one table of speed (this code, naive, floor, their ratios, from one run) and lines of what else has goals."""

import argparse
import importlib
import platform

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.timing import Timing, judged

BENCHMARKS = (
    "networks",
    "pictures",
    "descent",
    "tunnels",
    "curvature",
    "wedges",
    "subspaces",
    "sampling",
    "backends",
    "adapters",
    "startup",
    "sweeps",
    "memory",
)


def main() -> None:
    """Run the benchmarks that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--threads", type=int, default=1, help="that torch computes with")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; valid: {', '.join(BENCHMARKS)}")
    modules = [importlib.import_module(f"benchmarks.{name}") for name in arguments.names or BENCHMARKS]
    torch.set_num_threads(arguments.threads)
    table = Table(title=f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {platform.machine()}")
    for heading in ("work", "this code", "naive", "floor", "naive / this", "this / floor", "goal"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for module in modules:
        for timing in module.timings() if hasattr(module, "timings") else ():
            table.add_row(*_row(timing))
    console = Console(width=170)
    console.print(table)
    for module in modules:
        for line in module.counts() if hasattr(module, "counts") else ():
            console.print(line)


def _row(timing: Timing) -> tuple[str, ...]:
    return (
        timing.work,
        _seconds(timing.this),
        _seconds(timing.naive),
        _seconds(timing.floor),
        _ratio(timing.naive, timing.this),
        _ratio(timing.this, timing.floor),
        ", ".join(judged(goal, met) for goal, met in timing.met().items()),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1e3:.2f} ms"


def _ratio(over: float | None, under: float | None) -> str:
    return "-" if over is None or under is None else f"{over / under:.2f} x"


if __name__ == "__main__":
    main()
