"""Known long directions at a point: where the nearest wedge is long, or normal to the directions that are short."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer, check_positive
from nwedge._random import normal
from nwedge.landscape import Landscape
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.curvature import SMALL, SmoothedHessian
from nwedge.methods.eigenvectors import Eigenvectors, largest_eigenvectors

FIRST, MOST = 16, 512
"""Eigenvectors that are sought at first, and at most, where the dimension is too large for all of them."""
RESIDUAL = 1e-2
"""The relative accuracy to which they are found."""


@dataclass(frozen=True)
class LongDirections:
    """Long directions at a point.

    Attributes:
        directions: unit vectors, shape (direction, dim); none where every direction is short.
        short: how many short directions they are normal to.
        capped: whether there are more short directions than were sought.
    """

    directions: Float[Tensor, "direction dim"]
    short: int
    capped: bool


def long_directions(
    landscape: Landscape,
    point: Float[Tensor, " dim"],
    count: int,
    *,
    threshold: float,
    radius: float = 0.0,
    generator: Generator,
) -> LongDirections:
    """Random unit vectors normal to every short direction at a point, uniform among those.

    * On wedges the short directions are those of the nearest wedge; where it is axis-aligned, every other vector is a
      single long axis.
    * Elsewhere they are the eigenvectors with an eigenvalue above the threshold of the Hessian, averaged over a ball:
      all of them up to 1,500 dimensions, beyond at most the 512 largest.

    Args:
        landscape: any landscape; it is twice differentiable almost everywhere where it is not made of wedges.
        point: shape (dim,).
        count: how many.
        threshold: the curvature above which a direction is short.
        radius: of the ball, relative to the root mean square coordinate of the point (see `SmoothedHessian`).
        generator: of the directions and the ball.

    Raises:
        ValueError, TypeError: a point that is not the landscape's, a count below 1, a threshold or a radius that is not
            positive.
        FloatingPointError: the Hessian is not finite.
    """
    check_integer("count", count, 1)
    check_positive("threshold", threshold)
    if isinstance(landscape, WedgeLandscape):
        basis = landscape.short_basis(point[None])[0]
        short, capped = basis[basis.norm(dim=1) > 0], False
    else:
        hessian = SmoothedHessian(landscape, point, radius=radius, generator=generator)
        short, capped = _short_directions(hessian, threshold, generator)
    if len(short) >= landscape.dim:
        return LongDirections(short[:0], len(short), capped)
    draws = normal((count, landscape.dim), generator, dtype=point.dtype, device=point.device)
    if isinstance(landscape, WedgeLandscape) and landscape.oriented == "axes":
        draws[1::2] = _single_axes(short, len(draws[1::2]), generator)
    for _ in range(2):  # the second time removes what rounding left
        draws = draws - (draws @ short.T) @ short
    return LongDirections(draws / draws.norm(dim=1, keepdim=True), len(short), capped)


def _single_axes(short: Tensor, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
    """Unit vectors along random long axes of an axis-aligned wedge."""
    long = (short.abs().sum(0) == 0).nonzero().flatten()
    chosen = long[torch.randint(len(long), (count,), generator=generator).to(long.device)]
    return torch.zeros(count, short.shape[1], dtype=short.dtype, device=short.device).scatter_(1, chosen[:, None], 1.0)


def _short_directions(hessian: SmoothedHessian, threshold: float, generator: Generator) -> tuple[Tensor, bool]:
    """The eigenvectors above the threshold as rows, and whether there are more."""
    landscape = hessian.landscape
    if hessian.dim <= SMALL:
        values, vectors = torch.linalg.eigh(hessian.matrix())
        return vectors.T[values > threshold].to(landscape.device, landscape.dtype), False

    def largest(count: int) -> Eigenvectors:
        return largest_eigenvectors(hessian, count, tolerance=RESIDUAL, generator=generator)

    count = FIRST
    found = largest(count)
    while found.values.min() > threshold and count < MOST:
        count *= 2
        found = largest(count)
    return found.vectors[found.values > threshold], bool(found.values.min() > threshold)
