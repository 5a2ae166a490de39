"""Where the wedges of a family lie: random sets of short axes, random bases, a random rotation.

Everything here depends on (dim, short, wedges, seed) alone and is drawn on the CPU, in float64 where it is not a set of
integers, so that the version of a landscape in another framework has the same wedges.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from nwedge._checks import check_integer
from nwedge._random import derive

MAX_ELEMENTS = 2**27
"""Numbers that one family may store: 1 GiB of float64 or int64; larger ones are refused.

Drawing a rotation takes up to 4 times as much for a moment.
"""


def short_counts(dim: int, short: int | Sequence[int], wedges: int) -> tuple[int, ...]:
    """The number of short directions of each wedge, from one number for all or from one number per wedge.

    Raises:
        TypeError: a number that is no integer.
        ValueError: a number outside [0, dim], no wedge, or a sequence whose length is not `wedges`.
    """
    check_integer("dim", dim, 1)
    check_integer("wedges", wedges, 1)
    if isinstance(short, Sequence):
        if len(short) != wedges:
            raise ValueError(f"short must hold one number per wedge, {wedges} in all; got {len(short)}")
        for index, count in enumerate(short):
            check_integer(f"short[{index}]", count, 0, dim)
        return tuple(short)
    check_integer("short", short, 0, dim)
    return (short,) * wedges


def draw_axes(dim: int, short: int | Sequence[int], wedges: int, seed: int) -> Int64[Tensor, "wedges most"]:
    """One uniformly random set of short axes per wedge.

    Args:
        dim: the dimension D of the space.
        short: the number of short axes, one for all wedges or one per wedge.
        wedges: the number of wedges.
        seed: equal seeds give equal sets; a wedge's smaller set is part of its larger one.

    Returns:
        Axes in increasing order, shape (wedges, largest number of short axes), padded with -1 at the end.

    Raises:
        ValueError, TypeError: as `short_counts`; or more than `MAX_ELEMENTS` numbers.
    """
    counts = short_counts(dim, short, wedges)
    most = max(counts)
    _check_memory(wedges * most, f"{wedges} sets of {most} short axes")
    generator = derive(seed, "wedge axes", dim)
    sets = torch.full((wedges, most), -1)
    for row, count in zip(sets, counts, strict=True):
        row[:count] = torch.randperm(dim, generator=generator)[:count].sort().values
    return sets


def draw_bases(dim: int, short: int | Sequence[int], wedges: int, seed: int) -> Float64[Tensor, "rows dim"]:
    """One uniformly random short subspace per wedge, as orthonormal rows.

    Args:
        dim: the dimension D of the space.
        short: the dimension of the short subspace, one for all wedges or one per wedge.
        wedges: the number of wedges.
        seed: equal seeds give equal bases.

    Returns:
        The bases of all wedges one below the other, shape (sum of the short dimensions, dim).

    Raises:
        ValueError, TypeError: as `short_counts`; or more than `MAX_ELEMENTS` numbers.
    """
    counts = short_counts(dim, short, wedges)
    _check_memory(sum(counts) * dim, f"the bases of {wedges} randomly oriented wedges in {dim} dimensions")
    generator = derive(seed, "wedge bases", dim)
    bases = torch.empty(sum(counts), dim, dtype=torch.float64)
    for rows in bases.split(counts):
        rows[:] = _orthonormal(dim, len(rows), generator)
    return bases


def draw_rotation(dim: int, seed: int) -> Float64[Tensor, "dim dim"]:
    """A uniformly (Haar) random orthogonal matrix, whose rows are the axes of a rotated complete family.

    Raises:
        ValueError, TypeError: `dim` is no positive integer; or more than `MAX_ELEMENTS` numbers.
    """
    check_integer("dim", dim, 1)
    _check_memory(dim**2, f"a random rotation of {dim} dimensions")
    return _orthonormal(dim, dim, derive(seed, "wedge rotation", dim))


def _orthonormal(dim: int, rows: int, generator: torch.Generator) -> Tensor:
    normal = torch.randn(dim, rows, generator=generator, dtype=torch.float64)
    columns, triangle = torch.linalg.qr(normal)
    return (columns * triangle.diagonal().sign()).T  # the signs make the law uniform, whatever LAPACK's convention


def _check_memory(elements: int, what: str) -> None:
    if elements > MAX_ELEMENTS:
        raise ValueError(
            f"{what} would hold {elements:.3g} numbers, {elements / MAX_ELEMENTS:.3g} GiB, and the limit is 1 GiB: "
            "take a smaller dim, short or wedges, or the axis-aligned complete family, which stores none"
        )
