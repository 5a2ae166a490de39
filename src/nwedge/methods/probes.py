"""Probes: what a low-loss point looks like from itself, along random or given directions and around the origin."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from nwedge._checks import check_integer, check_points, check_positive
from nwedge._random import normal
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, evaluate

HALVINGS = 12
"""Bisections of the step of a grid in which the loss crosses the level: its width shrinks by 4,096."""
EXTENT_CAP = 10.0
"""Extents are followed up to this many |P|, or up to this distance where |P| < 1."""
EXTENT_GRID = tuple(2 ** (power / 2 - 10) for power in range(21))
"""Where extents first look, relative to the cap: from cap / 1024 to the cap, each sqrt(2) times the one before."""
UNIT_TOLERANCE = 1e-3
"""How far the norm of a unit direction may be from 1."""

Curves = Callable[[Tensor, Tensor], Tensor]
"""From rows and one position for each to their losses: those of the rows' points at these positions."""


@dataclass(frozen=True)
class RadialWidth:
    """How far points can be rotated toward random directions, at their distance from the origin, below a loss level.

    Attributes:
        level: the loss level.
        angles: of the first crossing in (0, pi/2], in radians, shape (point, direction); infinite where there is none
            (as in `nwedge.landscapes.theory.radial_angle`), NaN where the start is above the level or a loss is NaN.
        censored: where there is no crossing by 90 degrees, shape (point, direction).
        undefined: points whose own loss is above the level, or NaN, shape (point,).
    """

    level: float
    angles: Float[Tensor, "point direction"]
    censored: Bool[Tensor, "point direction"]
    undefined: Bool[Tensor, " point"]

    @property
    def crossed(self) -> Bool[Tensor, "point direction"]:
        """Where the level is crossed: the rest is censored or NaN."""
        return self.angles.isfinite()

    @property
    def mean(self) -> Float[Tensor, " point"]:
        """The mean angle over the directions that cross, shape (point,); NaN where none does. Count the others."""
        return self._crossings().nanmean(1)

    @property
    def standard_error(self) -> Float[Tensor, " point"]:
        """The standard error of `mean` over the directions that cross, shape (point,); NaN for fewer than two."""
        count = self.crossed.sum(1)
        squares = (self._crossings() - self.mean[:, None]).square().nansum(1)
        return torch.where(count > 1, squares / (count - 1) / count, torch.nan).sqrt()

    def _crossings(self) -> Tensor:
        return torch.where(self.crossed, self.angles, torch.nan)


def random_directions(point: Tensor, count: int, generator: Generator) -> Float[Tensor, "direction dim"]:
    """`count` unit vectors, uniform on the sphere, of the dimension, dtype and device of a point, shape (count, dim).

    They are those along which `probe` looks with the same generator.

    Raises:
        ValueError, TypeError: a point that is not flat, or no direction.
    """
    if point.ndim != 1:
        raise ValueError(f"point must be a flat vector of shape (dim,); got {tuple(point.shape)}")
    check_integer("count", count, 1)
    return torch.cat(list(_isotropic(point, count, generator)))


def probe(
    landscape: Landscape,
    point: Float[Tensor, " dim"],
    distances: Float[Tensor, " distance"],
    *,
    directions: int,
    generator: Generator,
) -> Float[Tensor, "direction distance"]:
    """The losses at P + a u for random unit directions u, a few directions at a time.

    On one wedge their root mean square over directions is `nwedge.landscapes.theory.probe_loss`.

    Args:
        landscape: any landscape.
        point: P, shape (dim,).
        distances: a, all positive, shape (distance,).
        directions: how many, uniform on the sphere: those of `random_directions` with the same generator.
        generator: of the directions.

    Returns:
        Losses, shape (directions, distance); a NaN stays a NaN.

    Raises:
        ValueError, TypeError: a point that is not the landscape's, distances that are not positive, no direction.

    Source: FJ19 (arXiv 1906.04724), section 3.3.
    """
    _check_point(landscape, point)
    check_integer("directions", directions, 1)
    if distances.ndim != 1 or len(distances) == 0 or not bool(((distances > 0) & distances.isfinite()).all()):
        raise ValueError(f"distances must be one or more positive numbers, of shape (distance,); got {distances}")
    reach = distances.to(point)
    blocks = [
        torch.stack([evaluate(landscape, point + a * block) for a in reach], dim=1)
        for block in _isotropic(point, directions, generator)
    ]
    return torch.cat(blocks)


