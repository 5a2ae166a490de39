"""Planes through given points: three that are not on one line, or the plane that many are nearest to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from nwedge._checks import check_same_shape
from nwedge.geometry.charts import Plane, check_same_space

FLAT = 1e-3
"""The sine of the angle between two lines below which they are taken for one."""
COLUMNS_AT_ONCE = 2**22
"""Numbers of the points that are held in float64 at once: 32 MiB."""


ROUNDING = 10
"""Rounding errors of the points below which a distance between them is none."""


class NoPlaneError(ValueError):
    """Points that lie on one line."""


def plane_through(a: Float[Tensor, " dim"], b: Float[Tensor, " dim"], c: Float[Tensor, " dim"]) -> Plane:
    """The plane through three points as displacements from `a`, its axes orthogonal and of norm 1.

    u = (b - a) / |b - a|, and v is the part of c - a normal to u, over its norm. So coordinates are distances, and the
    points are at (0, 0), (|b - a|, 0) and ((c - a) . u, (c - a) . v).

    Raises:
        ValueError: points of different shape, dtype or device, not flat or not finite.
        NoPlaneError: two are equal, or all lie on one line (the sine of its angle is below 1e-3).
    """
    check_same_space({"a": a, "b": b, "c": c})
    for name, point in (("a", a), ("b", b), ("c", c)):
        if not bool(point.isfinite().all()):
            raise ValueError(f"{name} must be finite; got NaN or infinity: choose a checkpoint before it diverged")
    first, second = b - a, c - a
    u = first / first.norm()
    v = second - (second @ u) * u
    v = v - (v @ u) * u  # what rounding left
    if not v.norm() > FLAT * second.norm():  # NaN where a and b are equal
        raise NoPlaneError("three points on one line span no plane: give another point, or draw the line through two")
    return Plane(u, v / v.norm())


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane through an origin that points are nearest to.

    Attributes:
        plane: displacements from the origin, its axes orthogonal and of norm 1.
        positions: the coordinates of each point, shape (point, 2): distances along the axes.
        off_plane: the distance of each point from the plane, shape (point,).
        distances: of each point from the origin, shape (point,).
        explained: the share of the squared distances that lies along each principal component, in decreasing order,
            shape (component,).
        variance: the share of the points' variance about their own mean that lies along each axis of the plane, shape
            (2,); where the center is far from that mean, it is not the share of the squared distances.
    """

    plane: Plane
    positions: Float64[Tensor, "point 2"]
    off_plane: Float64[Tensor, " point"]
    distances: Float64[Tensor, " point"]
    explained: Float64[Tensor, " component"]
    variance: Float64[Tensor, " axis"]


def principal_plane(points: Float[Tensor, "point dim"], center: Float[Tensor, " dim"]) -> PrincipalPlane:
    """The plane through `center` that points are nearest to: the first two right singular vectors of X = P - center.

    With the eigenvectors w of the matrix of inner products X X^T, of size (point, point), they are X^T w / |X^T w|:
    in float64, a few columns of X at a time. The point that is farthest along an axis is on its positive side.

    Args:
        points: shape (point, dim).
        center: the origin, shape (dim,).

    Raises:
        ValueError: one point, points that are not finite, or a center of another shape, dtype or device.
        NoPlaneError: the points are equal, or lie on one line with the center, as far as rounding tells.
    """
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"a plane needs at least 2 points, shape (point, dim); got {tuple(points.shape)}")
    check_same_shape(points[0], center, "center")
    if not bool(points.isfinite().all()):
        raise ValueError("points must be finite; got NaN or infinity: leave out what came after a divergence")
    width = max(1, COLUMNS_AT_ONCE // len(points))
    parts = [slice(start, start + width) for start in range(0, points.shape[1], width)]

    def deviations(part: slice) -> Tensor:
        return points[:, part].double() - center[part].double()

    gram = torch.zeros(len(points), len(points), dtype=torch.float64, device=points.device)
    for part in parts:
        gram += deviations(part) @ deviations(part).T
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    _check_rank(values, points)
    farthest = vectors.gather(0, vectors.abs().argmax(0)[None])
    top = (vectors * farthest.sign())[:, :2].T
    u, v = torch.cat([top @ deviations(part) for part in parts], 1)
    u = u / u.norm()
    v = v - (v @ u) * u
    axes = torch.stack([u, v / v.norm()])
    positions = torch.zeros(len(points), 2, dtype=torch.float64, device=points.device)
    for part in parts:
        positions += deviations(part) @ axes[:, part].T
    squares = gram.diagonal()
    off_plane = (squares - positions.square().sum(1)).clamp(min=0).sqrt()
    about_mean = squares.sum() - gram.mean() * len(points)
    return PrincipalPlane(
        plane=Plane(*axes.to(points.dtype)),
        positions=positions,
        off_plane=off_plane,
        distances=squares.sqrt(),
        explained=values[: min(points.shape)] / values.sum(),
        variance=(positions - positions.mean(0)).square().sum(0) / about_mean,
    )


def _check_rank(values: Tensor, points: Tensor) -> None:
    """Refuse squared singular values (in decreasing order) of which fewer than two are more than rounding."""
    rounding = (ROUNDING * torch.finfo(points.dtype).eps * points.double().norm()) ** 2
    if not values[0] > rounding:
        raise NoPlaneError("the points are equal to the center, so they span no plane: give points that differ")
    if not values[1] > max(rounding, ROUNDING * len(points) * torch.finfo(values.dtype).eps * values[0]):
        raise NoPlaneError("the points lie on one line, so they span no plane: draw the line through two of them")
