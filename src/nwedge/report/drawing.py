"""The files of the figures, drawn side by side where there are several CPUs."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path

from matplotlib.figure import Figure

from nwedge._files import whole
from nwedge.report import svg
from nwedge.report.figures import style

Draw = Callable[[], Figure]
"""Draws a figure. It can be pickled: a `functools.partial` of a function of a module."""
PAYS = 3
"""Figures a process, for fewer of which its start takes longer than it saves."""


def files(figures: Mapping[str, Draw], folder: Path) -> dict[str, bytes]:
    """Write `<name>.svg` and `<name>.png` of each figure; the bytes of the SVG by name.

    The bytes do not depend on the number of processes. Where none can be started, all is drawn in this one.

    Args:
        figures: by name, what draws each.
        folder: where the files are written.

    Raises:
        StoreError: a file that cannot be written.
    """
    folder = folder.absolute()  # for processes that were started when another directory was the working one
    jobs = [(name, draw, folder) for name, draw in figures.items()]
    processes = min(len(os.sched_getaffinity(0)), len(figures) // PAYS)
    if processes > 1:
        # its processes, unlike those of multiprocessing, need no `if __name__ == "__main__"` in the script that began
        from joblib import Parallel, delayed

        try:
            return dict(Parallel(processes, max_nbytes=None)(delayed(_draw)(*job) for job in jobs))  # pyright: ignore
        except (OSError, BrokenExecutor):  # none can be started, or one was killed
            pass
    return dict(_draw(*job) for job in jobs)


def _draw(name: str, draw: Draw, folder: Path) -> tuple[str, bytes]:
    """Write the two files of a figure; its name and the bytes of the SVG."""
    with style.applied():
        figure = draw()
        style.settle(figure)
        encoded = {kind: svg.encode(figure, kind) for kind in ("svg", "png")}
    for kind, written in encoded.items():
        with whole(folder / f"{name}.{kind}") as temporary:
            temporary.write_bytes(written)
    return name, encoded["svg"]
