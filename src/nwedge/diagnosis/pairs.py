"""Every pair of points: the barrier between them, how they differ as functions, and the angle between them."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import derive, permutation, uniform
from nwedge.geometry import Chart
from nwedge.geometry.combination import OfVertices, Terms
from nwedge.landscape import ELEMENTS_AT_ONCE
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.restricted import restrict
from nwedge.methods.estimation import estimate
from nwedge.methods.tolerance import allowed
from nwedge.methods.tunnels import barrier

POSITIONS = 11
"""Even positions on a line, both ends included."""
TOLERANCE = 0.02
"""Of the losses on lines: the standard error, relative to the loss or to the floor."""
SAMPLE, AT_ONCE = 4000, 64
"""The least examples on which a point is seen where BatchNorm is recomputed, and the most points evaluated at once."""
FLOOR = 0.02
"""The loss below which the tolerance is absolute, as a share of the loss of blind guessing."""


class Segments(OfVertices):
    """The chart of all straight lines between points: coordinates are the weights of the points, at most two not 0.

    Args:
        points: shape (points, dim).
    """

    displaces = False

    def __init__(self, points: Float[Tensor, "points dim"]) -> None:
        self.vertices, (self.dim, self.ambient) = points, points.shape
        self.dtype, self.device = points.dtype, points.device

    def terms(self, coords: Float[Tensor, "batch points"]) -> Terms:
        """The two points on whose line each coordinate lies, and their weights."""
        weights, rows = coords.topk(min(2, self.dim))
        return rows, weights

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count points"]:
        """Uniform positions on random lines."""
        drawn = uniform((count, self.dim), generator, dtype=self.dtype, device=self.device)
        ends = drawn.topk(min(2, self.dim)).indices
        t = uniform((count, 1), generator, dtype=self.dtype, device=self.device)
        return torch.zeros_like(drawn).scatter_add(1, ends[:, [0, -1]], torch.cat([1 - t, t], 1))


@dataclass(frozen=True, eq=False)
class Pairs:
    """The straight lines between points.

    Attributes:
        losses: at the points, shape (points,).
        middles: at the middle of each line, shape (points, points).
        barriers: max over t of loss(t) - linear interpolation of the ends, shape (points, points).
        errors: standard errors of the barriers, shape (points, points).
    """

    losses: Float[np.ndarray, " points"]
    middles: Float[np.ndarray, "points points"]
    barriers: Float[np.ndarray, "points points"]
    errors: Float[np.ndarray, "points points"]


def lines(
    landscape: NetworkLandscape,
    points: Float[Tensor, "points dim"],
    *,
    blind: float,
    seed: int,
    hub: int | None = None,
    statistics: Float[Tensor, "points statistics"] | None = None,
) -> Pairs:
    """The losses on the straight lines between all pairs of points, from as few examples as their error allows.

    All points are seen on examples of one random order, so the errors of the ends and of the summit are not
    independent; they are added as if they were, which overstates the error of a barrier.

    Args:
        landscape: the training data, or any other.
        points: at least one.
        blind: the loss of blind guessing, the unit of the tolerance.
        seed: of the examples.
        hub: see only the lines to this point, the barriers and middles of all others being NaN.
        statistics: of BatchNorm at each point: they are interpolated like the weights, not recomputed.
    """
    count = len(points)
    t = torch.linspace(0, 1, POSITIONS, dtype=points.dtype, device=points.device)
    pairs = [(i, j) for i, j in combinations(range(count), 2) if hub is None or hub in (i, j)]
    ends = torch.eye(count, dtype=points.dtype, device=points.device)
    weights = torch.cat([ends, *(torch.lerp(ends[i], ends[j], t[1:-1, None]) for i, j in pairs)])
    along = None if statistics is None else weights @ statistics
    losses, errors = sampled_losses(landscape, Segments(points), weights, blind, seed, along)
    own, own_errors = losses[:count], errors[:count]
    inner = losses[count:].view(len(pairs), POSITIONS - 2)
    inner_errors = errors[count:].view(len(pairs), POSITIONS - 2)
    middles, barriers, spread = (np.full((count, count), np.nan) for _ in range(3))
    for matrix, value in ((middles, own.numpy()), (barriers, 0.0), (spread, 0.0)):
        np.fill_diagonal(matrix, value)
    for (i, j), row, row_errors in zip(pairs, inner, inner_errors, strict=True):
        line = torch.cat([own[i : i + 1], row, own[j : j + 1]])
        summit = int((line - torch.lerp(own[i], own[j], t.double().cpu())).argmax())
        line_errors = torch.cat([own_errors[i : i + 1], row_errors, own_errors[j : j + 1]])
        share = summit / (POSITIONS - 1)
        of_ends = math.hypot((1 - share) * own_errors[i].item(), share * own_errors[j].item())
        barriers[i, j] = barriers[j, i] = barrier(line[None]).item()
        spread[i, j] = spread[j, i] = math.hypot(line_errors[summit].item(), of_ends) if 0 < share < 1 else 0.0
        middles[i, j] = middles[j, i] = line[POSITIONS // 2].item()
    return Pairs(own.numpy(), middles, barriers, spread)


def angles(points: Float[Tensor, "points dim"]) -> Float[np.ndarray, "points points"]:
    """The angle between every two points as seen from the origin, in degrees."""
    unit = (points / points.norm(dim=1, keepdim=True)).double()
    found = [torch.stack([2 * torch.atan2((a - b).norm(), (a + b).norm()) for b in unit]) for a in unit]
    return torch.rad2deg(torch.stack(found)).cpu().numpy()


def sampled_losses(
    landscape: NetworkLandscape,
    chart: Chart,
    coords: Float[Tensor, "batch coords"],
    blind: float,
    seed: int,
    statistics: Float[Tensor, "batch statistics"] | None = None,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The losses of points of a chart from some of the examples, and their standard errors, in float64 on the CPU.

    Each point sees as many examples as its error asks for, few points being held at once. Without recomputed BatchNorm
    that is `nwedge.estimate`. With it, a point sees 4000, and then twice as many until its error is small enough;
    unless statistics are given, they are recomputed from the examples that it sees.
    """
    generator, floor = derive(seed, "examples of lines"), FLOOR * blind
    if not landscape.recomputes:
        found = estimate(restrict(landscape, chart), coords, tolerance=TOLERANCE, floor=floor, generator=generator)
        return found.losses.double().cpu(), found.standard_errors.double().cpu()
    total, count = landscape.examples, min(SAMPLE, landscape.examples)
    order = permutation(total, generator)
    at_once = max(1, min(AT_ONCE, ELEMENTS_AT_ONCE // chart.ambient))
    losses, errors = (torch.empty(len(coords), dtype=torch.float64, device=coords.device) for _ in range(2))
    rows = torch.arange(len(coords), device=coords.device)
    while len(rows):
        sample = landscape.take(order[:count], alone=True)
        for some in rows.split(at_once):
            own = None if statistics is None else statistics[some]
            each = sample.example_losses(chart.embed(coords[some]), own).double()
            losses[some] = each.mean(1)
            errors[some] = each.std(1) * math.sqrt((1 - count / total) / count)
        wide = losses[rows].isfinite() & (errors[rows] > allowed(losses[rows], TOLERANCE, floor))
        rows = rows[wide] if count < total else rows[:0]
        count = min(total, 2 * count)
    return losses.cpu(), errors.cpu()
