"""What the wedge model predicts in closed form.

The laws hold for the "distance" profile and thickness 0, where the loss is the distance to the nearest wedge. Those
that give a loss give its root mean square over the random directions. Every argument is a number or a tensor, and so is
the result. FJ19 is Fort and Jastrzebski, NeurIPS 2019, arXiv 1906.04724.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from nwedge._checks import check_choice

Value = float | int | Tensor


def section_loss(dim: Value, short: Value, d: Value, radius: Value) -> Value:
    """The best loss on a random affine d-plane through a random point: R sqrt(max(0, s - d) / D), a root mean square.

    Exact for one wedge; with many, the best loss is lower. FJ19.

    Args:
        dim: the dimension D.
        short: the number s of short directions.
        d: the dimension of the plane.
        radius: the distance R from the origin of the point, whose direction is uniform.
    """
    return radius * (_positive_part(short - d) / dim) ** 0.5


def section_threshold(dim: Value, short: Value, level: Value, radius: Value) -> Value:
    """The dimension from which a random affine plane reaches a loss level: d_lim = s - D l^2 / R^2, s as l/R -> 0.

    It inverts `section_loss`: exact for one wedge; with many, the threshold is lower. FJ19 for the limit.

    Args:
        dim: the dimension D.
        short: the number s of short directions.
        level: the absolute loss level l that counts as success.
        radius: the distance R of the plane's point from the origin.
    """
    return short - dim * (level / radius) ** 2


def probe_loss(dim: Value, short: Value, loss: Value, distance: Value) -> Value:
    """The loss seen in a random direction: sqrt(L0^2 + a^2 s / D), a root mean square over directions.

    Single directions depart from it by O(1/sqrt(s)), so the wedge looks like a round well. Exact for one wedge, and for
    a sampled family while the nearest wedge stays the same; the complete family has a nearer wedge at once, and lies
    below. FJ19 section 3.3.

    Args:
        dim: the dimension D.
        short: the number s of short directions.
        loss: the loss L0 at the start.
        distance: the distance a from it.
    """
    return (loss**2 + distance**2 * short / dim) ** 0.5


def rotated_loss(dim: Value, short: Value, radius: Value, angle: Value) -> Value:
    """The loss of an optimum rotated about the origin toward a random direction: R sin(t) sqrt(s / D).

    The root mean square over directions has D - 1 in place of D, since the direction is normal to the optimum: larger
    by 1/(2D). Otherwise exact where `probe_loss` is. FJ19.

    Args:
        dim: the dimension D.
        short: the number s of short directions.
        radius: the distance R of the optimum, whose loss is 0, from the origin.
        angle: the angle t in radians, from 0 to pi.
    """
    sine = torch.sin(angle) if isinstance(angle, Tensor) else math.sin(angle)
    return radius * sine * (short / dim) ** 0.5


def radial_angle(dim: Value, short: Value, radius: Value, level: Value) -> Value:
    """The angular width of the radial tunnel at a loss level: t = asin(l / (R sqrt(s / D))), in radians.

    It inverts `rotated_loss`. A level above R sqrt(s / D) is never crossed: the width is then infinite (not pi/2, where
    the loss would be at the level, and not NaN, which stands for a start above the level), to be counted as censored.

    Args:
        dim: the dimension D.
        short: the number s of short directions.
        radius: the distance R of the optimum from the origin.
        level: the loss level l, above 0.
    """
    highest = radius * (short / dim) ** 0.5
    ratio = level / highest if isinstance(highest, Tensor) or highest > 0 else math.inf
    if isinstance(ratio, Tensor):
        return torch.where(ratio > 1, torch.inf, ratio.clamp(max=1).asin())
    return math.asin(ratio) if ratio <= 1 else math.inf


def meeting_short_directions(dim: Value, short: Value, m: Value, oriented: str = "axes") -> Value:
    """The number of short directions where m independent sampled wedges meet.

    Axis-aligned: the expected size of the union of m random sets, D [1 - (1 - s/D)^m], about m s for s << D. Randomly
    oriented: min(D, m s), almost surely. Both need m distinct wedges. FJ19 for m s.

    Args:
        dim: the dimension D.
        short: the number s of short directions of each wedge.
        m: the number of wedges that meet.
        oriented: "axes" or "random".

    Raises:
        ValueError: another orientation.
    """
    check_choice("oriented", oriented, ("axes", "random"))
    if oriented == "axes":
        return dim * (1 - (1 - short / dim) ** m)
    return m * short - _positive_part(m * short - dim)


def exact_tunnel(
    first: Float[Tensor, " dim"],
    second: Float[Tensor, " dim"],
    short_first: Int64[Tensor, " first"],
    short_second: Int64[Tensor, " second"],
) -> Float[Tensor, "4 dim"]:
    """The tunnel between optima on two axis-aligned wedges, with loss 0 all along.

    Its vertices are P1, P1 with the short axes S2 zeroed, P2 with S1 zeroed, P2: the first segment stays on the first
    wedge, the middle one where they meet, the last one on the second.

    Args:
        first: P1, on the first wedge.
        second: P2, on the second wedge.
        short_first: the short axes S1 of the first wedge; negative numbers are padding.
        short_second: the short axes S2 of the second wedge.

    Returns:
        The 4 vertices in order, shape (4, dim).
    """
    bends = torch.stack([first, second])
    bends[0, short_second[short_second >= 0]] = 0.0
    bends[1, short_first[short_first >= 0]] = 0.0
    return torch.stack([first, *bends, second])


def exact_tunnel_oriented(
    first: Float[Tensor, " dim"],
    second: Float[Tensor, " dim"],
    short_first: Float[Tensor, "first dim"],
    short_second: Float[Tensor, "second dim"],
) -> Float[Tensor, "4 dim"]:
    """The tunnel between optima on two wedges of any orientation, with loss 0 all along.

    Its vertices are P1, P1 and P2 projected onto the complement of span(S1) + span(S2), where the wedges meet, and P2.

    Args:
        first: P1, on the first wedge.
        second: P2, on the second wedge.
        short_first: a basis of the short directions S1 of the first wedge, as rows; rows of zeros are padding.
        short_second: a basis of the short directions S2 of the second wedge.

    Returns:
        The 4 vertices in order, shape (4, dim).
    """
    both = torch.cat([short_first, short_second])
    _, sizes, directions = torch.linalg.svd(both, full_matrices=False)
    spanned = directions[sizes > len(both) * torch.finfo(both.dtype).eps * sizes.max()] if len(both) else both
    bends = torch.stack([first, second])
    bends = bends - (bends @ spanned.T) @ spanned
    return torch.stack([first, *bends, second])


def _positive_part(value: Value) -> Value:
    return (value + abs(value)) / 2
