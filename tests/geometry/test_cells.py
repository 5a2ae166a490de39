"""Cells of a lattice: codes, corners, halves, the cell that holds a place, and interpolation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge._random import derive
from nwedge.geometry.cells import Cells, Lattice

CPU = torch.device("cpu")


def mixed(dim: int, coarse: int, levels: int, seed: int) -> Cells:
    """Cells of which some were halved at random, again and again."""
    cells = Cells.of_level_0(Lattice(dim, coarse, levels, CPU))
    for step in range(levels):
        rows = torch.rand(len(cells), generator=derive(seed, step)) < 0.4
        rows &= cells.levels < levels
        parts, left = cells[rows.nonzero()[:, 0]].halved(), cells[(~rows).nonzero()[:, 0]]
        cells = Cells(cells.lattice, torch.cat([left.first, parts.first]), torch.cat([left.levels, parts.levels]))
        cells = cells[cells.lattice.codes(cells.first).argsort()]
    return cells


@settings(deadline=None, max_examples=40)
@given(dim=st.integers(1, 2), coarse=st.integers(1, 5), levels=st.integers(0, 4), seed=st.integers(0, 100))
def test_every_square_is_held_by_the_one_cell_around_it(dim, coarse, levels, seed) -> None:
    cells = mixed(dim, coarse, levels, seed)
    squares = cells.lattice.grid(cells.lattice.side - 1)
    rows = cells.holding(squares)
    around = (squares[:, None] >= cells.first) & (squares[:, None] < cells.first + cells.sides[:, None])
    assert (around.all(2).sum(1) == 1).all()
    assert torch.equal(rows, around.all(2).long().argmax(1))


@settings(deadline=None, max_examples=40)
@given(dim=st.integers(1, 2), coarse=st.integers(1, 7), levels=st.integers(0, 5))
def test_codes_are_distinct_and_give_the_position_back(dim, coarse, levels) -> None:
    lattice = Lattice(dim, coarse, levels, CPU)
    positions = lattice.grid(lattice.side)
    codes = lattice.codes(positions)
    assert len(codes.unique()) == len(positions) == (lattice.side + 1) ** dim
    assert torch.equal(lattice.positions(codes), positions)


def test_corners_and_midpoints() -> None:
    cells = Cells.of_level_0(Lattice(2, 1, 2, CPU))
    assert cells.corners()[0].tolist() == [[0, 0], [0, 4], [4, 0], [4, 4]]
    assert cells.corners(halvings=1)[0].tolist() == [[x, y] for x in (0, 2, 4) for y in (0, 2, 4)]
    assert cells.halved().corners()[3].tolist() == [[2, 2], [2, 4], [4, 2], [4, 4]]


@pytest.mark.parametrize("dim", [1, 2])
def test_interpolation_is_exact_for_functions_that_are_linear_in_each_coordinate(dim) -> None:
    cells = mixed(dim, 3, 3, 0)

    def function(places: torch.Tensor) -> torch.Tensor:
        return 2 + places.sum(-1) - 3 * places.prod(-1)

    places = torch.rand(500, dim, generator=derive(1), dtype=torch.float64) * cells.lattice.side
    rows = cells.holding(places.long())
    weights = cells.weights(rows, places)
    assert (weights >= 0).all()
    torch.testing.assert_close((weights * function(cells.corners()[rows].double())).sum(1), function(places))
