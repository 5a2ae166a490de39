"""Starting the command line, against a process that imports torch, and against one that does nothing."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from benchmarks.timing import Goal, Timing, compare
from nwedge.plan import Plan
from nwedge.specs.replicate import Replicate
from nwedge.store import Result, Store
from nwedge.sweep.ledger import Books


def timings() -> Iterator[Timing]:
    """`nwedge --help`, `nwedge claims`, and `nwedge status` of a finished replication on digits."""
    with tempfile.TemporaryDirectory() as directory:
        _finish(Plan.of(Replicate()), Path(directory))
        for arguments in (("--help",), ("claims",), ("status", directory)):
            yield compare(
                f"nwedge {arguments[0]}",
                lambda arguments=arguments: _python("import nwedge.cli, sys; sys.exit(nwedge.cli.main())", *arguments),
                lambda: _python("import torch"),
                lambda: _python("pass"),
                rounds=3,
                goal=Goal(seconds=0.5),
            )


def _finish(plan: Plan, directory: Path) -> None:
    """Write a plan, and for each of its tasks an empty result and its entry in the journal."""
    plan.write(directory)
    store, books = Store(directory), Books(directory)
    for task in plan.tasks:
        store.write(task, Result(xr.Dataset()), {})
        books.finish(task, 1.0)


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
