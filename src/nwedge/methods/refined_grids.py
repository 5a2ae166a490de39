"""Grids whose values are evaluated where they must be, and interpolated elsewhere."""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nwedge.landscapes.restricted import RestrictedLandscape
from nwedge.methods.grids import Grid
from nwedge.methods.measuring import EXAMPLES, Progress
from nwedge.methods.refinement import Refinement, refine

COARSE, LEVELS = 4, 4
"""The fewest cells of a coarse grid along an axis, and the most levels."""
CLOSE = 8
"""Rounding errors within which a point of a grid is one of the lattice."""


@dataclasses.dataclass(frozen=True)
class RefinedGrid:
    """The values of a grid.

    Attributes:
        values: the columns of the measurement by name, shape (point,); examples are 0 where nothing was evaluated.
        evaluated: whether a value was evaluated, shape (point,).
        evaluations: points that were evaluated.
    """

    values: dict[str, Tensor]
    evaluated: Bool[Tensor, " point"]
    evaluations: int


def refine_grid(
    seen: RestrictedLandscape,
    grid: Grid,
    measure: Callable[[Tensor], dict[str, Tensor]],
    first: str,
    *,
    tolerance: float,
    floor: float,
    progress: Progress | None = None,
) -> RefinedGrid:
    """The values of a grid by adaptive refinement (`refine`) of the rectangle that it spans.

    The lattice of the cells is that of the grid, where it has an even number of intervals, the same along both axes;
    else it is at least as fine. A grid that has no more points than the coarsest lattice is evaluated.

    Args:
        seen: the landscape through the chart.
        grid: of its coordinates.
        measure: from coordinates (point, coords) to columns by name, shape (point,).
        first: the column that is refined; the others are interpolated in the same cells.
        tolerance: of interpolation, relative to the value.
        floor: the value below which it is relative to the floor.
        progress: called with the number of points that are done and of all.

    Raises:
        ValueError: more than 2 dimensions, one that has a single coordinate, or a tolerance that is not positive.
    """
    coarse, levels = _cells(grid.sizes)
    if min(grid.sizes) < 2:
        raise ValueError("refine needs at least 2 coordinates in each dimension: leave it out, or give more of them")
    book: list[tuple[Tensor, dict[str, Tensor]]] = []

    def note(_: object, coords: Tensor) -> Tensor:
        book.append((coords, measure(coords)))
        if progress is not None:
            progress(min(sum(len(known) for known, _ in book), len(grid)), len(grid))
        return book[-1][1][first]

    found = refine(
        seen,
        [axis[0].item() for axis in grid.axes],
        [axis[-1].item() for axis in grid.axes],
        tolerance=tolerance,
        floor=floor,
        coarse=coarse,
        levels=levels,
        most=max(len(grid), (coarse + 1) ** grid.chart.dim),
        function=note,
    )
    if progress is not None:
        progress(len(grid), len(grid))
    noted = torch.cat([coords for coords, _ in book])
    order = _codes(found, noted).argsort()
    columns = {name: torch.cat([values[name] for _, values in book])[order] for name in book[0][1]}
    return RefinedGrid(*_on_grid(found, columns, grid.coordinates()), len(noted))


def _on_grid(
    found: Refinement, columns: dict[str, Tensor], places: Float[Tensor, "point coords"]
) -> tuple[dict[str, Tensor], Tensor]:
    """The columns at the places of a grid, and which of these were evaluated."""
    known = _codes(found, found.coordinates)
    codes = _codes(found, places)
    rows = torch.searchsorted(known, codes).clamp(max=len(known) - 1)
    evaluated = (known[rows] == codes) & _on_lattice(found, places)
    values = {}
    for name, column in columns.items():
        between = (
            torch.zeros_like(column[rows])
            if name.endswith(EXAMPLES)
            else dataclasses.replace(found, losses=column).interpolate(places)
        )
        values[name] = torch.where(evaluated, column[rows], between)
    return values, evaluated


def _positions(found: Refinement, coords: Tensor) -> Tensor:
    """Coordinates in cells of the finest lattice."""
    return (coords - found.low).double() / (found.high - found.low).double() * found.cells.lattice.side


def _codes(found: Refinement, coords: Tensor) -> Tensor:
    """The codes of the nearest positions of the lattice."""
    return found.cells.lattice.codes(_positions(found, coords).round().long())


def _on_lattice(found: Refinement, coords: Tensor) -> Bool[Tensor, " point"]:
    positions = _positions(found, coords)
    rounding = CLOSE * torch.finfo(coords.dtype).eps * found.cells.lattice.side
    return ((positions - positions.round()).abs() <= rounding).all(1)


def _cells(sizes: Sequence[int]) -> tuple[int, int]:
    """Cells of the coarse grid along each axis, and how often they are halved."""
    coarse, levels = max(sizes) - 1, 0
    if len(set(sizes)) > 1 or coarse % 2:  # no lattice of squares has these points
        coarse = 1 << (coarse - 1).bit_length()
    while coarse % 2 == 0 and coarse // 2 >= COARSE and levels < LEVELS:
        coarse, levels = coarse // 2, levels + 1
    return max(1, coarse), max(1, levels)
