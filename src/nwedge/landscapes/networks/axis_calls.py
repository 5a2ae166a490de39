"""What a rule sees of one operation of a pass: its name, its arguments, and the axes of its tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from nwedge.landscapes.networks.axes import Axes, Axis

Labels = tuple[Axis, ...]
"""The axes of a tensor."""
INDEXED = "they are picked out one by one, by index"
ORDERED = "their order matters to {}"


@dataclass(frozen=True)
class Operand:
    """A tensor as a rule sees it."""

    shape: tuple[int, ...]
    axes: Labels
    dtype: torch.dtype | None = None


@dataclass(frozen=True)
class Call:
    """One operation of a pass.

    Attributes:
        book: of the axes.
        name: of the operation, without namespace, and without the underscore of one in place.
        given: its arguments by the names of its schema, with an `Operand` for each tensor.
        shapes: of the tensors it returned.
    """

    book: Axes
    name: str
    given: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def operands(self) -> list[Operand]:
        """All tensors among the arguments."""
        return [leaf for leaf in pytree.tree_leaves(self.given) if isinstance(leaf, Operand)]

    def first(self) -> Operand:
        """The first tensor among the arguments."""
        return self.operands[0]

    def dims(self, name: str = "dim") -> list[int]:
        """The axes of the first tensor that an argument names, all of them where it names none."""
        given, count = self.given.get(name), len(self.first().shape)
        if not count or given is None or (isinstance(given, Sequence) and not given):
            return list(range(count))
        return [dim % count for dim in (given if isinstance(given, Sequence) else [given])]

    def freeze(self, operand: Operand, why: str, dims: Sequence[int] | None = None) -> None:
        """Freeze some axes of a tensor, or all."""
        for dim in range(len(operand.axes)) if dims is None else dims:
            self.book.freeze(operand.axes[dim], why)

    def new(self, shape: Sequence[int], why: str | None = None) -> Labels:
        """Labels that are new, frozen where a reason is given."""
        return tuple(self.book.fresh(size, why) for size in shape)

    def broadcast(self, operands: Sequence[Operand], shape: Sequence[int]) -> Labels:
        """The labels of tensors that are broadcast to a shape, united; new ones where all of them are of size 1."""
        found = []
        for back in range(len(shape), 0, -1):
            size = shape[-back]
            axes = [one.axes[-back] for one in operands if back <= len(one.shape) and one.shape[-back] == size > 1]
            for axis in axes[1:]:
                self.book.unite(axes[0], axis)
            found.append(axes[0] if axes else self.book.fresh(size))
        return tuple(found)


Rule = Callable[[Call], list[Labels]]


def unknown(call: Call) -> list[Labels]:
    """Freeze all that an operation touches."""
    why = f"{call.name} is not known to treat them alike" if call.operands else f"they meet what {call.name} makes"
    for operand in call.operands:
        call.freeze(operand, why)
    return [call.new(shape, why) for shape in call.shapes]
