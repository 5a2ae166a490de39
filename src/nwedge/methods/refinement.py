"""Lines and planes drawn with few evaluations: a coarse grid, then only the cells where interpolation misses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from nwedge._checks import check_integer
from nwedge.geometry.cells import Cells, Lattice
from nwedge.landscape import Landscape, evaluate
from nwedge.methods.tolerance import allowed, check_tolerance

FINEST = 2**20
"""The most cells along an axis, so that their codes are integers of 64 bits and positions are exact in float32."""


@dataclass(frozen=True)
class Refinement:
    """The losses at the corners of cells that tile an interval or a rectangle.

    Attributes:
        coordinates: where the loss was evaluated, shape (count, dim), each place once.
        losses: there, shape (count,).
        corners: the rows of the coordinates of each cell's corners, shape (cells, 2^dim), the last axis fastest.
        levels: how often each cell was halved, shape (cells,).
        resolved: whether interpolation is known to miss no more than allowed in a cell or in the cell that was halved
            to make it, shape (cells,); false at the finest level, or where the evaluations were spent.
        low: the least coordinates, shape (dim,).
        high: the largest coordinates, shape (dim,).
        cells: the cells as integers.
    """

    coordinates: Float[Tensor, "count dim"]
    losses: Float[Tensor, " count"]
    corners: Int64[Tensor, "cell corner"]
    levels: Int64[Tensor, " cell"]
    resolved: Bool[Tensor, " cell"]
    low: Float[Tensor, " dim"]
    high: Float[Tensor, " dim"]
    cells: Cells

    def interpolate(self, coordinates: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The losses at any places between `low` and `high`, (bi)linear between the corners of a cell, shape (batch,).

        NaN where a corner's loss is.

        Raises:
            ValueError: places outside.
        """
        inside = (coordinates >= self.low) & (coordinates <= self.high)
        if not inside.all():
            raise ValueError(
                f"coordinates must be between {self.low.tolist()} and {self.high.tolist()}; got "
                f"{coordinates[~inside.all(1)][0].tolist()}"
            )
        side = self.cells.lattice.side
        places = (coordinates - self.low).double() / (self.high - self.low).double() * side
        rows = self.cells.holding(places.long().clamp(max=side - 1))
        weights = self.cells.weights(rows, places).to(self.losses.dtype)
        return (weights * self.losses[self.corners[rows]]).sum(1)


def refine(
    landscape: Landscape,
    low: float | Sequence[float],
    high: float | Sequence[float],
    *,
    tolerance: float,
    floor: float,
    coarse: int = 8,
    levels: int = 4,
    most: int = 10_000,
    function: Callable[[Landscape, Tensor], Tensor] = evaluate,
) -> Refinement:
    """The loss over an interval or a rectangle, evaluated closely only where linear interpolation misses it.

    All cells of a coarse grid are halved along all axes, which adds the midpoints of edges and of cells. Where
    interpolation between the corners of a cell misses the loss at one of its midpoints by more than

        tolerance * max(|loss|, floor),

    its halves are halved in turn, down to the finest level. So is a cell that misses a point that was evaluated on its
    border for its neighbour, so that a wall is followed out of the cell in which it was found. What shows at no point
    of the coarse grid and its first midpoints is not found.

    A cell with finite and other losses (NaN, infinity) at its corners or midpoints misses, so that the border between
    them is drawn as finely as can be; a cell where none is finite is left.

    Args:
        landscape: one of dimension 1 or 2: any landscape seen through a line, a path or a plane (`nwedge.restrict`).
        low: the least coordinate, the same for all axes or one for each.
        high: the largest.
        tolerance: of interpolation, relative to the loss.
        floor: the loss below which the tolerance is relative to the floor.
        coarse: cells of the coarse grid along each axis.
        levels: how often a cell may be halved.
        most: evaluations, at most; where they do not suffice, the cells that miss by most go first.
        function: from a landscape and a batch of points to their losses.

    Raises:
        ValueError, TypeError: a landscape of another dimension, bounds that are not finite or in order, a tolerance or
            a floor that is not positive, more than 2^20 cells along an axis, or fewer evaluations than the coarse grid
            has points.
    """
    if landscape.dim not in (1, 2):
        raise ValueError(
            f"the landscape must have 1 or 2 dimensions; got {landscape.dim}: see it through a line or a plane with "
            "nwedge.restrict"
        )
    check_tolerance(tolerance, floor)
    check_integer("coarse", coarse, 1)
    check_integer("levels", levels, 1)
    lattice = Lattice(landscape.dim, coarse, levels, landscape.device)
    if lattice.side > FINEST:
        raise ValueError(f"coarse * 2^levels must be at most {FINEST} cells along an axis; got {lattice.side}")
    check_integer("most", most, (coarse + 1) ** landscape.dim)
    ends = _bounds(landscape, low, high)
    search = _Search(lattice, lambda positions: function(landscape, _embedded(ends, positions, lattice.side)))
    search.evaluate(lattice.codes(lattice.grid(coarse) << levels))
    while search.halve(most, tolerance, floor):
        pass
    return Refinement(
        _embedded(ends, lattice.positions(search.codes), lattice.side),
        search.losses,
        search.rows(search.cells.corners()),
        search.cells.levels,
        search.misses <= 1,
        *ends,
        search.cells,
    )


