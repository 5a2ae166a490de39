"""Loss profiles: how the distance to the nearest wedge becomes a loss, with derivatives that are 0 on the wedge."""

import torch
from jaxtyping import Float
from torch import Tensor

PROFILES = ("distance", "squared", "saturating")


def safe_sqrt(squares: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The square root whose first and second derivatives are 0, not infinite, at 0.

    Below tiny^(2/3), where the second derivative would overflow (roots below 3e-13 in float32, 3e-103 in float64), the
    root is 0.
    """
    zero = squares <= torch.finfo(squares.dtype).tiny ** (2 / 3)
    return torch.where(zero, 0, torch.where(zero, 1, squares).sqrt())


def distance_outside(squares: Float[Tensor, "*shape"], thickness: float) -> Float[Tensor, "*shape"]:
    """The distance max(0, sqrt(squares) - thickness) to a slab of that half-width."""
    distance = safe_sqrt(squares)
    return torch.relu(distance - thickness) if thickness > 0 else distance


def profile_loss(
    squares: Float[Tensor, "*shape"], profile: str, thickness: float, width: float
) -> Float[Tensor, "*shape"]:
    """The loss at distance d = max(0, sqrt(squares) - thickness).

    "distance": d. "squared": d^2, whose curvature is 2. "saturating": 1 - exp(-d^2 / (2 width^2)). The last two are
    computed without a root where the thickness is 0, so that their second derivatives are exact on the wedge.

    Args:
        squares: the squared norm of the short coordinates of the nearest wedge.
        profile: "distance", "squared" or "saturating".
        thickness: the half-width of the wedge, at least 0.
        width: the distance at which "saturating" levels off.
    """
    if profile == "distance":
        return distance_outside(squares, thickness)
    if thickness > 0:
        squares = distance_outside(squares, thickness).square()
    return squares if profile == "squared" else -torch.expm1(squares / (-2 * width**2))


def profile_derivatives(
    squares: Float[Tensor, "*shape"], profile: str, thickness: float, width: float
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """The `profile_loss` and its first two derivatives in q = `squares`, in closed form and without a graph.

    With r = sqrt(q) and d = max(0, r - thickness), d' = 1 / (2 r) and d'' = -1 / (4 r q) outside the slab, 0 in it.
    Arguments as in `profile_loss`.
    """
    if profile != "distance" and thickness == 0:
        value, slope, bend = squares, torch.ones_like(squares), torch.zeros_like(squares)
    else:
        root = safe_sqrt(squares)
        inside = root <= thickness  # false for NaN
        slope = (0.5 / root).masked_fill_(inside, 0)
        bend = (-0.5 * slope / squares).masked_fill_(inside, 0)
        value = (root - thickness).masked_fill_(inside, 0) if thickness > 0 else root
        if profile != "distance":
            value, slope, bend = value.square(), 2 * value * slope, 2 * (slope.square() + value * bend)
    if profile != "saturating":
        return value, slope, bend
    rate = 1 / (2 * width**2)
    loss = -torch.expm1(-rate * value)
    left = rate * (1 - loss)  # as automatic differentiation has it, here and in JAX
    return loss, left * slope, left * (bend - rate * slope.square())
