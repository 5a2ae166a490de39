"""The compiled functions of a network: a batch of points at once, one chunk of examples at a time."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import torch
from jax import Array, lax
from torch import Tensor

from nwedge.adapters.jax.bridge import precision, to_jax, to_torch

BLOCK = {"vmap": 32, "loop": 1}
"""Points evaluated at once."""
CHUNK = {"vmap": 2048, "loop": 256}
"""Examples evaluated at once."""


@dataclass(frozen=True)
class Seen:
    """The examples that points see.

    Attributes:
        data: the pytree of all examples.
        count: how many each point sees.
        indices: of those that are seen: None: all; shape (count,): these by all points; (batch, count): others by each.
    """

    data: Any
    count: int
    indices: Tensor | None = None


class Programs:
    """Functions of a point and a batch of examples, compiled for many points and evaluated chunk by chunk of examples.

    Points are taken in blocks of 32, 16, 8, 4, 2 and 1 (of 1 alone with "loop"), so that there are at most six sizes to
    compile for, whatever the number of points. The loop over chunks is Python's: in a loop of XLA's own, derivatives of
    convolutions are seven times slower on a CPU.

    Args:
        strategy: "vmap" stacks the points of a block; "loop" takes one after another.
        chunk: examples evaluated at once; derivatives are taken of each chunk, so that no more are held in memory.
        dtype: in which all is computed.
        home: the JAX device that computes; None takes the points'.
    """

    def __init__(self, strategy: str, chunk: int, dtype: torch.dtype, home: Any = None) -> None:
        self.strategy, self.chunk, self.dtype, self.home = strategy, chunk, dtype, home

    def compiled(self, function: Callable[..., Array]) -> Callable[..., Array]:
        """A function(*rows of one point, batch) for a block of points and some of the examples.

        Returns:
            A function(rows of a block, data, indices of examples or None for all, start, size), which sees the
            examples from `start` on, `size` of them.
        """

        def at_points(rows: tuple[Array, ...], data: Any, indices: Array | None, start: Array, size: int) -> Array:
            def at_point(rows: tuple[Array, ...], indices: Array | None) -> Array:
                return function(*rows, _part(data, indices, start, size))

            own = indices is not None and indices.ndim == 2
            if self.strategy == "vmap":
                return jax.vmap(at_point, in_axes=(0, 0 if own else None))(rows, indices)
            return at_point(tuple(row[0] for row in rows), indices[0] if own and indices is not None else indices)[None]

        return jax.jit(at_points, static_argnames="size")

    def mean(self, program: Callable[..., Array], rows: tuple[Tensor, ...], seen: Seen) -> Tensor:
        """The mean over the examples of a compiled function that gives the mean over those it sees, at all points.

        Args:
            program: made by `compiled`.
            rows: points, and what belongs to each of them, shape (batch, dim).
            seen: the examples.
        """

        def of_block(rows: tuple[Tensor, ...], indices: Tensor | None) -> Tensor:
            shares = (
                self._call(program, rows, seen.data, indices, start, size) * (size / seen.count)
                for start, size in self._chunks(seen.count)
            )  # products have their own memory, where JAX may hand an argument through
            return functools.reduce(torch.Tensor.add_, shares)

        return self._over_points(of_block, rows, seen.indices)

    def each(self, program: Callable[..., Array], rows: tuple[Tensor, ...], seen: Seen) -> Tensor:
        """The values of a compiled function that has one for each example, at all points, shape (batch, count, *)."""

        def of_block(rows: tuple[Tensor, ...], indices: Tensor | None) -> Tensor:
            chunks = self._chunks(seen.count)
            return torch.cat([self._call(program, rows, seen.data, indices, start, size) for start, size in chunks], 1)

        return self._over_points(of_block, rows, seen.indices)

    def _over_points(self, of_block: Callable[..., Tensor], rows: tuple[Tensor, ...], indices: Tensor | None) -> Tensor:
        """The results of all blocks of points; of no points, the first none of those at 0."""
        count = len(rows[0])
        if not count:
            rows = tuple(tensor.new_zeros(1, *tensor.shape[1:]) for tensor in rows)
        own = (lambda block: indices) if indices is None or indices.ndim == 1 else indices.__getitem__
        with precision(self.dtype):
            results = [
                of_block(tuple(tensor[block] for tensor in rows), own(block))
                for block in _blocks(len(rows[0]), BLOCK[self.strategy])
            ]
        return (results[0] if len(results) == 1 else torch.cat(results))[:count]

    def _chunks(self, count: int) -> Iterator[tuple[int, int]]:
        """Where each chunk of examples starts, and its size."""
        for start in range(0, count, self.chunk):
            yield start, min(self.chunk, count - start)

    def _call(
        self,
        program: Callable[..., Array],
        rows: tuple[Tensor, ...],
        data: Any,
        indices: Tensor | None,
        start: int,
        size: int,
    ) -> Tensor:
        own = None if indices is None else to_jax(indices, self.home)
        return to_torch(program(tuple(to_jax(tensor, self.home) for tensor in rows), data, own, start, size))


def rule(function: Callable[..., Any], *shapes: Any) -> str:
    """The strategy for a function: "loop" if it convolves, as stacked kernels are slow on CPUs; else "vmap"."""
    return "loop" if "conv_general_dilated" in _primitives(jax.make_jaxpr(function)(*shapes).jaxpr) else "vmap"


def _primitives(jaxpr: Any) -> set[str]:
    """The names of the operations of a program and of all programs in it."""
    found = {equation.primitive.name for equation in jaxpr.eqns}
    for equation in jaxpr.eqns:
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda value: hasattr(value, "eqns")):
            if hasattr(inner, "eqns"):
                found |= _primitives(inner)
    return found


def _blocks(count: int, most: int) -> Iterator[slice]:
    """Slices of decreasing powers of two, none above `most`, that make up `count`."""
    start = 0
    while start < count:
        size = min(most, 1 << ((count - start).bit_length() - 1))
        yield slice(start, start + size)
        start += size


def _part(data: Any, indices: Array | None, start: Array, size: int) -> Any:
    """The examples from `start` on, `size` of them."""
    if indices is None:
        return jax.tree.map(lambda leaf: _slice(leaf, start, size), data)
    chosen = _slice(indices, start, size)
    return jax.tree.map(lambda leaf: leaf.at[chosen].get(mode="promise_in_bounds"), data)


def _slice(leaf: Array, start: Array, size: int) -> Array:
    return leaf if size == len(leaf) else lax.dynamic_slice_in_dim(leaf, start, size)
