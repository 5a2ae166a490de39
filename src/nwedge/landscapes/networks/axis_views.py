"""What views, joins and look-ups do with axes: they take them apart, put them together, and pick from them."""

import math
from collections.abc import Iterator

import torch

from nwedge.landscapes.networks.axes import Axis
from nwedge.landscapes.networks.axis_calls import INDEXED, Call, Labels, Operand, Rule, unknown


def _reshape(call: Call) -> list[Labels]:
    x = call.first()
    if math.prod(x.shape) != math.prod(call.shapes[0]):
        return unknown(call)
    return [call.book.regrouped(x.axes, call.shapes[0])]


def _permute(call: Call) -> list[Labels]:
    axes = call.first().axes
    return [tuple(axes[dim] for dim in call.dims("dims"))]


def _transpose(call: Call) -> list[Labels]:
    axes = list(call.first().axes)
    if call.name == "t":
        return [tuple(reversed(axes))]
    left, right = call.given["dim0"], call.given["dim1"]
    axes[left], axes[right] = axes[right], axes[left]
    return [tuple(axes)]


def _expand(call: Call) -> list[Labels]:
    return [call.broadcast([call.first()], call.shapes[0])]


def _slice(call: Call) -> list[Labels]:
    x, (dim,) = call.first(), call.dims()
    size = x.shape[dim]
    start, end, step = slice(call.given["start"], call.given["end"], call.given["step"]).indices(size)
    if step == 1 and start < end:
        piece = _piece(call, x.axes[dim], start, end, size)
    else:
        call.freeze(x, INDEXED, (dim,))
        piece = call.book.fresh(call.shapes[0][dim], INDEXED)
    return [(*x.axes[:dim], piece, *x.axes[dim + 1 :])]


def _select(call: Call) -> list[Labels]:
    x, (dim,) = call.first(), call.dims()
    index = call.given["index"] % x.shape[dim]
    _piece(call, x.axes[dim], index, index + 1, x.shape[dim])
    return [(*x.axes[:dim], *x.axes[dim + 1 :])]


def _piece(call: Call, axis: Axis, start: int, end: int, size: int) -> Axis:
    sizes = [part for part in (start, end - start, size - end) if part]
    return call.book.cut(axis, sizes)[1 if start else 0]


def _split(call: Call) -> list[Labels]:
    x, (dim,) = call.first(), call.dims()
    unbound = call.name == "unbind"
    pieces = call.book.cut(x.axes[dim], [1 if unbound else shape[dim] for shape in call.shapes])
    return [(*x.axes[:dim], *(() if unbound else (piece,)), *x.axes[dim + 1 :]) for piece in pieces]


def _concatenate(call: Call) -> list[Labels]:
    operands, dim = call.operands, call.given["dim"] % len(call.shapes[0])
    pieces: list[Axis] = [()] * len(operands)
    if call.name == "cat":
        pieces = [one.axes[dim] for one in operands]
        operands = [Operand(_without(one.shape, dim), _without(one.axes, dim)) for one in operands]
    axis = call.book.joined(pieces) if pieces[1:] else pieces[0]
    labels = call.broadcast(operands, _without(call.shapes[0], dim))
    return [(*labels[:dim], axis, *labels[dim:])]


def _without(items: tuple, index: int) -> tuple:
    return (*items[:index], *items[index + 1 :])


def _repeat(call: Call) -> list[Labels]:
    x, repeats = call.first(), call.given["repeats"]
    new = len(repeats) - len(x.shape)
    own = ((),) * new + x.axes
    return [tuple((*call.book.fresh(times), *axis) for times, axis in zip(repeats, own, strict=True))]


def _pad(call: Call) -> list[Labels]:
    x, pad = call.first(), call.given["pad"]
    axes = list(x.axes)
    for pair in range(len(pad) // 2):
        before, after = pad[2 * pair : 2 * pair + 2]
        if min(before, after) < 0:
            return unknown(call)
        parts = [axes[-1 - pair]]
        if before:
            parts.insert(0, call.book.fresh(before))
        if after:
            parts.append(call.book.fresh(after))
        if len(parts) > 1:
            axes[-1 - pair] = call.book.joined(parts)
    return [tuple(axes)]


def _lookup(call: Call) -> list[Labels]:
    """Rows by index: each index gives one whole row."""
    table, indices = call.operands[:2]
    dim = call.given.get("dim", 0) % len(table.shape)
    call.freeze(table, INDEXED, (dim,))
    return [(*table.axes[:dim], *indices.axes, *table.axes[dim + 1 :])]


def _index(call: Call) -> list[Labels]:
    x, given = call.given["self"], call.given["indices"]
    used = [dim for dim, index in enumerate(given) if index is not None]
    scattered = used != list(range(used[0], used[-1] + 1))
    if scattered or any(given[dim].dtype in (torch.bool, torch.uint8) for dim in used):  # these are masks
        return unknown(call)
    call.freeze(x, INDEXED, used)
    own = len(call.shapes[0]) - (len(x.shape) - len(used))
    shape = call.shapes[0][used[0] : used[0] + own]
    return [(*x.axes[: used[0]], *call.broadcast([given[dim] for dim in used], shape), *x.axes[used[-1] + 1 :])]


def _gather(call: Call) -> list[Labels]:
    x, index, (dim,) = call.first(), call.given["index"], call.dims()
    call.freeze(x, INDEXED, (dim,))
    for axis, (own, other) in enumerate(zip(x.shape, index.shape, strict=True)):
        if own != other and axis != dim:
            call.freeze(x, INDEXED, (axis,))
        elif axis != dim:
            call.book.unite(x.axes[axis], index.axes[axis])
    return [index.axes]


def _views() -> Iterator[tuple[Rule, str]]:
    yield _reshape, "view _unsafe_view reshape _reshape_alias unsqueeze squeeze"
    yield _permute, "permute"
    yield _transpose, "t transpose"
    yield _expand, "expand"
    yield _slice, "slice"
    yield _select, "select"
    yield _split, "split split_with_sizes unsafe_split unsafe_split_with_sizes unbind"
    yield _concatenate, "cat stack"
    yield _repeat, "repeat"
    yield _pad, "constant_pad_nd"


def _picks() -> Iterator[tuple[Rule, str]]:
    yield _lookup, "embedding index_select"
    yield _index, "index"
    yield _gather, "gather"


VIEWS: dict[str, Rule] = {name: rule for rule, names in _views() for name in names.split()}
"""Operations that show the same numbers once more."""
PICKS: dict[str, Rule] = {name: rule for rule, names in _picks() for name in names.split()}
"""Operations that look up some of them."""
