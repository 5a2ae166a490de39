"""A training step in a random subspace, against a dense basis where one fits, and against a step in the full space."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.timing import Goal, Timing, compare
from nwedge import Landscape, NetworkLandscape, descend, restrict
from nwedge._random import derive
from nwedge.geometry import RandomSubspace
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.sections import section

STEPS = 3
PLANES = 3


def timings() -> Iterator[Timing]:
    """Steps of Adam on minibatches of 128: of an MLP of 987,210 weights, and of planes of the digits MLP's 6,310."""
    inputs = torch.randn(1280, 784, generator=derive(0))
    large = NetworkLandscape(architectures.mlp(784, 10, (1000, 200)), (inputs, inputs[:, :10].argmax(1)))
    origin = large.initial(1, derive(1))
    for d in (10, 100, 1000, 10_000, 100_000):
        naive = _steps(restrict(large, RandomSubspace(large.dim, d), origin[0])) if d <= 100 else None
        for kind in ("hadamard", "sparse"):
            yield compare(
                f"{STEPS} steps in a {kind} subspace, dim {large.dim:,}, d {d:,}",
                _steps(restrict(large, RandomSubspace(large.dim, d, kind), origin[0])),
                naive,
                _steps(large, origin),
                rounds=5,
                goal=Goal(floors=2.5),
            )
    digits = NetworkLandscape(architectures.mlp(64, 10), data.load("digits")[0])
    starts = digits.initial(PLANES, derive(2))
    for d in (20, 100, 400, 1500):
        for kind in ("hadamard", "sparse"):
            yield compare(
                f"{PLANES} {kind} planes at 2 rates, 100 steps, dim {digits.dim:,}, d {d:,}",
                _section(digits, starts, d, kind),
                _section(digits, starts, d, "dense"),
                rounds=3 if d < 1000 else 1,
            )


def _steps(landscape: Landscape, start: Tensor | None = None) -> Callable[[], object]:
    start = landscape.initial(1, derive(2)) if start is None else start
    return lambda: descend(landscape, start, optimizer="adam", lr=1e-3, steps=STEPS, generator=derive(3))


def _section(landscape: Landscape, starts: Tensor, d: int, kind: str) -> Callable[[], object]:
    seeds = list(range(PLANES))
    return lambda: section(landscape, starts, d, kind=kind, seeds=seeds, lr=(0.3, 1.0), steps=100, generator=derive(4))
