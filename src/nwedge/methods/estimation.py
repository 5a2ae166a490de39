"""Losses with known error, from as few examples as each point needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from nwedge._checks import check_points
from nwedge._random import choose, permutation
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, Separable
from nwedge.methods.tolerance import allowed, check_tolerance

FIRST = 1024
"""The least number of examples: fewer say little of losses most of which are near 0 and few of which are large."""
GROWTH = 1.25
"""How much larger each prefix is than the last."""
SHARE, ANCHORS = 100, 16
"""One point in a hundred is an anchor, but no more than 16 are: they take at most a hundredth of a full evaluation."""
RANK = 1e-10
"""Variances of anchors' losses, relative to the largest, below which a direction among them is rounding."""


@dataclass(frozen=True)
class Estimate:
    """Losses of points, estimated from examples.

    Attributes:
        losses: shape (batch,); where not finite, that of the mean over the examples that were seen.
        standard_errors: of the losses, shape (batch,); 0 where all examples were seen, NaN where a loss is not finite.
        examples: how many each point was evaluated on, shape (batch,).
    """

    losses: Float[Tensor, " batch"]
    standard_errors: Float[Tensor, " batch"]
    examples: Int64[Tensor, " batch"]


@dataclass(frozen=True)
class Anchors:
    """Points whose losses are known on all examples.

    Attributes:
        rows: of the anchors among the points that are estimated, shape (anchor,); -1 for one that is not among them.
        losses: shape (anchor, example).
    """

    rows: Int64[Tensor, " anchor"]
    losses: Float[Tensor, "anchor example"]

    def seen_from(self, start: int, stop: int) -> "Anchors":
        """The same anchors for the points of the rows from `start` to before `stop`."""
        inside = (self.rows >= start) & (self.rows < stop)
        return Anchors(torch.where(inside, self.rows - start, -1), self.losses)


def estimable(landscape: Landscape) -> Separable:
    """The landscape, refused where it is no mean over finite data (TypeError), or over dependent terms (ValueError)."""
    if not isinstance(landscape, Separable):
        raise TypeError(
            f"only the mean over finite data can be estimated; {type(landscape).__name__} has no `example_losses`: use "
            "nwedge.evaluate"
        )
    if getattr(landscape, "recomputes", False):
        raise ValueError(
            "with batch_norm='recompute' the loss of one example depends on all training examples, so it cannot be "
            "estimated from few: use nwedge.evaluate, or batch_norm='keep'"
        )
    return landscape