def extent(
    landscape: Landscape,
    point: Float[Tensor, " dim"],
    directions: Float[Tensor, "direction dim"],
    level: float,
    *,
    most: float | None = None,
) -> tuple[Float[Tensor, " direction"], Bool[Tensor, " direction"]]:
    """How far one can go from a point along each direction before the loss first exceeds a level.

    The losses at P + a u are taken at 21 geometric distances a from most / 1024 to most, outward to the first that
    exceeds the level; the step before it is bisected 12 times. What rises and falls again within a step is not seen.

    Args:
        landscape: any landscape.
        point: P, shape (dim,).
        directions: unit vectors u, shape (direction, dim).
        level: the loss level.
        most: the cap, at which one stops; None takes 10 |P|, or 10 where |P| < 1.

    Returns:
        The extents, shape (direction,): the cap itself where the level is not exceeded by then, NaN where the start is
        above the level or a loss on the way is NaN; and where they are censored, that is capped, shape (direction,).

    Raises:
        ValueError, TypeError: a point or directions that are not the landscape's, directions that are not of length 1,
            a level that is not finite, or a cap that is not positive.
    """
    _check_extent(landscape, point, directions, level)
    grid = _extent_grid(point, extent_cap(point) if most is None else most)
    below = evaluate(landscape, point[None]) <= level
    parts = []
    for block in directions.split(_rows_at_once(landscape)):

        def losses(rows: Tensor, distances: Tensor, block: Tensor = block) -> Tensor:
            return evaluate(landscape, point + distances[:, None] * block[rows])

        parts.append(_first_crossing(losses, below.expand(len(block)), grid, level))
    found = torch.cat(parts) if parts else point.new_empty(0)
    censored = found.isinf()
    return torch.where(censored, grid[-1], found), censored


def extent_cap(point: Float[Tensor, " dim"]) -> float:
    """The distance up to which extents from a point are followed: 10 |P|, or 10 where |P| < 1."""
    return EXTENT_CAP * max(1.0, point.norm().item())


def mean_extent(
    landscape: Landscape, point: Float[Tensor, " dim"], directions: Float[Tensor, "direction dim"], level: float
) -> float:
    """The distance at which the mean loss over directions first exceeds a level, sought as by `extent`.

    Args:
        landscape: any landscape.
        point: P, shape (dim,).
        directions: unit vectors, at least one, shape (direction, dim).
        level: the loss level.

    Returns:
        The distance: infinite where the level is not exceeded up to the cap, NaN where the start is above the level or
        the mean is NaN before.

    Raises:
        ValueError, TypeError: as `extent`.
    """
    _check_extent(landscape, point, directions, level)

    def mean(rows: Tensor, distances: Tensor) -> Tensor:
        means = [evaluate(landscape, point + distance * directions).mean() for distance in distances]
        return torch.stack(means) if means else distances

    below = evaluate(landscape, point[None]) <= level
    return _first_crossing(mean, below, _extent_grid(point, extent_cap(point)), level).item()


def radial_width(
    landscape: Landscape,
    points: Float[Tensor, "point dim"],
    level: float,
    *,
    directions: int,
    generator: Generator,
    steps: int = 18,
    halvings: int = HALVINGS,
) -> RadialWidth:
    """How far each point can be rotated about the origin toward random directions before the loss crosses a level.

    P(t) = |P| (cos t P/|P| + sin t u) with u uniform among the unit vectors normal to P. The losses are taken at
    `steps` even angles up to 90 degrees, outward to the first that exceeds the level; the step before it is bisected
    `halvings` times. On one wedge, from an optimum, the angle is `nwedge.landscapes.theory.radial_angle` up to
    O(1/sqrt(s)).

    Args:
        landscape: any landscape of at least 2 dimensions.
        points: none at the origin, shape (point, dim).
        level: the loss level.
        directions: how many for each point, each point having its own.
        generator: of the directions.
        steps: angles of the grid.
        halvings: bisections, so that an angle is known to 45 degrees / (steps 2^halvings).

    Raises:
        ValueError, TypeError: points that are not the landscape's or lie at the origin, a level that is not finite, or
            numbers out of range.

    Source: FJ19 (arXiv 1906.04724), figure 5.
    """
    check_points(landscape, points)
    _check_level(level)
    check_integer("directions", directions, 1)
    check_integer("steps", steps, 1)
    check_integer("halvings", halvings, 0)
    check_integer("the dimension in which points rotate", landscape.dim, 2)
    radius = points.norm(dim=1, keepdim=True)
    if bool((radius == 0).any()):
        raise ValueError("points must not lie at the origin, about which they are rotated: leave the zero rows out")
    axes = points / radius
    grid = math.pi / 2 * torch.arange(1, steps + 1, dtype=points.dtype, device=points.device) / steps
    below = evaluate(landscape, points) <= level
    parts = []
    for owner in (
        torch.arange(len(points), device=points.device).repeat_interleave(directions).split(_rows_at_once(landscape))
    ):
        turned = _unit_normals(axes[owner], generator)

        def losses(rows: Tensor, angles: Tensor, owner: Tensor = owner, turned: Tensor = turned) -> Tensor:
            t, own = angles[:, None], owner[rows]
            return evaluate(landscape, radius[own] * (t.cos() * axes[own] + t.sin() * turned[rows]))

        parts.append(_first_crossing(losses, below[owner], grid, level, halvings))
    angles = torch.cat(parts).view(len(points), directions)
    return RadialWidth(level=level, angles=angles, censored=angles.isinf(), undefined=~below)


