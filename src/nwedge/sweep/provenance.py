"""Where and by what a result was computed."""

import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from nwedge import __version__

LIBRARIES = ("torch", "numpy", "scipy", "xarray")


def provenance(threads: int, backends: Iterable[str] = ()) -> dict[str, Any]:
    """What is the same for all tasks of a run: versions, platform, threads per task and the package's commit.

    Args:
        threads: of each task.
        backends: the frameworks, beside torch, that compute wedge models.
    """
    return {
        "nwedge": __version__,
        **{library: version(library) for library in LIBRARIES},
        **{backend: _version(backend) for backend in backends},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.node(),
        "threads": threads,
        "commit": commit(Path(__file__).parent),
    }


def _version(module: str) -> str:
    """The version of a framework by the name of its module, whatever distribution it came with (tensorflow-cpu)."""
    distributions = packages_distributions().get(module, [])
    return version(distributions[0]) if distributions else "unknown"


def commit(folder: Path) -> str | None:
    """The commit of the checkout that tracks `folder`, with "+changes" where its files differ; None outside of one."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None or not _git(folder, "ls-files", "."):
        return None
    return head + ("+changes" if _git(folder, "status", "--porcelain", "..") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
