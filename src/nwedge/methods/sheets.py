"""Sheets: low-loss surfaces that span several optima at once."""

from itertools import combinations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points, check_positive
from nwedge._random import spawn
from nwedge.geometry import NormalSpace, Sheet
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, row_finite
from nwedge.methods.descent import Schedule, descend
from nwedge.methods.tunnels import span

METHODS = ("sheet", "pointwise")
LEAST_SAMPLES = 8
"""Points of the sheet that a step averages over, where there are few vertices."""


def m_tunnel(
    landscape: Landscape,
    optima: Float[Tensor, "m dim"],
    *,
    method: str = "sheet",
    steps: int = 1000,
    rate: float = 0.05,
    schedule: str | Schedule | None = "cosine",
    samples: int | None = None,
    generator: Generator,
) -> Sheet:
    """Find a low-loss sheet over m optima: the barycentric sheet, trained from the flat simplex.

    Methods:
        "sheet": all free vertices trained together on the mean loss over the sheet.
        "pointwise": each free vertex trained alone inside the affine subspace through its start that is normal to the
            flat simplex (FJ19, arXiv 1906.04724).

    Each is trained by Adam. The learning rate is `rate` times the root mean square, over pairs
    of optima and coordinates, of their differences: sqrt(2m / (m - 1)) times that of their deviations from their mean.
    So for two optima it is that of `nwedge.tunnel`, and for independent ones the same for every m.

    Args:
        landscape: any landscape.
        optima: all different, shape (m, dim), 2 <= m <= 16; there are 2^m - 1 - m free vertices.
        method: "sheet" or "pointwise".
        steps: of the training.
        rate: of the training, relative to the root mean square difference of the optima.
        schedule: of the rate, as `nwedge.descend` takes it.
        samples: points of the sheet that a step of "sheet" averages over, each moving m vertices; None takes one for
            every 8 vertices and at least 8: 128 for m = 10, where 8 would leave most vertices without enough steps.
        generator: of the minibatches and of the points of the sheet.

    Returns:
        The trained `Sheet`; `.sample(count, generator)` gives uniform points of it, `.center` and `.vertices` others.

    Raises:
        ValueError, TypeError: an unknown method, numbers out of range, or optima that are not the landscape's, too few
            or too many, not finite, or equal.
    """
    check_choice("method", method, METHODS)
    check_points(landscape, optima, "optima")
    check_integer("steps", steps, 0)
    check_positive("rate", rate)
    _check_optima(optima)
    sheet, m = Sheet(optima), len(optima)
    samples = max(LEAST_SAMPLES, 2**m // 8) if samples is None else samples
    check_integer("samples", samples, 1)
    deviation = (optima - optima.mean(0)).square().mean().sqrt().item()
    lr = rate * deviation * (2 * m / (m - 1)) ** 0.5
    if method == "sheet":
        return span(landscape, sheet, steps=steps, lr=lr, schedule=schedule, samples=samples, generator=generator)
    return _pointwise(landscape, sheet, steps, lr, schedule, generator)


def _pointwise(
    landscape: Landscape, sheet: Sheet, steps: int, lr: float, schedule: str | Schedule | None, generator: Generator
) -> Sheet:
    """Every vertex has its own stream, so a few at a time give what all at once would give."""
    edges = sheet.optima[1:] - sheet.optima[0]
    vertices = sheet.vertices.clone()
    free = torch.tensor(sheet.free, device=sheet.device)
    streams = spawn(generator, len(free))
    size = max(1, ELEMENTS_AT_ONCE // landscape.dim)
    for first in range(0, len(free), size):
        rows = free[first : first + size]
        start = sheet.vertices[rows]
        found = descend(
            landscape,
            start,
            optimizer="adam",
            lr=lr,
            steps=steps,
            schedule=schedule,
            constraint=NormalSpace(start, edges),
            generator=streams[first : first + size],
        )
        vertices[rows] = found.points
    return sheet.moved(vertices)


def _check_optima(optima: Tensor) -> None:
    broken = torch.nonzero(~row_finite(optima)).flatten().tolist()
    if broken:
        raise ValueError(f"optima must be finite; rows {broken} hold NaN or infinity: leave them out or load them anew")
    for first, second in combinations(range(len(optima)), 2):
        if torch.equal(optima[first], optima[second]):
            raise ValueError(f"optima {first} and {second} coincide: a sheet needs different points, so leave one out")