class _Search:
    """Cells that are halved while they miss.

    Attributes:
        codes: of the positions at which the loss is known, in order.
        losses: there.
        cells: as they are now.
        misses: by how much each is known to miss, relative to what is allowed; infinite for one not yet looked at.
    """

    def __init__(self, lattice: Lattice, loss: Callable[[Tensor], Tensor]) -> None:
        self._lattice, self._loss = lattice, loss
        self.cells = Cells.of_level_0(lattice)
        self.misses = torch.full((len(self.cells),), torch.inf, dtype=torch.float64, device=lattice.device)
        self.codes = torch.empty(0, dtype=torch.int64, device=lattice.device)
        self.losses: Tensor = torch.empty(0, device=lattice.device)

    def rows(self, positions: Tensor) -> Tensor:
        """The rows of the losses of positions that are known."""
        return torch.searchsorted(self.codes, self._lattice.codes(positions))

    def evaluate(self, codes: Tensor) -> None:
        """Learn the losses at new positions, in the order of their codes."""
        codes = codes.sort().values
        found = self._loss(self._lattice.positions(codes))
        order = torch.cat([self.codes, codes]).argsort()
        self.codes = torch.cat([self.codes, codes])[order]
        self.losses = torch.cat([self.losses.to(found.dtype), found])[order]

    def halve(self, most: int, tolerance: float, floor: float) -> bool:
        """Halve the cells that miss, as far as `most` evaluations allow; whether there were any."""
        due = ((self.misses > 1) & (self.cells.levels < self._lattice.levels)).nonzero()[:, 0]
        due = due[self.misses[due].argsort(descending=True, stable=True)]
        due, fresh = self._affordable(due, most - len(self.codes))
        if not len(due):
            return False
        self.evaluate(fresh)
        old = self.cells[due]
        positions = old.corners(halvings=1)
        each = torch.arange(len(old), device=due.device).repeat_interleave(positions.shape[1])
        missed = self._missed(old, each, positions.flatten(0, 1), tolerance, floor)

        kept = torch.ones_like(self.misses, dtype=torch.bool).index_fill_(0, due, False)
        new, left = old.halved(), self.cells[kept]
        parts = len(new) // len(old)
        misses = torch.cat([self.misses[kept], missed.repeat_interleave(parts)])
        cells = Cells(self._lattice, torch.cat([left.first, new.first]), torch.cat([left.levels, new.levels]))
        order = self._lattice.codes(cells.first).argsort()
        self.cells = cells[order]
        self.misses = torch.maximum(misses[order], self._missed_on_borders(tolerance, floor))
        return True

    def _affordable(self, due: Tensor, left: int) -> tuple[Tensor, Tensor]:
        """The first of the cells for which `left` new evaluations suffice, and the codes of the new positions."""
        codes = self._lattice.codes(self.cells[due].corners(halvings=1))
        fresh, place = codes.unique(return_inverse=True)
        rank = torch.arange(len(due), device=due.device)[:, None].expand_as(place)
        first = torch.full_like(fresh, len(due)).scatter_reduce(0, place.flatten(), rank.flatten(), "amin")
        new = ~torch.isin(fresh, self.codes)
        costs = torch.bincount(first[new], minlength=len(due)).cumsum(0)
        count = int((costs <= left).sum())
        return due[:count], fresh[new & (first < count)]

    def _missed_on_borders(self, tolerance: float, floor: float) -> Tensor:
        """By how much each cell misses at the known positions in it and on its border."""
        positions = self._lattice.positions(self.codes)
        around = (positions[:, None] - self._lattice.grid(1)).flatten(0, 1)  # first corners of the squares around each
        inside = ((around >= 0) & (around < self._lattice.side)).all(1)
        positions = positions.repeat_interleave(len(around) // len(positions), 0)[inside]
        return self._missed(self.cells, self.cells.holding(around[inside]), positions, tolerance, floor)

    def _missed(self, cells: Cells, rows: Tensor, positions: Tensor, tolerance: float, floor: float) -> Tensor:
        """The largest miss of each cell at known positions, each in the cell of its row, shape (cells,)."""
        corners = self.losses[self.rows(cells.corners())][rows]
        guesses = (cells.weights(rows, positions.double()).to(corners.dtype) * corners).sum(1)
        losses = self.losses[self.rows(positions)]
        misses = ((guesses - losses).abs() / allowed(losses, tolerance, floor)).double()
        known = losses.isfinite()
        misses = torch.where(known & guesses.isfinite(), misses, torch.inf)
        misses = torch.where(known | guesses.isfinite(), misses, 0.0)
        return misses.new_zeros(len(cells)).scatter_reduce(0, rows, misses, "amax")


def _bounds(landscape: Landscape, low: float | Sequence[float], high: float | Sequence[float]) -> tuple[Tensor, Tensor]:
    """The least and the largest coordinates, shape (dim,) each, refused (ValueError) where they are not in order."""
    axes = [[float(end)] * landscape.dim if isinstance(end, int | float) else list(end) for end in (low, high)]
    if any(len(ends) != landscape.dim for ends in axes):
        raise ValueError(f"low and high must be numbers, or one for each of {landscape.dim} axes; got {low} and {high}")
    least, largest = (torch.tensor(ends, dtype=landscape.dtype, device=landscape.device) for ends in axes)
    if not ((least < largest) & (largest - least).isfinite()).all():
        raise ValueError(f"low must be below high and both finite; got {low} and {high}")
    return least, largest


def _embedded(ends: tuple[Tensor, Tensor], positions: Tensor, side: int) -> Tensor:
    """The coordinates of positions of the lattice, shape (batch, dim)."""
    low, high = ends
    share = positions.to(low.dtype) / side
    return low * (1 - share) + high * share
