"""Planes by few evaluations, against the full grid: losses from samples of known error, and adaptive refinement."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.timing import Timing, compare, judged
from nwedge import NetworkLandscape, descend, estimate, evaluate, refine, restrict
from nwedge._random import derive
from nwedge.geometry import Plane
from nwedge.landscapes.networks import data
from nwedge.landscapes.restricted import RestrictedLandscape
from nwedge.methods.estimation import Estimate
from nwedge.methods.refinement import Refinement

SIDE, TOLERANCE, FLOOR, LEVELS = 51, 0.02, 0.1, 3
FEWER, INSIDE = 10, 0.99
"""The goals: so many times fewer examples than a full evaluation, and the share of points inside 3 standard errors."""
STEPS = 800


def timings() -> Iterator[Timing]:
    """A 51 x 51 plane of a small MLP on all of Fashion-MNIST, and a plane of 64 x 64 cells on 2,000 examples."""
    network = _network()
    plane = _plane(network)
    yield compare(
        f"Fashion-MNIST MLP, {SIDE} x {SIDE} plane through 3 optima at 2 %",
        lambda: _estimated(plane),
        lambda: evaluate(plane, _grid()),
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


def counts() -> Iterator[str]:
    """One line: how many examples the estimates took, and how many are as near to the full evaluation as they say."""
    network = _network()
    plane = _plane(network)
    found, exact = _estimated(plane), evaluate(plane, _grid())
    fewer = len(exact) * network.examples / found.examples.sum().item()
    rounding = torch.finfo(exact.dtype).eps * exact
    inside = ((found.losses - exact).abs() <= 3 * found.standard_errors + 10 * rounding).sum().item()
    yield (
        f"Fashion-MNIST MLP, {SIDE} x {SIDE} plane at 2 %: {fewer:.1f} x fewer examples "
        f"({judged(f'>= {FEWER} x', fewer >= FEWER)}), {inside:,} of {len(exact):,} points inside 3 standard errors "
        f"({judged(f'>= {INSIDE:.0%}', inside >= INSIDE * len(exact))})"
    )


def _grid() -> Tensor:
    axis = torch.linspace(-0.5, 1.5, SIDE)
    return torch.cartesian_prod(axis, axis)


def _estimated(plane: RestrictedLandscape) -> Estimate:
    return estimate(plane, _grid(), tolerance=TOLERANCE, floor=FLOOR, generator=derive(0, "sample"))


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
