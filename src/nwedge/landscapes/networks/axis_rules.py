"""What each operation of torch does with axes: which it unites, takes apart or freezes, and those of its results.

A rule holds if the operation commutes with every change of places that its axes still allow: f(P x) = P f(x).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from nwedge.landscapes.networks.axis_calls import ORDERED, Call, Labels, Operand, Rule
from nwedge.landscapes.networks.axis_views import PICKS, VIEWS

PIXELS = "the pixels of images and kernels keep their places"
TAG = torch.Tag.pointwise
"""What torch says of operations that treat every entry alike."""


def _pointwise(call: Call) -> list[Labels]:
    return [call.broadcast(call.operands, shape) for shape in call.shapes]


def _constant(call: Call) -> list[Labels]:
    return [call.new(shape) for shape in call.shapes]


def _same(call: Call) -> list[Labels]:
    return [_like(call, call.first(), shape) for shape in call.shapes]


def _like(call: Call, operand: Operand, shape: Sequence[int]) -> Labels:
    """The labels of a tensor whose axes are those of another one, some of them shrunk to size 1."""
    if len(shape) != len(operand.shape):
        return call.new(shape, ORDERED.format(call.name))
    return tuple(
        axis if size == own else call.book.fresh(size, ORDERED.format(call.name))
        for size, own, axis in zip(shape, operand.shape, operand.axes, strict=True)
    )


def _reduce(call: Call) -> list[Labels]:
    x, dims = call.first(), call.dims()
    kept = tuple(() if dim in dims else axis for dim, axis in enumerate(x.axes))
    left = tuple(axis for dim, axis in enumerate(x.axes) if dim not in dims)
    return [kept if len(shape) == len(x.shape) else left for shape in call.shapes]


def _pick(call: Call) -> list[Labels]:
    """Reductions that also say where: the places along the axis matter."""
    if call.given.get("dim") is not None or call.name.startswith("arg"):
        call.freeze(call.first(), ORDERED.format(call.name), call.dims())
    return _reduce(call)


def _ordered(call: Call) -> list[Labels]:
    call.freeze(call.first(), ORDERED.format(call.name), call.dims("dims" if "dims" in call.given else "dim"))
    return _same(call)


def _gated(call: Call) -> list[Labels]:
    x, (dim,) = call.first(), call.dims()
    half = x.shape[dim] // 2
    call.book.unite(*call.book.cut(x.axes[dim], (half, half)))
    return [tuple(axis if own != dim else call.book.cut(axis, (half, half))[0] for own, axis in enumerate(x.axes))]


def _triangle(call: Call) -> list[Labels]:
    call.freeze(call.first(), ORDERED.format(call.name), (-2, -1))
    return _same(call)


def _product(left: str, right: str, added: str | None = None) -> Rule:
    """Of matrices, batches of them, and vectors: the last axis of one is summed with the last but one of the other."""

    def rule(call: Call) -> list[Labels]:
        a, b = call.given[left], call.given[right]
        inner = -2 if len(b.shape) > 1 else -1
        call.book.unite(a.axes[-1], b.axes[inner])
        batch = len(a.shape) - 2 if len(b.shape) > 2 else 0
        for own, other in zip(a.axes[:batch], b.axes[:batch], strict=True):
            call.book.unite(own, other)
        labels = (*a.axes[:-1], *b.axes[len(b.axes) + inner + 1 :])
        shape = call.shapes[0]
        return [call.broadcast([Operand(shape, labels)] + ([call.given[added]] if added else []), shape)]

    return rule


def _convolution(call: Call) -> list[Labels]:
    book, x, weight = call.book, call.given["input"], call.given["weight"]
    groups = call.given["groups"]
    call.freeze(x, PIXELS, range(2, len(x.shape)))
    call.freeze(weight, PIXELS, range(2, len(weight.shape)))
    blocks, each = book.regrouped([x.axes[1]], (groups, x.shape[1] // groups))
    first, second = weight.axes[:2]
    own, inner = book.regrouped([first], (groups, weight.shape[0] // groups))
    book.unite(own, blocks)
    book.unite(each, inner if call.given["transposed"] else second)
    out = (*own, *second) if call.given["transposed"] else first
    if isinstance(call.given["bias"], Operand):
        book.unite(out, call.given["bias"].axes[0])
    return [(x.axes[0], out, *call.new(call.shapes[0][2:], PIXELS))]


def _batch_norm(call: Call) -> list[Labels]:
    x, *others = call.operands
    for other in others:
        call.book.unite(x.axes[1], other.axes[0])
    return [
        x.axes if len(shape) == len(x.shape) else (x.axes[1],) if shape == x.shape[1:2] else call.new(shape)
        for shape in call.shapes
    ]


def _layer_norm(call: Call) -> list[Labels]:
    x, *others = call.operands
    for other in others:
        for own, its in zip(x.axes[-len(other.axes) :], other.axes, strict=True):
            call.book.unite(own, its)
    return _same(call)


def _group_norm(call: Call) -> list[Labels]:
    x, *others = call.operands
    for other in others:
        call.book.unite(x.axes[1], other.axes[0])
    groups = call.given["group"]
    blocks, _ = call.book.regrouped([x.axes[1]], (groups, x.shape[1] // groups))
    return [x.axes if len(shape) == len(x.shape) else (x.axes[0], blocks) for shape in call.shapes]


def _attention(call: Call) -> list[Labels]:
    book, (query, key, value) = call.book, call.operands[:3]
    for dim in range(len(query.shape) - 2):
        few, many = key.shape[dim], query.shape[dim]  # several queries may share a key
        shared, _ = book.regrouped([query.axes[dim]], (few, many // few))
        book.unite(shared, key.axes[dim])
        book.unite(shared, value.axes[dim])
    book.unite(query.axes[-1], key.axes[-1])
    book.unite(key.axes[-2], value.axes[-2])
    if call.given.get("is_causal"):
        call.freeze(query, ORDERED.format("a causal mask"), (-2,))
        call.freeze(key, ORDERED.format("a causal mask"), (-2,))
    scores = (*query.shape[:-1], key.shape[-2])
    call.broadcast([Operand(scores, (*query.axes[:-1], key.axes[-2])), *call.operands[3:]], scores)
    rest = [call.new(shape, ORDERED.format(call.name)) for shape in call.shapes[1:]]
    return [(*query.axes[:-1], value.axes[-1]), *rest]


def _spatial(call: Call) -> list[Labels]:
    """Pooling, padding by reflection, interpolation: what is done alike to every image."""
    x = call.first()
    found = re.search(r"([123])d", call.name)
    leading = len(x.shape) - int(found[1]) if found else 2
    call.freeze(x, PIXELS, range(leading, len(x.shape)))
    return [(*x.axes[:leading], *call.new(shape[leading:], PIXELS)) for shape in call.shapes]


def _table() -> Iterator[tuple[Rule, str]]:
    yield (
        _pointwise,
        "copy fill zero _to_copy detach alias lift_fresh lift_fresh_copy _prelu_kernel hardswish polar complex",
    )
    yield _constant, "full zeros ones empty empty_strided scalar_tensor"
    yield _constant, "full_like zeros_like ones_like empty_like new_full new_zeros new_ones new_empty new_empty_strided"
    yield _same, "_softmax _log_softmax softmax log_softmax _safe_softmax"
    yield _reduce, "sum mean amax amin prod any all var std var_mean std_mean logsumexp norm linalg_vector_norm nansum"
    yield _pick, "max min argmax argmin median mode"
    yield _ordered, "cumsum cumprod logcumsumexp cummax cummin flip roll sort topk"
    yield _gated, "glu"
    yield _triangle, "tril triu"
    yield _product("self", "mat2"), "mm bmm"
    yield _product("mat1", "mat2", "self"), "addmm"
    yield _product("batch1", "batch2", "self"), "baddbmm"
    yield _product("mat", "vec", "self"), "addmv"
    yield _product("self", "vec"), "mv"
    yield _product("self", "tensor"), "dot"
    yield _convolution, "convolution"
    yield _batch_norm, "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training"
    yield _batch_norm, "cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update"
    yield _layer_norm, "native_layer_norm _fused_rms_norm"
    yield _group_norm, "native_group_norm"
    yield _attention, "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention"
    yield _attention, "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
    yield _spatial, "avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices"
    yield _spatial, "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d"
    yield _spatial, "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact2d"
    yield (
        _spatial,
        "upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa",
    )
    yield _spatial, "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d"


RULES: dict[str, Rule] = {name: rule for rule, names in _table() for name in names.split()} | VIEWS | PICKS


def operation_name(operation: Any) -> str:
    """The name of an operation of torch, without its namespace, and without the underscore of one in place."""
    name = operation._schema.name.removeprefix("aten::")
    in_place = name.endswith("_") and not name.endswith("__")
    return name[:-1] if in_place else name


def rule_of(operation: Any) -> Rule | None:
    """The rule of an operation, or None where none is known."""
    if TAG in operation.tags:
        return _pointwise
    name = operation_name(operation)
    return RULES.get(name) or RULES.get(name.removesuffix("_copy"))
