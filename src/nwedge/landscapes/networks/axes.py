"""The axes of the tensors of a pass as products and sums of units, and which of them are one and the same: union-find.

An axis of n entries is a product of factors, slowest first: a flattened image is channels x pixels, the features of an
attention are heads x features of a head. A factor may be a sum: concatenated channels are one group of units after
another. Two axes that an operation brings together are united, factor by factor, and split or cut where it takes them
apart. What is left whole at the end is a group of units that every operation treats alike.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Axis = tuple[int, ...]
"""The factors of an axis, slowest first; none for an axis of one entry."""
MIXED = "they are taken apart or joined otherwise than along whole units"


@dataclass(frozen=True)
class Occurrence:
    """Where a factor stands in an axis.

    Attributes:
        factor: which one.
        dims: what each dimension of `entries` counts: a factor of the axis that is no sum, or None.
        entries: the entries of the axis, one dimension for each factor around it and its own.
        dim: its own.
    """

    factor: int
    dims: tuple[int | None, ...]
    entries: Tensor
    dim: int


class Axes:
    """A book of factors. Each stands for itself, for an equal one, for a product of smaller ones, or for a sum."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._same: dict[int, int] = {}
        self._products: dict[int, Axis] = {}
        self._sums: dict[int, tuple[Axis, ...]] = {}
        self._frozen: dict[int, str] = {}

    def fresh(self, size: int, why: str | None = None) -> Axis:
        """A new axis, frozen where a reason is given."""
        if size == 1:
            return ()
        axis = (self._new(size),)
        if why:
            self.freeze(axis, why)
        return axis

    def size(self, axis: Axis) -> int:
        """How many entries it has."""
        return math.prod(self._sizes[factor] for factor in axis)

    def factors(self, axis: Axis) -> Axis:
        """The factors as they are now: each stands for itself or is a sum."""
        found: list[int] = []
        for factor in axis:
            while factor in self._same:
                factor = self._same[factor]
            found += self.factors(self._products[factor]) if factor in self._products else [factor]
        return tuple(found)

    def is_sum(self, factor: int) -> bool:
        """Whether a factor, as `factors` gives it, is a sum."""
        return factor in self._sums

    def why_frozen(self, factor: int) -> str | None:
        """Why a factor, as `factors` gives it, is frozen, or None."""
        return self._frozen.get(factor)

    def freeze(self, axis: Axis, why: str, *, foremost: bool = False) -> None:
        """Let no entry change places; the first reason is kept, but for a foremost one."""
        for factor in self.factors(axis):
            for part in self._sums.get(factor, ()):
                self.freeze(part, why, foremost=foremost)
            if factor not in self._sums and (foremost or factor not in self._frozen):
                self._frozen[factor] = why

    def unite(self, left: Axis, right: Axis) -> None:
        """Let the entries of two axes change places together; freeze both where their sizes or factors clash."""
        if self.size(left) != self.size(right):
            self.freeze(left, MIXED)
            self.freeze(right, MIXED)
            return
        left, right = self.factors(left), self.factors(right)
        while left and right:
            (a, *rest), (b, *others) = left, right
            if self._sizes[a] == self._sizes[b]:
                self._merge(a, b)
                left, right = tuple(rest), tuple(others)
            elif not (self._split(a, self._sizes[b]) or self._split(b, self._sizes[a])):
                for axis in (left, right):
                    self.freeze(axis, MIXED)
                return
            left, right = self.factors(left), self.factors(right)

    def regrouped(self, axes: Sequence[Axis], sizes: Sequence[int]) -> tuple[Axis, ...]:
        """The axes of a view: the same entries in the same order, in axes of other sizes."""
        rest = self.factors(tuple(factor for axis in axes for factor in axis))
        found: list[Axis] = []
        for size in sizes:
            taken: list[int] = []
            while (left := size // self.size(tuple(taken))) > 1:
                first = rest[0]
                if left % self._sizes[first] == 0:
                    taken.append(first)
                    rest = rest[1:]
                elif self._split(first, left):
                    rest = self.factors(rest)
                else:
                    for axis in axes:
                        self.freeze(axis, MIXED)
                    return tuple(self.fresh(size, MIXED) for size in sizes)
            found.append(tuple(taken))
        return tuple(found)

    def cut(self, axis: Axis, sizes: Sequence[int]) -> tuple[Axis, ...]:
        """The pieces of an axis, one after another, as a split or a slice gives them."""
        if len(sizes) == 1:
            return (axis,)
        first, *rest = self.factors(axis)
        block = self.size(tuple(rest))
        if any(size % block for size in sizes):
            self.freeze(axis, MIXED)
            return tuple(self.fresh(size, MIXED) for size in sizes)
        pieces = tuple(self.fresh(size // block) for size in sizes)
        (whole,) = self.joined(pieces)
        self._merge(first, whole)
        return tuple((*piece, *rest) for piece in pieces)

    def joined(self, axes: Sequence[Axis]) -> Axis:
        """The axis of a concatenation."""
        factor = self._new(sum(map(self.size, axes)))
        self._sums[factor] = tuple(axes)
        return (factor,)

    def occurrences(self, axis: Axis) -> Iterator[Occurrence]:
        """Every place in an axis where a factor stands for itself, in the order of the axis."""
        yield from self._walk(axis, torch.arange(self.size(axis)), ())

    def _walk(self, axis: Axis, entries: Tensor, around: tuple[int | None, ...]) -> Iterator[Occurrence]:
        factors = self.factors(axis)
        entries = entries.unflatten(-1, [self._sizes[factor] for factor in factors]) if factors else entries
        dims = (*around, *(None if factor in self._sums else factor for factor in factors))
        for dim, factor in enumerate(factors, start=len(around)):
            if factor not in self._sums:
                yield Occurrence(factor, dims, entries, dim)
                continue
            parts = self._sums[factor]
            pieces = entries.movedim(dim, -1).split([self.size(part) for part in parts], -1)
            for part, piece in zip(parts, pieces, strict=True):
                if part:
                    yield from self._walk(part, piece, dims[:dim] + dims[dim + 1 :])

    def _new(self, size: int) -> int:
        self._sizes.append(size)
        return len(self._sizes) - 1

    def _split(self, factor: int, first: int) -> bool:
        """Split a factor into `first` blocks, where it can be."""
        if factor in self._sums or self._sizes[factor] % first or self._sizes[factor] == first:
            return False
        blocks = (self._new(first), self._new(self._sizes[factor] // first))
        self._products[factor] = blocks
        if factor in self._frozen:
            self.freeze(blocks, self._frozen.pop(factor))
        return True

    def _merge(self, left: int, right: int) -> None:
        """Let two factors of one size, as `factors` gives them, be the same."""
        if left == right:
            return
        if left in self._sums and right not in self._sums:
            left, right = right, left
        self._same[left] = right
        if left in self._frozen:
            self.freeze((right,), self._frozen.pop(left))
        if left in self._sums:
            self._match(list(self._sums.pop(left)), list(self._sums[right]))

    def _match(self, left: list[Axis], right: list[Axis]) -> None:
        """Unite two sums of one size, cutting the longer of two parts."""
        while left:
            a, b = self.size(left[0]), self.size(right[0])
            if a > b:
                left[:1] = self.cut(left[0], (b, a - b))
            elif b > a:
                right[:1] = self.cut(right[0], (a, b - a))
            else:
                self.unite(left.pop(0), right.pop(0))
