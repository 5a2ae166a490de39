"""Sections: training inside random affine planes, and the loss that each plane reaches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer, check_points
from nwedge._random import one_per_row, spawn
from nwedge.geometry.subspace import DENSE_BYTES, RandomSubspaces, check_dense, stored_bytes
from nwedge.landscape import Landscape, attached_loss, evaluate
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.descent import Schedule, descend

ROUNDS = 20
"""The most wedges on which a descent is polished; each is nearer than the last, and a few suffice."""
BYTES_AT_ONCE = 2**28
"""What the bases of the planes that are trained together may take: 256 MiB."""

Move = Callable[[Tensor, Tensor], Tensor]
"""From heights (short,) and slopes (short, d) to the coordinates of the least distance, (1, d)."""


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
    judge: Landscape | None = None,
    generator: Generator | Sequence[Generator],
) -> Section:
    """Train inside random d-dimensional affine planes: minimise L(o + Q c) over c from c = 0, one plane per origin o.

    All learning rates are tried in each plane, all planes and rates at once, and the rate that ends at the lowest full
    loss counts.

    On a wedge model the descents end with an exact polish, min over c of |B (o + Q c)| by least squares in float64, B
    being a basis of the short directions of one wedge; descent alone stops far above the plane's lowest point. Sampled
    wedges are tried one and all, so that the plane's lowest point is found whatever the descent. The complete family is
    polished from the end of each descent on the nearest wedge, until that stays the same (the concentration steps of
    least trimmed squares): descents at several rates end on several wedges and come lower than a polish of the origin
    alone (steps=0). The better of the polished and the unpolished point counts.

    Args:
        landscape: any landscape.
        origins: a point of each plane, where its training starts, shape (planes, dim).
        d: the dimension of the planes, 1 <= d <= dim.
        kind: of `nwedge.geometry.RandomSubspace`: "dense", "hadamard" or "sparse". All but "dense" train without a
            matrix, which the polish on a wedge model writes out. Sparse planes are not in general position to wedges
            along the axes, so the laws of `nwedge.landscapes.theory` do not hold for them.
        seeds: the draw of each plane's directions, one integer per plane.
        lr: the learning rates in units of c, whose axes are orthonormal; a number or several.
        steps: of each descent; 0 leaves the polish alone.
        optimizer: "sgd" or "adam".
        schedule: of the learning rate, as in `nwedge.descend`.
        judge: the landscape on which the losses reached are taken, such as the same network on fewer of its examples;
            None takes `landscape`.
        generator: of the minibatches: one, from which each plane's own stream is derived, or one per plane.

    Raises:
        ValueError, TypeError: origins that are not the landscape's, seeds of another number than the planes, no
            learning rate, a wedge model whose polish needs a basis of more than 2 GiB, or what `RandomSubspace` and
            `nwedge.descend` refuse.

    Source: Li et al. 2018, arXiv 1804.08838; FJ19 section 3.1, arXiv 1906.04724; for the concentration steps Rousseeuw
    and Van Driessen 2006, "Computing LTS regression for large data sets".
    """
    check_points(landscape, origins, "origins")
    if len(origins) == 0:
        raise ValueError("origins must hold at least one point: a section needs a plane to train in")
    if len(seeds) != len(origins):
        raise ValueError(f"expected one seed per plane, {len(origins)} in all; got {len(seeds)}")
    rates = torch.as_tensor(lr, dtype=landscape.dtype, device=landscape.device).flatten()
    if len(rates) == 0:
        raise ValueError("lr must hold at least one learning rate; got none")
    check_integer("d", d, 1, landscape.dim)
    polishes = isinstance(landscape, WedgeLandscape)
    if polishes:
        check_dense(landscape.dim, d, landscape.dtype, "the polish on wedges needs it, so take a smaller d")
    streams = one_per_row(generator, len(origins))
    held = stored_bytes("dense" if polishes else kind, landscape.dim, d, landscape.dtype)
    together = max(1, BYTES_AT_ONCE // held)
    best = []
    for first in range(0, len(origins), together):
        some = slice(first, first + together)
        chosen = RandomSubspaces(
            landscape.dim, d, kind, seeds=seeds[some], dtype=landscape.dtype, device=landscape.device
        )
        planes = _Planes(landscape, origins[some], chosen, len(rates))
        found = descend(
            planes,
            planes.initial(chosen.planes * len(rates), streams[first]),
            optimizer=optimizer,
            lr=rates.repeat(chosen.planes),
            steps=steps,
            schedule=schedule,
            generator=[own for stream in streams[some] for own in spawn(stream, len(rates))],
        )
        ends = planes.embed(found.points).view(chosen.planes, len(rates), -1)
        polished = _polished(landscape, ends, chosen, kind)
        best.extend(_best(judge or landscape, own, *twins, rates) for own, twins in zip(ends, polished, strict=True))
    return Section(*map(torch.stack, zip(*best, strict=True)))


def largest(landscape: Landscape, kind: str) -> int:
    """The largest dimension of planes that `section` takes: dim, or that of a basis of 2 GiB where it needs one."""
    if kind != "dense" and not isinstance(landscape, WedgeLandscape):
        return landscape.dim
    return min(landscape.dim, DENSE_BYTES // stored_bytes("dense", landscape.dim, 1, landscape.dtype))


class _Planes:
    """Planes side by side as a landscape over their coordinates: `rates` rows of a batch in each plane, in order."""

    def __init__(self, landscape: Landscape, origins: Tensor, subspaces: RandomSubspaces, rates: int) -> None:
        self.landscape, self.origins, self.subspaces, self.rates = landscape, origins, subspaces, rates
        self.dim, self.dtype, self.device = subspaces.dim, landscape.dtype, landscape.device

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points o + Q c, each row in the plane that is its own."""
        moves = self.subspaces.embed(coords.view(len(self.origins), self.rates, self.dim))
        return (self.origins[:, None] + moves).flatten(0, 1)

    def loss(self, points: Float[Tensor, "batch coords"]) -> Float[Tensor, " batch"]:
        """The loss of the whole landscape there."""
        return attached_loss(self.landscape, self.embed(points))

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Zeros: a plane is entered at its origin."""
        return torch.zeros(count, self.dim, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "_Planes":
        """The stochastic view of the whole landscape, seen through the same planes."""
        return _Planes(self.landscape.minibatch(generator), self.origins, self.subspaces, self.rates)


def _best(judge: Landscape, ends: Tensor, polished: Tensor, sources: Tensor, rates: Tensor) -> tuple[Tensor, ...]:
    """The lowest loss of one plane, its point and its rate, among the ends of the descents and their polished twins."""
    points = torch.cat([ends, polished])
    rows = torch.cat([torch.arange(len(ends), device=ends.device), sources])
    losses = evaluate(judge, points)
    lowest = losses.nan_to_num(nan=torch.inf).argmin()
    return losses[lowest], points[lowest], rates[rows[lowest]]


def _polished(landscape: Landscape, ends: Tensor, planes: RandomSubspaces, kind: str) -> list[tuple[Tensor, Tensor]]:
    """The polished twins of each plane's ends, which wedges have, and the row of the end that each started from."""
    if not isinstance(landscape, WedgeLandscape):
        return [(own[:0], torch.empty(0, dtype=torch.int64, device=own.device)) for own in ends]
    move = _move if kind == "dense" else _shortest_move
    bases = planes.matrices()
    return [_in_plane(landscape, own, basis.double(), move) for own, basis in zip(ends, bases, strict=True)]


