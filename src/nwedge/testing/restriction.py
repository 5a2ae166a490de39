"""The law of restriction: a landscape seen through a chart is the landscape at the embedded points."""

import torch
from torch import Tensor

from nwedge._random import uniform
from nwedge.geometry import Line, Plane
from nwedge.landscape import evaluate, gradient
from nwedge.landscapes.restricted import RestrictedLandscape, restrict
from nwedge.testing.case import ROUNDING, Case
from nwedge.testing.derivatives import is_attached


def restriction_commutes_with_embedding(case: Case) -> None:
    """L'(c) = L(P) and dL'/dc = J^T dL/dP, with P = O + c0 u + c1 v in a plane and P = a + c (b - a) on a line."""
    origin, end = case.points[0], case.points[1]
    u, v = case.directions("plane")[:2]
    coords = uniform((3, 2), case.generator("coordinates"), dtype=origin.dtype, device=origin.device)
    plane = restrict(case.landscape, Plane(u, v), origin)
    _commutes(case, "plane", plane, coords, origin + coords[:, :1] * u + coords[:, 1:] * v, torch.stack([u, v]))
    line, along = restrict(case.landscape, Line(origin, end)), coords[:, :1]
    _commutes(case, "line", line, along, origin + along * (end - origin), (end - origin)[None])


def _commutes(case: Case, kind: str, seen: RestrictedLandscape, coords: Tensor, points: Tensor, axes: Tensor) -> None:
    law, losses = "restriction", evaluate(case.landscape, points)
    expected = f"the loss on a {kind} to be the loss at its points"
    case.require_equal(evaluate(seen, coords), losses, law, expected)
    if is_attached(case):  # through a chart only the loss is differentiated
        slopes = gradient(case.landscape, points)
        error = (gradient(seen, coords) - slopes @ axes.T).norm(dim=1)
        allowed = case.algebra * (slopes @ axes.T).norm(dim=1) + ROUNDING * case.eps * slopes.norm(dim=1) * axes.norm()
        case.require_median(error, allowed, law, f"the gradient on a {kind} to be J^T times the gradient at its points")
