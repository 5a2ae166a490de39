"""How time grows: with the dimension, the points, the examples, and the optima of a sheet, and the fitted powers.

Run it alone: `python -m benchmarks.growth`. It prints one table; the last column is the p of time ~ size^p, fitted by
least squares to the logarithms of the upper half of the sizes, where the cost of a call no longer counts.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.timing import compare
from nwedge import Landscape, NetworkLandscape, WedgeLandscape, descend, evaluate, gradient, restrict, short_directions
from nwedge._random import derive
from nwedge.geometry import RandomSubspace, Sheet
from nwedge.landscapes.networks import architectures
from nwedge.methods.sheets import m_tunnel

EXAMPLES, FEATURES, CLASSES = 1024, 64, 10
STEPS = 3
Work = Callable[[], object]


@dataclass(frozen=True)
class Series:
    """One kind of work at several sizes: `of(size)` prepares it and returns what is timed."""

    work: str
    grows: str
    sizes: Sequence[int]
    of: Callable[[int], Work]


def series() -> Iterator[Series]:
    """Every work, with what grows."""
    decades = (10**4, 10**5, 10**6, 10**7)
    yield Series("complete wedges, a gradient", "dimension", decades, lambda dim: _slope(WedgeLandscape(dim, dim // 2)))
    yield Series(
        "sampled wedges, 64 gradients, s = 100",
        "wedges",
        (100, 400, 1600, 6400),
        lambda wedges: _slope(WedgeLandscape(20_000, 100, wedges=wedges), 64),
    )
    yield Series("digits MLP, losses", "points", (32, 128, 512, 2048), lambda count: _losses(_mlp(), count))
    yield Series("digits MLP, 32 losses", "examples", (512, 2048, 8192, 32768), lambda count: _losses(_mlp(count), 32))
    yield Series(
        "MLP 64-w-w-10, 8 gradients", "width w", (50, 100, 200, 400, 800), lambda width: _slope(_mlp(width=width), 8)
    )
    yield Series(f"digits MLP, {STEPS} steps of a sheet over m optima", "vertices 2^m", (4, 16, 64, 256, 1024), _sheet)
    yield Series(
        f"MLP 64-200-200-10, a Hadamard plane, {STEPS} steps of Adam", "d", (10, 100, 1000, 10_000), _plane_steps
    )
    yield Series("digits MLP, a count of short directions", "products", (64, 128, 256, 512), _count)


def _slope(landscape: Landscape, count: int = 1) -> Work:
    points = landscape.initial(count, derive(0))
    return lambda: gradient(landscape, points)


def _losses(landscape: Landscape, count: int) -> Work:
    points = landscape.initial(count, derive(0))
    return lambda: evaluate(landscape, points)


def _mlp(examples: int = EXAMPLES, width: int = 50) -> NetworkLandscape:
    x = torch.randn(examples, FEATURES, generator=derive(0, "examples"))
    return NetworkLandscape(architectures.mlp(FEATURES, CLASSES, (width, width)), (x, x[:, :CLASSES].argmax(1)))


def _sheet(vertices: int) -> Work:
    """At a fixed number of points of the sheet a step."""
    landscape = _mlp()
    optima = landscape.initial(vertices.bit_length() - 1, derive(1))
    assert len(Sheet(optima).vertices) == vertices - 1
    return lambda: m_tunnel(landscape, optima, steps=STEPS, samples=8, generator=derive(2))


def _plane_steps(d: int) -> Work:
    landscape = _mlp(width=200)
    plane = restrict(landscape, RandomSubspace(landscape.dim, d, "hadamard"), landscape.initial(1, derive(3))[0])
    start = plane.initial(1, derive(4))
    return lambda: descend(plane, start, optimizer="adam", lr=1e-3, steps=STEPS, generator=derive(5))


def _count(products: int) -> Work:
    landscape = _mlp()
    (point,) = landscape.initial(1, derive(6))
    return lambda: short_directions(landscape, point, (0.01,), products=products, method="lanczos", generator=derive(7))


def power(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The p of seconds ~ size^p over the upper half of the sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(seconds[half:]), 1)[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="that torch computes with")
    torch.set_num_threads(parser.parse_args().threads)
    table = Table(title=f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    for heading in ("work", "grows", "size: milliseconds", "power"):
        table.add_column(heading, justify="right" if heading == "power" else "left")
    for one in series():
        seconds = [compare(one.work, one.of(size), rounds=3).this for size in one.sizes]
        told = ", ".join(f"{size:,}: {1e3 * took:.3g}" for size, took in zip(one.sizes, seconds, strict=True))
        table.add_row(one.work, one.grows, told, f"{power(one.sizes, seconds):.2f}")
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