def _in_plane(landscape: WedgeLandscape, ends: Tensor, basis: Tensor, move: Move) -> tuple[Tensor, Tensor]:
    """Points of a plane at the least distance from a wedge, and for each the row of the end that it started from."""
    if landscape.wedges is None:
        found = [_on_nearest(landscape, end[None], basis, move) for end in ends]
        return torch.cat(found), torch.arange(len(ends), device=ends.device)
    start = ends[:1].double()
    found = [start + move(short @ start[0], short @ basis) @ basis.T for short in _short_bases(landscape)]
    return torch.cat(found).to(ends.dtype), torch.zeros(len(found), dtype=torch.int64, device=ends.device)


def _short_bases(landscape: WedgeLandscape) -> list[Tensor]:
    """An orthonormal basis of the short directions of each sampled wedge, in float64."""
    if landscape.axes is not None:
        identity = torch.eye(landscape.dim, dtype=torch.float64, device=landscape.device)
        return [identity[axes[axes >= 0]] for axes in landscape.axes]
    assert landscape.bases is not None
    short = landscape.short
    return list(landscape.bases.double().split(short if isinstance(short, int) else list(short)))


def _on_nearest(landscape: WedgeLandscape, point: Tensor, basis: Tensor, move: Move) -> Tensor:
    """A point moved within its plane to the least distance from its nearest wedge, until that stays the same."""
    rounding = torch.finfo(point.dtype).eps * point.norm()
    reached = torch.inf
    for _ in range(ROUNDS):
        heights, slopes = _seen(landscape, point, basis)
        if not reached - heights.norm() > rounding:  # no nearer wedge than the last: it is the last
            break
        coords = move(heights, slopes)
        reached = (heights + slopes @ coords[0]).norm()
        point = point + (coords @ basis.T).to(point.dtype)
    return point


def _seen(landscape: WedgeLandscape, point: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """The short coordinates of the nearest wedge at a point, shape (short,), and along the plane, shape (short, d)."""
    if landscape.oriented == "axes":
        rows = landscape.nearest(point)[0]
        return point[0, rows].double(), basis[rows]
    short = landscape.short_basis(point)[0].double()
    return short @ point[0].double(), short @ basis


def _move(heights: Tensor, slopes: Tensor) -> Tensor:
    """The coordinates c of the least |heights + slopes c|, shape (1, d)."""
    if len(heights) == 0:
        return heights.new_zeros(1, slopes.shape[1])
    # "gels", whose result does not depend on where in memory the arrays lie; a uniform plane has full rank
    return torch.linalg.lstsq(slopes, -heights[:, None], driver="gels").solution.T


def _shortest_move(heights: Tensor, slopes: Tensor) -> Tensor:
    """The shortest of those coordinates, where the rank may be lower: many rows of other planes are parallel."""
    return -(torch.linalg.pinv(slopes) @ heights)[None]