def anchor_rows(landscape: Separable, points: int, generator: Generator) -> Int64[Tensor, " anchor"]:
    """Which of so many points are anchors, drawn at random, shape (anchor,)."""
    count = min(ANCHORS, points // SHARE) if landscape.examples > FIRST else 0
    return choose(points, count, generator).to(landscape.device)


def estimate(
    landscape: Landscape,
    points: Float[Tensor, "batch dim"],
    *,
    tolerance: float,
    floor: float,
    generator: Generator,
    anchors: Anchors | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Estimate:
    """The losses of many points, each from as few examples as its standard error allows.

    The n examples that a point sees are a prefix of one random permutation of all N, the same for all points. At
    n = 1024, and then for every n 1.25 times as large, a point is done if

        standard error <= tolerance * max(|loss|, floor),

    and at n = N it is, with its exact loss. A point whose loss is not finite on a prefix is done: it is not finite.

    Few points know much of the others: an example that is hard at one is hard at those around it. So one point in a
    hundred, drawn at random, at most 16, is an anchor, and evaluated on all examples. The losses l_i of another
    point are regressed on those of the anchors, a_i, less their means over all examples: l_i = L + b . a_i + r_i by
    least squares over the prefix. L is the estimate; its standard error is

        sqrt( sum_i r_i^2 / (n - 1 - K) * [(X^T X)^-1]_00 * (1 - n / N) ),    X_i = (1, a_i), K anchors,

    which without anchors (below 100 points) is the plain s / sqrt(n) with the finite-population correction. This is
    the regression estimator of survey sampling (Cochran, Sampling Techniques, 1977, chapter 7).

    The standard error is that of many examples: where a few of them carry most of the loss, it is itself uncertain on
    the first prefixes, and too small more often than a normal law says.

    r_i are those of single examples, whose variance is better known than that of means of blocks. As all points see the
    same examples, their errors are not independent: differences between near points are more exact.

    Args:
        landscape: one on finite data, such as a network's, also seen through a chart (`nwedge.restrict`).
        points: shape (batch, dim).
        tolerance: of the standard error, relative to the loss.
        floor: the loss below which the tolerance is relative to the floor.
        generator: of the permutation and the anchors.
        anchors: of a larger set of which the points are a part, so that its parts are estimated as the whole is; None
            draws them from the points.
        progress: called with the number of points that are done and of all, after every prefix.

    Raises:
        TypeError: a landscape that is not on finite data.
        ValueError, TypeError: points that do not belong to it, a tolerance or a floor that is not positive, or a loss
            that is no mean over examples (recomputed BatchNorm).
    """
    landscape = estimable(landscape)
    check_points(landscape, points)
    check_tolerance(tolerance, floor)
    total = landscape.examples
    order = permutation(total, generator).to(points.device)
    if anchors is None:
        rows = anchor_rows(landscape, len(points), generator)
        anchors = Anchors(rows, landscape.example_losses(points[rows]) if len(rows) else points.new_empty(0, total))
    known = anchors.losses.double()
    fit = _Regression(len(points), _features(known))

    losses, errors = fit.squares.clone(), fit.squares.clone()
    examples = torch.full((len(points),), total, device=points.device)
    here = anchors.rows >= 0
    anchored = anchors.rows[here]
    losses[anchored] = known[here].mean(1)
    errors[anchored] = 0 * losses[anchored]
    left = torch.ones(len(points), dtype=torch.bool, device=points.device).index_fill_(0, anchored, False)
    rows = left.nonzero()[:, 0]
    while len(rows) and fit.count < total:
        more = min(total, max(FIRST, round(fit.count * GROWTH))) - fit.count
        fit.add(rows, landscape, points[rows], order[fit.count : fit.count + more])
        losses[rows], errors[rows] = fit.losses(rows)
        examples[rows] = fit.count
        near = errors[rows] <= allowed(losses[rows], tolerance, floor)
        rows = rows[~near & losses[rows].isfinite()]
        if progress is not None:
            progress(len(points) - len(rows) if fit.count < total else len(points), len(points))
    return Estimate(losses.to(points.dtype), errors.to(points.dtype), examples)


def _features(known: Tensor) -> Tensor:
    """Uncorrelated combinations of the anchors' losses, where finite, of mean 0 and variance 1, (examples, few)."""
    known = known[known.isfinite().all(1)]
    known = known - known.mean(1, keepdim=True)
    known = known / known.square().mean(1, keepdim=True).sqrt().clamp(min=torch.finfo(known.dtype).tiny)
    variances, directions = torch.linalg.eigh(known @ known.T / known.shape[1])
    kept = variances > RANK * variances.amax() if len(known) else variances > 0
    return known.T @ (directions[:, kept] / variances[kept].sqrt())


class _Regression:
    """Least squares of the losses of each point on features whose mean over all examples is 0, in float64.

    Args:
        points: how many there are.
        features: shape (examples, few).

    Attributes:
        count: examples that have been seen.
        squares: the sum of the squared losses of each point, shape (points,).
    """

    def __init__(self, points: int, features: Tensor) -> None:
        self._design = torch.cat([features.new_ones(len(features), 1), features], 1)
        terms = self._design.shape[1]
        self.count = 0
        self.squares = features.new_zeros(points)
        self._products = features.new_zeros(points, terms)
        self._gram = features.new_zeros(terms, terms)

    def add(self, rows: Tensor, landscape: Any, points: Tensor, indices: Tensor) -> None:
        """See the losses of more examples at the points of the rows, which have seen all examples before these."""
        view, design = landscape.take(indices), self._design[indices]
        size = max(1, ELEMENTS_AT_ONCE // max(len(indices), landscape.dim))
        for own, part in zip(rows.split(size), points.split(size), strict=True):
            losses = view.example_losses(part).double()
            self._products[own] += losses @ design
            self.squares[own] += losses.square().sum(1)
        self._gram += design.T @ design
        self.count += len(indices)

    def losses(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The losses over all examples and their standard errors, of the rows that have seen `count` examples."""
        total, terms = self._design.shape
        products, inverse = self._products[rows], torch.linalg.inv(self._gram)
        weights = products @ inverse
        rest = (self.squares[rows] - (weights * products).sum(1)).clamp(min=0)
        variances = rest / max(1, self.count - terms) * inverse[0, 0] * (1 - self.count / total)
        plain = products[:, 0] / self.count
        return torch.where(plain.isfinite(), weights[:, 0], plain), variances.sqrt()
