"""Every pair of points: the barrier between them, how they differ as functions, and the angle between them."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nwedge._random import choose, derive
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.methods.estimation import estimate
from nwedge.methods.tunnels import barrier

POSITIONS = 11
"""Even positions on a line, both ends included."""
TOLERANCE = 0.02
"""Of the losses on lines: the standard error, relative to the loss or to the floor."""
SAMPLE, AT_ONCE = 4000, 64
"""Examples on which lines are seen where BatchNorm is recomputed, and the points that are evaluated at once."""
FLOOR = 0.02
"""The loss below which the tolerance is absolute, as a share of the loss of blind guessing."""


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
) -> Pairs:
    """The losses on the straight lines between all pairs of points, from as few examples as their error allows.

    All points are seen on the same examples, so the errors of the ends and of the summit are not independent; they are
    added as if they were, which overstates the error of a barrier.

    Args:
        landscape: the training data, or any other.
        points: at least one.
        blind: the loss of blind guessing, the unit of the tolerance.
        seed: of the examples.
        hub: see only the lines to this point, the barriers and middles of all others being NaN.
    """
    count = len(points)
    t = torch.linspace(0, 1, POSITIONS, dtype=points.dtype, device=points.device)
    pairs = [(i, j) for i, j in combinations(range(count), 2) if hub is None or hub in (i, j)]
    between = [torch.lerp(points[i], points[j], t[1:-1, None]) for i, j in pairs]
    losses, errors = sampled_losses(landscape, torch.cat([points, *between]), blind, seed)
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
        ends = math.hypot((1 - share) * own_errors[i].item(), share * own_errors[j].item())
        barriers[i, j] = barriers[j, i] = barrier(line[None]).item()
        spread[i, j] = spread[j, i] = math.hypot(line_errors[summit].item(), ends) if 0 < share < 1 else 0.0
        middles[i, j] = middles[j, i] = line[POSITIONS // 2].item()
    return Pairs(own.numpy(), middles, barriers, spread)


def angles(points: Float[Tensor, "points dim"]) -> Float[np.ndarray, "points points"]:
    """The angle between every two points as seen from the origin, in degrees."""
    unit = (points / points.norm(dim=1, keepdim=True)).double()
    found = [2 * torch.atan2((row - unit).norm(dim=1), (row + unit).norm(dim=1)) for row in unit]
    return torch.rad2deg(torch.stack(found)).cpu().numpy()


def sampled_losses(
    landscape: NetworkLandscape, points: Float[Tensor, "points dim"], blind: float, seed: int
) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
    """The losses from some of the examples, and their standard errors, in float64 on the CPU.

    Without recomputed BatchNorm each point sees as many examples as its error asks for (`nwedge.estimate`). With it,
    all see the same few thousand, from which the statistics are recomputed, too.
    """
    generator = derive(seed, "examples of lines")
    if not landscape.recomputes:
        found = estimate(landscape, points, tolerance=TOLERANCE, floor=FLOOR * blind, generator=generator)
        return found.losses.double().cpu(), found.standard_errors.double().cpu()
    total, count = landscape.examples, min(SAMPLE, landscape.examples)
    sample = landscape.take(choose(total, count, generator), alone=True)
    each = [sample.example_losses(some).double() for some in points.split(AT_ONCE)]
    spread = torch.cat([losses.std(1) for losses in each]) * math.sqrt((1 - count / total) / count)
    return torch.cat([losses.mean(1) for losses in each]).cpu(), spread.cpu()