def _first_crossing(
    curves: Curves, below: Tensor, grid: Tensor, level: float, halvings: int = HALVINGS
) -> Float[Tensor, " row"]:
    """Where each curve that starts below the level first exceeds it on the grid, refined by bisection.

    Infinite where it never does; NaN where the start is not below, or where the loss becomes NaN before.
    """
    inside = grid.new_zeros(len(below))
    outside = torch.where(below, torch.inf, torch.nan).to(grid)
    for position in grid:
        rows = outside.isinf().nonzero().flatten()
        losses = curves(rows, position.expand(len(rows)))
        _narrow(inside, outside, rows, position, losses, level)
    for _ in range(halvings):
        rows = outside.isfinite().nonzero().flatten()
        middle = (inside[rows] + outside[rows]) / 2
        _narrow(inside, outside, rows, middle, curves(rows, middle), level)
    return torch.where(outside.isfinite(), (inside + outside) / 2, outside)


def _narrow(inside: Tensor, outside: Tensor, rows: Tensor, position: Tensor, losses: Tensor, level: float) -> None:
    """Move one end of each row's bracket to a position, by the loss there."""
    inside[rows] = torch.where(losses <= level, position, inside[rows])
    beyond = torch.where(losses.isnan(), torch.nan, position)
    outside[rows] = torch.where(losses <= level, outside[rows], beyond)


def _isotropic(point: Tensor, count: int, generator: Generator) -> Iterator[Tensor]:
    """Unit vectors, uniform on the sphere, in blocks that hold 2^22 coordinates."""
    block = max(1, ELEMENTS_AT_ONCE // len(point))
    for first in range(0, count, block):
        shape = (min(block, count - first), len(point))
        draws = normal(shape, generator, dtype=point.dtype, device=point.device)
        yield draws / draws.norm(dim=1, keepdim=True)


def _unit_normals(axes: Tensor, generator: Generator) -> Tensor:
    """For each unit axis a unit vector, uniform among those normal to it."""
    draws = normal(axes.shape, generator, dtype=axes.dtype, device=axes.device)
    draws = draws - (draws * axes).sum(1, keepdim=True) * axes
    return draws / draws.norm(dim=1, keepdim=True)


def _rows_at_once(landscape: Landscape) -> int:
    return max(1, ELEMENTS_AT_ONCE // landscape.dim)


def _check_point(landscape: Landscape, point: Tensor) -> None:
    if tuple(point.shape) != (landscape.dim,):
        raise ValueError(f"point must be a flat vector of shape ({landscape.dim},); got {tuple(point.shape)}")
    check_points(landscape, point[None], "point")


def _extent_grid(point: Tensor, cap: float) -> Tensor:
    check_positive("most", cap)
    return cap * torch.tensor(EXTENT_GRID, dtype=point.dtype, device=point.device)


def _check_extent(landscape: Landscape, point: Tensor, directions: Tensor, level: float) -> None:
    _check_point(landscape, point)
    check_points(landscape, directions, "directions")
    _check_unit(directions)
    _check_level(level)


def _check_level(level: float) -> None:
    if not math.isfinite(level):
        raise ValueError(f"level must be a finite loss; got {level}")


def _check_unit(directions: Tensor) -> None:
    norms = directions.norm(dim=1)
    wrong = torch.nonzero(~((norms - 1).abs() <= UNIT_TOLERANCE)).flatten().tolist()
    if wrong:
        raise ValueError(
            f"directions must have length 1; row {wrong[0]} has {norms[wrong[0]].item():.4g}: "
            "divide each by its norm, and leave out zero directions"
        )
