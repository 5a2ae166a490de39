"""The largest works, each in a process of its own: the time they take, and the most memory they hold."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.timing import judged

GIB = 2**30
WEDGES = """
from nwedge import WedgeLandscape
from nwedge._random import derive
landscape = WedgeLandscape(10**9, 5 * 10**8)
distance = landscape.distance(landscape.initial(1, derive(0)))
"""
PLANE = """
import torch
from nwedge._random import derive
from nwedge.geometry import RandomSubspace
subspace = RandomSubspace(10**8, 10**5, "hadamard")
point = subspace.embed(torch.randn(1, 10**5, generator=derive(0)))
gradient = subspace.transpose(point)
"""
WORKS = {
    "complete wedges, dim 1e9: a point and its distance": (WEDGES, 24),
    "Hadamard plane, dim 1e8, d 1e5: a point and a gradient": (PLANE, 8),
}
"""The code of each work, and the GiB that it must fit in."""


def counts() -> Iterator[str]:
    """One line for each work."""
    told = "import resource, time; t = time.perf_counter()\n{}\nprint(time.perf_counter() - t, {})"
    peak = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    for work, (code, limit) in WORKS.items():
        done = subprocess.run([sys.executable, "-c", told.format(code, peak)], capture_output=True, text=True)
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
            yield f"{work}: failed ({reason}); the goal is {limit} GiB"
            continue
        seconds, held = map(float, done.stdout.split())
        gib = held * _unit() / GIB
        yield f"{work}: {seconds:.1f} s, {gib:.1f} GiB at most ({judged(f'<= {limit} GiB', gib <= limit)})"


def _unit() -> int:
    """Bytes in which the system tells memory."""
    return 1 if sys.platform == "darwin" else 1024
