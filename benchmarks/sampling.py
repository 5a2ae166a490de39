"""Planes by few evaluations, against the full grid: losses from samples of known error, and adaptive refinement."""

from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.timing import Timing, compare
from nwedge import NetworkLandscape, descend, estimate, evaluate, refine, restrict
from nwedge._random import derive
from nwedge.geometry import Plane
from nwedge.landscapes.networks import data
from nwedge.landscapes.restricted import RestrictedLandscape
from nwedge.methods.refinement import Refinement

SIDE, TOLERANCE, FLOOR, LEVELS = 21, 0.02, 0.1, 3
STEPS = 800


def timings() -> Iterator[Timing]:
    """A 21 x 21 plane of a small MLP on all of Fashion-MNIST, and a plane of 64 x 64 cells on 2,000 examples."""
    network = _network()
    plane = _plane(network)
    axis = torch.linspace(-0.5, 1.5, SIDE)
    grid = torch.cartesian_prod(axis, axis)
    found = estimate(plane, grid, tolerance=TOLERANCE, floor=FLOOR, generator=derive(0, "sample"))
    fewer = len(grid) * network.examples / found.examples.sum().item()
    yield compare(
        f"Fashion-MNIST MLP, 21 x 21 plane through 3 optima at 2 %: {fewer:.0f} x fewer examples",
        lambda: estimate(plane, grid, tolerance=TOLERANCE, floor=FLOOR, generator=derive(0, "sample")),
        lambda: evaluate(plane, grid),
        rounds=1,
    )
    few = _plane(network, examples=2000)
    axis = torch.linspace(-0.5, 1.5, 8 * 2**LEVELS + 1)
    fine = torch.cartesian_prod(axis, axis)
    fewer = len(fine) / len(_refined(few).losses)
    yield compare(
        f"the same on 2,000 examples, {len(axis)} x {len(axis)} points, refined to 2 %: {fewer:.0f} x fewer points",
        lambda: _refined(few),
        lambda: evaluate(few, fine),
        rounds=1,
    )


def _refined(plane: RestrictedLandscape) -> Refinement:
    return refine(plane, -0.5, 1.5, tolerance=TOLERANCE, floor=FLOOR, levels=LEVELS)


def _network() -> NetworkLandscape:
    (images, labels), _ = data.load("fashion-mnist")
    model = nn.Sequential(nn.Linear(784, 12), nn.Tanh(), nn.Linear(12, 10))
    return NetworkLandscape(model, (images.flatten(1), labels), batch_size=256)


def _plane(network: NetworkLandscape, examples: int | None = None) -> RestrictedLandscape:
    """The plane through three optima, at (0, 0), (1, 0) and (0, 1), on the first examples or on all."""
    start = network.initial(3, derive(0, "start"))
    a, b, c = descend(
        network, start, optimizer="adam", lr=3e-3, steps=STEPS, schedule="cosine", generator=derive(0, "train")
    ).points
    seen = network if examples is None else network.take(torch.arange(examples))
    return restrict(seen, Plane(b - a, c - a), a)
