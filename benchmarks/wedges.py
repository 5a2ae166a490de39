"""Wedge distances and gradients: the sampled family against a dense product, the complete one against a sort."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.timing import NO_GOAL, Goal, Timing, compare
from nwedge import WedgeLandscape, gradient
from nwedge._random import derive

LARGE = 10**8
"""Coordinates of the large complete family: 400 MB a point."""


def timings() -> Iterator[Timing]:
    """The sampled family at dim 1e5 with 1,000 wedges of 500 axes, the complete one at 1e8 and at a toy's size."""
    sampled = WedgeLandscape(100_000, 500, wedges=1000)
    points = sampled.initial(64, derive(0))
    axes = sampled.axes
    assert axes is not None
    dense = torch.zeros(1000, sampled.dim).scatter_(1, axes, 1.0)
    work = "64 points, dim 1e5, 1,000 wedges, s 500"
    yield from _both("sampled", work, sampled, points, _product(dense), Goal(faster=15))
    toy = WedgeLandscape(500, 200)
    yield from _both("complete", "128 points, dim 500, s 200", toy, toy.initial(128, derive(2)), _sorted(200))
    for short, name in ((10_000, "1e4"), (LARGE // 2, "D/2")):
        large = WedgeLandscape(LARGE, short)
        yield from _both(
            "complete",
            f"1 point, dim 1e8, s {name}",
            large,
            large.initial(1, derive(1)),
            _partitioned(short),
            Goal(floors=12),
        )


def _both(
    family: str,
    work: str,
    landscape: WedgeLandscape,
    points: Tensor,
    naive: Callable[[Tensor], Tensor],
    goal: Goal = NO_GOAL,
) -> Iterator[Timing]:
    """The distance and the gradient; the floor is a sum, or the points read and the gradient written."""

    def backward() -> None:
        leaf = points.detach().requires_grad_()
        torch.autograd.grad(naive(leaf).sum(), leaf)

    rounds = 3 if points.numel() >= LARGE else 7
    this, floor = lambda: landscape.distance(points), lambda: points.sum(1)
    yield compare(f"{family} distance, {work}", this, lambda: naive(points), floor, rounds=rounds, goal=goal)
    yield compare(
        f"{family} gradient, {work}", lambda: gradient(landscape, points), backward, points.clone, rounds=rounds
    )


def _product(dense: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda points: (points.square() @ dense.T).amin(1).sqrt()


def _sorted(short: int) -> Callable[[Tensor], Tensor]:
    return lambda points: points.square().sort(1).values[:, :short].sum(1).sqrt()


def _partitioned(short: int) -> Callable[[Tensor], Tensor]:
    """A sort of 1e8 numbers takes too long."""
    return lambda points: points.square().topk(short, dim=1, largest=False, sorted=False).values.sum(1).sqrt()
