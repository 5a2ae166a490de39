"""Sections: training inside random affine planes, and the loss that each plane reaches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points
from nwedge._random import one_per_row
from nwedge.geometry import RandomSubspace
from nwedge.landscape import Landscape, evaluate
from nwedge.landscapes.restricted import RestrictedLandscape, restrict
from nwedge.methods.descent import Schedule, descend

ROUNDS = 20
"""The most wedges on which a descent is polished; each is nearer than the last, and a few suffice."""

Basis = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Section:
    """What training in random planes reached, each plane at its best learning rate.

    Attributes:
        losses: the full loss reached in each plane, shape (planes,); NaN where every rate ended in NaN.
        points: where, shape (planes, dim).
        lr: the learning rate that reached it, shape (planes,).
    """

    losses: Float[Tensor, " planes"]
    points: Float[Tensor, "planes dim"]
    lr: Float[Tensor, " planes"]


def section(
    landscape: Landscape,
    origins: Float[Tensor, "planes dim"],
    d: int,
    *,
    kind: str = "dense",
    seeds: Sequence[int],
    lr: float | Sequence[float],
    steps: int,
    optimizer: str = "adam",
    schedule: str | Schedule | None = "cosine",
    generator: Generator | Sequence[Generator],
) -> Section:
    """Train inside random d-dimensional affine planes: minimise L(o + Q c) over c from c = 0, one plane per origin o.

    All learning rates are tried in each plane at once, and the one that ends at the lowest full loss counts.

    On a landscape with `short_basis` (the wedge model) each descent ends with an exact polish: min over c of
    |B (o + Q c)| by least squares in float64, B being the basis of the short directions of the nearest wedge, until the
    nearest wedge stays the same; descent alone stops far above the plane's lowest point. The better of the polished
    and the unpolished point counts.

    Args:
        landscape: any landscape.
        origins: a point of each plane, where its training starts, shape (planes, dim).
        d: the dimension of the planes, 1 <= d <= dim.
        kind: of `nwedge.geometry.RandomSubspace`.
        seeds: the draw of each plane's directions, one integer per plane.
        lr: the learning rates in units of c, whose axes are orthonormal; a number or several.
        steps: of each descent; 0 leaves the polish alone.
        optimizer: "sgd" or "adam".
        schedule: of the learning rate, as in `nwedge.descend`.
        generator: of the minibatches: one, from which each plane's own stream is derived, or one per plane.

    Raises:
        ValueError, TypeError: origins that are not the landscape's, seeds of another number than the planes, no
            learning rate, or what `RandomSubspace` and `nwedge.descend` refuse.

    Source: Li et al. 2018, arXiv 1804.08838; FJ19 section 3.1, arXiv 1906.04724.
    """
    check_points(landscape, origins, "origins")
    if len(origins) == 0:
        raise ValueError("origins must hold at least one point: a section needs a plane to train in")
    if len(seeds) != len(origins):
        raise ValueError(f"expected one seed per plane, {len(origins)} in all; got {len(seeds)}")
    rates = torch.as_tensor(lr, dtype=landscape.dtype, device=landscape.device).flatten()
    if len(rates) == 0:
        raise ValueError("lr must hold at least one learning rate; got none")
    polish: Basis | None = getattr(landscape, "short_basis", None)
    best = []
    for origin, seed, stream in zip(origins, seeds, one_per_row(generator, len(origins)), strict=True):
        chart = RandomSubspace(landscape.dim, d, kind, seed, dtype=landscape.dtype, device=landscape.device)
        plane = restrict(landscape, chart, origin)
        start = plane.initial(len(rates), stream)
        found = descend(
            plane, start, optimizer=optimizer, lr=rates, steps=steps, schedule=schedule, generator=stream
        ).points
        points = plane.embed(found)
        losses = evaluate(landscape, points)
        if polish is not None:
            polished = _polished(plane, points, polish)
            lower = evaluate(landscape, polished)
            points = torch.where((lower < losses)[:, None], polished, points)
            losses = torch.where(lower < losses, lower, losses)
        row = losses.nan_to_num(nan=torch.inf).argmin()
        best.append((losses[row], points[row], rates[row]))
    losses, points, chosen = map(torch.stack, zip(*best, strict=True))
    return Section(losses, points, chosen)


def _polished(plane: RestrictedLandscape, points: Tensor, short_basis: Basis) -> Tensor:
    """The points moved within their plane to the least distance from their nearest wedges."""
    identity = torch.eye(plane.dim, dtype=plane.dtype, device=plane.device)
    directions = plane.chart.embed(identity).double()
    return torch.cat([_polished_point(point[None], directions, short_basis) for point in points])


def _polished_point(point: Tensor, directions: Tensor, short_basis: Basis) -> Tensor:
    rounding = torch.finfo(point.dtype).eps * point.norm()
    reached = torch.inf
    for _ in range(ROUNDS):
        basis = short_basis(point)[0].double()
        basis = basis[basis.any(1)]  # without its padding: least squares on a GPU want full rank
        heights = point.double() @ basis.T
        if len(basis) == 0 or not reached - heights.norm() > rounding:  # no nearer wedge than the last: it is the last
            break
        slopes = basis @ directions.T
        move = torch.linalg.lstsq(slopes, -heights.T).solution
        reached = (heights + move.T @ slopes.T).norm()
        point = point + (move.T @ directions).to(point.dtype)
    return point
