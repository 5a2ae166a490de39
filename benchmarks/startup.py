"""Starting the command line, against a process that imports torch, and against one that does nothing."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import Goal, Timing, compare
from nwedge.plan import Plan
from nwedge.specs.replicate import Replicate


def timings() -> Iterator[Timing]:
    """`nwedge --help`, `nwedge claims`, and `nwedge status` of a replication that has not begun."""
    with tempfile.TemporaryDirectory() as directory:
        Plan.of(Replicate()).write(Path(directory))
        for arguments in (("--help",), ("claims",), ("status", directory)):
            yield compare(
                f"nwedge {arguments[0]}",
                lambda arguments=arguments: _python("import nwedge.cli, sys; sys.exit(nwedge.cli.main())", *arguments),
                lambda: _python("import torch"),
                lambda: _python("pass"),
                rounds=3,
                goal=Goal(seconds=0.5),
            )


def _python(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
