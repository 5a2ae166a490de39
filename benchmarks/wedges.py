"""Wedge distances: the sampled family against a dense product, the complete one against a sort and one reading."""

from collections.abc import Iterator

import torch

from benchmarks.timing import Timing, compare
from nwedge import WedgeLandscape
from nwedge._random import derive


def timings() -> Iterator[Timing]:
    """The sampled family at dim 1e5 with 1,000 wedges of 500 axes, and the complete one at dim 1e7."""
    sampled = WedgeLandscape(100_000, 500, wedges=1000)
    points = torch.randn(64, sampled.dim, generator=derive(0))
    axes = sampled.axes
    assert axes is not None
    dense = torch.zeros(1000, sampled.dim).scatter_(1, axes, 1.0)
    yield compare(
        "sampled wedges, 64 points, dim 1e5, 1,000 wedges, s 500",
        lambda: sampled.distance(points),
        lambda: (points.square() @ dense.T).min(1).values.sqrt(),
        lambda: points.sum(),
        rounds=5,
    )
    complete = WedgeLandscape(10_000_000, 10_000)
    point = torch.randn(1, complete.dim, generator=derive(1))
    yield compare(
        "complete wedges, 1 point, dim 1e7, s 1e4",
        lambda: complete.distance(point),
        lambda: point.square().sort(1).values[:, :10_000].sum(1).sqrt(),
        lambda: point.sum(),
        rounds=5,
    )
