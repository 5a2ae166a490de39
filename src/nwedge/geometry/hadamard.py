"""Orthonormal bases of random subspaces by fast transforms: blocks of signs, a Hadamard matrix, and signs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import permutation, signs
from nwedge.geometry.bases import Applied

SMALL, FACTOR = 64, 16
"""The Hadamard matrix by which a transform multiplies in its only pass, and in each of several: measured on a CPU."""
CPU_ELEMENTS, ELEMENTS = 2**17, 2**24
"""Numbers transformed at once: few enough for a processor's cache, and on other devices many enough to fill them."""


class Hadamard(Applied):
    """Blocks of randomised Hadamard transforms one below the other, orthonormal for every dim and d <= dim.

    Q = [a_1 R_1 H_1 S_1 E_1; a_2 R_2 H_2 S_2 E_2; ...] N^-1. Block b has n_b rows, a power of two: as many blocks as
    there is room for of the least power of two that holds d, and one block for each binary digit of the dim that is
    left. H_b is the Hadamard matrix of n_b rows with entries of 1 and -1; R_b and S_b are diagonals of random signs;
    E_b puts distinct coordinates in distinct slots, all d of them at random where n_b >= d, and else the n_b next ones
    in turn, so that every coordinate has a block. a_b = min(n_b, d)^-1/2 gives all rows the same norm but for N.
    N is diagonal with N_k^2 = sum of max(1, n_b / d) over the blocks that hold coordinate k. Distinct columns of H_b
    are orthogonal with squared norm n_b, so those of Q are orthonormal. O(dim log d) time, O(dim) memory.

    Source: each block is the subsampled randomised Hadamard transform (Ailon and Chazelle 2006, "Approximate nearest
    neighbors and the fast Johnson-Lindenstrauss transform"; Tropp 2011, arXiv 1011.1595); blocks one below the other as
    in Fastfood (Le, Sarlos and Smola 2013, arXiv 1408.3060), which Li et al. 2018, arXiv 1804.08838, use for subspaces.

    The arguments are those of `nwedge.geometry.bases.Dense`.
    """

    def __init__(
        self, dim: int, d: int, generators: Sequence[Generator], *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.dim, self.d = dim, d
        self.inner, self.outer = (
            torch.stack([signs((dim,), generator, dtype=dtype, device=device) for generator in generators])[:, None]
            for _ in range(2)
        )
        self.parts, held = [], torch.zeros(d, dtype=torch.float64)
        turn = 0
        for start, count, size in _cut(dim, d):
            if size >= d:
                slots = torch.stack([permutation(size, generator).clamp(max=d) for generator in generators])
                held += count * size / d
            else:
                slots = ((turn + torch.arange(size)) % d).expand(len(generators), -1)
                held[slots[0]] += 1
                turn += size
            self.parts.append(_Part(start, count, size, slots.to(device)[:, None]))
            self.outer[..., start : start + count * size] *= min(size, d) ** -0.5
        self.scale = held.rsqrt().to(device, dtype)

    @staticmethod
    def bytes(dim: int, d: int, dtype: torch.dtype) -> int:
        """What one plane holds in memory: two signs of each row, the scale of each coordinate, and the slots."""
        slots = sum(size for _, _, size in _cut(dim, d))
        return (2 * dim + d) * dtype.itemsize + slots * torch.int64.itemsize

    def _embed(self, coords: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(coords * self.scale, (0, 1))
        points = coords.new_empty(*coords.shape[:2], self.dim)
        for part in self.parts:
            placed = padded.gather(2, part.slots.expand(-1, coords.shape[1], -1))[:, :, None]
            for rows in part.stretches(coords):
                mixed = transform(placed * part.blocks(self.inner[..., rows]))
                torch.mul(mixed.flatten(2), self.outer[..., rows], out=points[..., rows])
        return points

    def _transpose(self, vectors: Tensor) -> Tensor:
        sums = vectors.new_zeros(*vectors.shape[:2], self.d + 1)
        for part in self.parts:
            placed = vectors.new_zeros(*vectors.shape[:2], part.size)
            for rows in part.stretches(vectors):
                mixed = transform(part.blocks(vectors[..., rows] * self.outer[..., rows]))
                placed += mixed.mul_(part.blocks(self.inner[..., rows])).sum(2)
            sums.scatter_add_(2, part.slots.expand(-1, vectors.shape[1], -1), placed)
        return sums[..., : self.d] * self.scale


@dataclass(frozen=True)
class _Part:
    """Blocks of one size from row `start` on; `slots` holds the coordinate in each slot, d where there is none."""

    start: int
    count: int
    size: int
    slots: Tensor

    def stretches(self, batch: Tensor) -> Iterator[slice]:
        """The rows of as many blocks as are transformed at once."""
        most = CPU_ELEMENTS if batch.device.type == "cpu" else ELEMENTS
        rows = max(1, batch.shape[0] * batch.shape[1])
        step = self.size * max(1, most // (rows * self.size))
        end = self.start + self.count * self.size
        return (slice(first, min(first + step, end)) for first in range(self.start, end, step))

    def blocks(self, rows: Tensor) -> Tensor:
        """Rows as blocks, shape (planes, rows, block, size)."""
        return rows.unflatten(2, (-1, self.size))


def _cut(dim: int, d: int) -> Iterator[tuple[int, int, int]]:
    """The first row, the number and the size of equal blocks that dim is cut into."""
    size = 1 << (d - 1).bit_length()
    start = dim - dim % size
    if start:
        yield 0, start // size, size
    while start < dim:
        size = 1 << (dim - start).bit_length() - 1
        yield start, 1, size
        start += size


def transform(x: Float[Tensor, "... size"]) -> Float[Tensor, "... size"]:
    """H x along the last axis, a power of two, in Sylvester's order without a factor; x is overwritten.

    H of a product of sizes is the Kronecker product of theirs, so each pass takes one small H along one axis.
    """
    shape, width, other = x.shape, 1, torch.empty_like(x)
    while width < shape[-1]:
        factor = shape[-1] if shape[-1] <= SMALL else min(FACTOR, shape[-1] // width)
        small = sylvester(factor, x.dtype, x.device)
        if width == 1:
            torch.mm(x.view(-1, factor), small, out=other.view(-1, factor))
        else:
            torch.matmul(small, x.view(-1, factor, width), out=other.view(-1, factor, width))
        x, other, width = other, x, width * factor
    return x


@cache
def sylvester(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "size size"]:
    """The Hadamard matrix of a power of two, entries 1 and -1: H_2n = [[H_n, H_n], [H_n, -H_n]]."""
    matrix = torch.ones(1, 1, dtype=dtype, device=device)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix
