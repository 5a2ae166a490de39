"""The files of the figures, drawn side by side where there are several CPUs."""

import os
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from nwedge._files import whole
from nwedge.report import svg
from nwedge.report.figures import DRAWINGS, fit, style, sweep

FIT, SWEEP = "fit", "sweep"
"""The names of the figures of the fit and of a sweep; those of the claims have their ids."""
APART = {FIT: fit.figure, SWEEP: sweep.figure}
PAYS = 3
"""Figures a process, for fewer of which its start takes longer than it saves."""


def files(figures: Mapping[str, tuple[Any, ...]], folder: Path) -> dict[str, bytes]:
    """Write `<name>.svg` and `<name>.png` of each figure; the bytes of the SVG by name.

    The bytes do not depend on the number of processes. Where none can be started, all is drawn in this one.

    Args:
        figures: by name, what its function `figure` takes.
        folder: where the files are written.

    Raises:
        StoreError: a file that cannot be written.
    """
    jobs = [(name, content, folder) for name, content in figures.items()]
    processes = min(len(os.sched_getaffinity(0)), len(figures) // PAYS)
    if processes > 1:
        # its processes, unlike those of multiprocessing, need no `if __name__ == "__main__"` in the script that began
        from joblib import Parallel, delayed

        try:
            return dict(Parallel(processes, max_nbytes=None)(delayed(_draw)(*job) for job in jobs))  # pyright: ignore
        except (OSError, BrokenExecutor):  # none can be started, or one was killed
            pass
    return dict(_draw(*job) for job in jobs)


def _draw(name: str, content: tuple[Any, ...], folder: Path) -> tuple[str, bytes]:
    """Write the two files of a figure; its name and the bytes of the SVG."""
    with style.applied():
        figure = APART[name](*content) if name in APART else DRAWINGS[name].figure(*content)
        style.settle(figure)
        encoded = {kind: svg.encode(figure, kind) for kind in ("svg", "png")}
    for kind, written in encoded.items():
        with whole(folder / f"{name}.{kind}") as temporary:
            temporary.write_bytes(written)
    return name, encoded["svg"]
