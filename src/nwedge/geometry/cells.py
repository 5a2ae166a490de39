"""Cells of an interval or a rectangle, some of them halved again and again, and interpolation between their corners."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Lattice:
    """The places at which cells may have corners: integer positions from 0 to `side` along each axis.

    Cells of level 0 have the side 2^levels, those of level k the side 2^(levels - k). The code of a position
    interleaves the bits of its coordinates (Morton 1966), so that the positions in a cell have consecutive codes.

    Attributes:
        dim: 1 or 2.
        coarse: cells of level 0 along each axis.
        levels: how often a cell may be halved.
        device: of the positions.
    """

    dim: int
    coarse: int
    levels: int
    device: torch.device

    @property
    def side(self) -> int:
        """The last position along each axis."""
        return self.coarse << self.levels

    def grid(self, steps: int) -> Int64[Tensor, "position dim"]:
        """The positions 0, ..., `steps` along all axes, the last axis fastest."""
        return torch.cartesian_prod(*[torch.arange(steps + 1, device=self.device)] * self.dim).view(-1, self.dim)

    def codes(self, positions: Int64[Tensor, "*batch dim"]) -> Int64[Tensor, "*batch"]:
        """One integer for each position."""
        codes = torch.zeros_like(positions[..., 0])
        for bit in range(self.side.bit_length()):
            for axis in range(self.dim):
                codes |= (positions[..., axis] >> bit & 1) << (bit * self.dim + axis)
        return codes

    def positions(self, codes: Int64[Tensor, "*batch"]) -> Int64[Tensor, "*batch dim"]:
        """The position of each code."""
        positions = torch.zeros(*codes.shape, self.dim, dtype=torch.int64, device=self.device)
        for bit in range(self.side.bit_length()):
            for axis in range(self.dim):
                positions[..., axis] |= (codes >> (bit * self.dim + axis) & 1) << bit
        return positions


@dataclass(frozen=True)
class Cells:
    """Cells that tile a lattice, in the order of the codes of their first corners.

    Attributes:
        lattice: where their corners lie.
        first: the corner of each cell that is lowest along all axes.
        levels: how often each was halved.
    """

    lattice: Lattice
    first: Int64[Tensor, "cell dim"]
    levels: Int64[Tensor, " cell"]

    @classmethod
    def of_level_0(cls, lattice: Lattice) -> "Cells":
        """All cells of level 0."""
        first = lattice.grid(lattice.coarse - 1) << lattice.levels
        first = first[lattice.codes(first).argsort()]
        return cls(lattice, first, torch.zeros_like(first[:, 0]))

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: Tensor) -> "Cells":
        """Some of the cells."""
        return Cells(self.lattice, self.first[rows], self.levels[rows])

    @property
    def sides(self) -> Int64[Tensor, " cell"]:
        """How long each cell is."""
        return 2 ** (self.lattice.levels - self.levels)

    def corners(self, halvings: int = 0) -> Int64[Tensor, "cell corner dim"]:
        """The positions of the corners of each cell, or of what it is halved into, the last axis fastest."""
        steps = self.lattice.grid(2**halvings)
        return self.first[:, None] + steps * (self.sides >> halvings)[:, None, None]

    def halved(self) -> "Cells":
        """Each cell halved along all axes: 2^dim cells in the place of each."""
        first = self.first[:, None] + self.lattice.grid(1) * (self.sides >> 1)[:, None, None]
        levels = (self.levels + 1).repeat_interleave(first.shape[1])
        return Cells(self.lattice, first.flatten(0, 1), levels)

    def holding(self, positions: Int64[Tensor, "batch dim"]) -> Int64[Tensor, " batch"]:
        """The row of the cell that holds the square of side 1 above each position, which is below `side`."""
        return torch.searchsorted(self.lattice.codes(self.first), self.lattice.codes(positions), right=True) - 1

    def weights(
        self, rows: Int64[Tensor, " batch"], places: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch corner"]:
        """How much each corner of a cell counts at a place in it: (multi)linear interpolation."""
        t = ((places - self.first[rows]) / self.sides[rows, None])[:, None]
        return torch.where(self.lattice.grid(1) == 1, t, 1 - t).prod(2)
