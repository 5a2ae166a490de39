"""The rules of all operations: what each leaves free must really be free, and what should be free is not frozen."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nwedge._random import derive
from nwedge.landscapes.networks.permutations import GIVEN_UP, Group, Permutations, find_permutations
from nwedge.landscapes.networks.tracing import Pass


class Read(nn.Module):
    """sum(f(weights) * more weights): every entry of the result matters, and none keeps its order for itself."""

    def __init__(self, function: Callable[..., Tensor], shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        stream = derive(0, "weights")

        def drawn(shape: tuple[int, ...]) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, generator=stream, dtype=torch.float64))

        self.function = function
        self.given = nn.ParameterList(map(drawn, shapes))
        with torch.no_grad():
            self.read = drawn(tuple(function(*self.given).shape))

    def forward(self, scale: Tensor) -> Tensor:
        return (self.function(*self.given) * self.read).sum() * scale


def found(function: Callable[..., Tensor], *shapes: tuple[int, ...]) -> Permutations:
    return find_permutations(Pass(Read(function, shapes), torch.ones(())))


def sizes(permutations: Permutations) -> list[int]:
    def all_of(group: Group) -> list[int]:
        return [group.size, *(part.size for part in group.inner)]

    return sorted(size for group in permutations.groups for size in all_of(group))


INDEX = torch.tensor([2, 0, 2])


def inplace(a: Tensor, b: Tensor) -> Tensor:
    a = a.clone()
    a[:, :2] += 1
    a.mul_(b).relu_()
    return a


def filled(a: Tensor, b: Tensor) -> Tensor:
    both = a.new_zeros(len(a), 8)
    both[:, :3] = a
    both[:, 3:] = b
    return both


def rotated(a: Tensor, b: Tensor) -> Tensor:
    first, second = a.chunk(2, -1)
    return a * b + torch.cat([-second, first], -1)


def grouped_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def trained_norm(x: Tensor, weight: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, weight, training=True)


IMAGE, KERNEL = (2, 6, 4, 4), (5, 6, 3, 3)
FREE: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]], list[int]]] = {
    "broadcast": (lambda a, b: a + b, [(4, 6), (6,)], [4, 6]),
    "where": (lambda a, b: torch.where(a > 0, b, -a), [(4, 6), (4, 1)], [4, 6]),
    "activations": (lambda a: F.gelu(F.silu(F.hardswish(F.mish(F.softplus(F.elu(a)))))), [(4, 6)], [4, 6]),
    "slopes": (F.prelu, [(2, 6, 4), (6,)], [2, 4, 6]),
    "gate": (F.glu, [(4, 6)], [3, 4]),
    "matrices": (lambda a, b: a @ b, [(4, 6), (6, 5)], [4, 5, 6]),
    "batches": (torch.bmm, [(3, 4, 6), (3, 6, 5)], [3, 4, 5, 6]),
    "more batches": (lambda a, b: a @ b, [(2, 3, 4, 6), (3, 6, 5)], [2, 3, 4, 5, 6]),
    "vector": (lambda a, b: a @ b, [(4, 6), (6,)], [4, 6]),
    "vectors": (torch.dot, [(6,), (6,)], [6]),
    "added vector": (torch.addmv, [(4,), (4, 6), (6,)], [4, 6]),
    "added": (torch.addmm, [(5,), (4, 6), (6, 5)], [4, 5, 6]),
    "added batches": (torch.baddbmm, [(3, 4, 5), (3, 4, 6), (3, 6, 5)], [3, 4, 5, 6]),
    "dense": (F.linear, [(2, 3, 6), (5, 6), (5,)], [2, 3, 5, 6]),
    "einsum": (lambda a, b: torch.einsum("bij,kjb->ki", a, b), [(2, 3, 4), (5, 4, 2)], [2, 3, 4, 5]),
    "sum": (lambda a: a.sum(1), [(4, 6)], [4, 6]),
    "sum of all": (lambda a: a.sum(), [(4, 6)], [4, 6]),
    "mean": (lambda a: a.mean(0, keepdim=True), [(4, 6)], [4, 6]),
    "moments": (lambda a: torch.cat(torch.var_mean(a, 1)), [(4, 6)], [4, 6]),
    "norm": (lambda a: a / a.norm(dim=1, keepdim=True), [(4, 6)], [4, 6]),
    "logsumexp": (lambda a: a.logsumexp(1), [(4, 6)], [4, 6]),
    "softmax": (lambda a: a.softmax(1) - a.log_softmax(0), [(4, 6)], [4, 6]),
    "largest": (lambda a: a.amax(1), [(4, 6)], [4, 6]),
    "largest and where": (lambda a: a.max(1).values, [(4, 6)], [4]),
    "cumulated": (lambda a: a.cumsum(1), [(4, 6)], [4]),
    "turned round": (lambda a: a.flip(1), [(4, 6)], [4]),
    "sorted": (lambda a: a.sort(1).values, [(4, 6)], [4]),
    "first": (lambda a: a.topk(2).values, [(4, 6)], [4]),
    "triangle": (torch.tril, [(3, 4, 6)], [3]),
    "convolution": (F.conv2d, [IMAGE, KERNEL, (5,)], [2, 5, 6]),
    "along a line": (F.conv1d, [(2, 6, 5), (5, 6, 3)], [2, 5, 6]),
    "in groups": (lambda x, w: F.conv2d(x, w, groups=2), [IMAGE, (10, 3, 3, 3)], [2, 2, 3, 5]),
    "channel by channel": (lambda x, w: F.conv2d(x, w, groups=6), [IMAGE, (6, 1, 3, 3)], [2, 6]),
    "several a channel": (lambda x, w: F.conv2d(x, w, groups=6), [IMAGE, (18, 1, 3, 3)], [2, 3, 6]),
    "transposed": (F.conv_transpose2d, [IMAGE, (6, 5, 3, 3), (5,)], [2, 5, 6]),
    "transposed in groups": (lambda x, w: F.conv_transpose2d(x, w, groups=2), [IMAGE, (6, 5, 3, 3)], [2, 2, 3, 5]),
    "batch norm": (lambda x, m, v: F.batch_norm(x, m, v.exp()), [IMAGE, (6,), (6,)], [2, 4, 4, 6]),
    "batch norm in training": (trained_norm, [IMAGE, (6,)], [2, 4, 4, 6]),
    "layer norm": (lambda x, w: F.layer_norm(x, (6,), w), [(2, 4, 6), (6,)], [2, 4, 6]),
    "layer norm of two": (lambda x, w: F.layer_norm(x, (4, 6), w), [(2, 4, 6), (4, 6)], [2, 4, 6]),
    "group norm": (lambda x, w: F.group_norm(x, 2, w), [IMAGE, (6,)], [2, 2, 3, 4, 4]),
    "instance norm": (lambda x, w: F.instance_norm(x, weight=w), [IMAGE, (6,)], [2, 4, 4, 6]),
    "root mean square": (lambda x, w: F.rms_norm(x, (6,), w), [(2, 4, 6), (6,)], [2, 4, 6]),
    "largest of patches": (lambda x: F.max_pool2d(x, 2), [IMAGE], [2, 6]),
    "mean of patches": (lambda x: F.avg_pool2d(x, 2), [IMAGE], [2, 6]),
    "mean of four": (lambda x: F.adaptive_avg_pool2d(x, 2), [IMAGE], [2, 6]),
    "mean of one": (lambda x: F.adaptive_avg_pool2d(x, 1), [IMAGE], [2, 4, 4, 6]),
    "larger": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), [IMAGE], [2, 6]),
    "finer": (lambda x: F.pixel_shuffle(x, 2), [(2, 12, 4, 4)], [2, 2, 2, 3, 4, 4]),
    "reflected": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), [IMAGE], [2, 6]),
    "padded": (lambda x: F.pad(x, (1, 2)), [(4, 6)], [2, 4, 6]),
    "taken apart": (lambda a, b: a.view(4, 2, 3) * b, [(4, 6), (3,)], [2, 3, 4]),
    "flattened": (lambda a: a.flatten(1), [(2, 4, 3)], [2, 3, 4]),
    "put in another order": (lambda a: a.permute(2, 0, 1).transpose(0, -1), [(2, 4, 3)], [2, 3, 4]),
    "spread": (lambda a: a[:, None].expand(4, 5, 6).squeeze(), [(4, 6)], [4, 5, 6]),
    "repeated": (lambda a: a.repeat(2, 3), [(4, 6)], [2, 3, 4, 6]),
    "each repeated": (lambda a: a.repeat_interleave(3, 1), [(4, 6)], [3, 4, 6]),
    "a piece": (lambda a: a[:, 2:5], [(4, 6)], [2, 3, 4]),
    "every second": (lambda a: a[:, ::2], [(4, 6)], [4]),
    "one": (lambda a: a[:, 1], [(4, 6)], [4, 4]),
    "pieces": (lambda a: torch.cat(a.split([2, 4], 1)[::-1], 1), [(4, 6)], [2, 4, 4]),
    "all ones": (lambda a: torch.stack(a.unbind(1), 0), [(4, 6)], [4]),
    "side by side": (lambda a, b: torch.cat([a, b], 1), [(4, 2), (4, 3)], [2, 3, 4]),
    "in place": (inplace, [(4, 6), (6,)], [2, 4, 4]),
    "into zeros": (filled, [(4, 3), (4, 5)], [3, 4, 5]),
    "rotated": (rotated, [(4, 6), (6,)], [3, 4]),
    "by index": (lambda a: a[:, INDEX], [(4, 6)], [4]),
    "by indices": (lambda a: a[INDEX, INDEX], [(4, 6, 5)], [5]),
    "by scattered indices": (lambda a: a[INDEX, :, INDEX], [(4, 6, 5)], []),
    "by mask": (lambda a: a[torch.arange(4) > 1], [(4, 6)], []),
    "looked up": (lambda a: F.embedding(INDEX, a), [(4, 6)], [6]),
    "selected": (lambda a: a.index_select(1, INDEX), [(4, 6)], [4]),
    "gathered": (lambda a: a.gather(1, INDEX.expand(4, 3)), [(4, 6)], [4]),
    "attention": (F.scaled_dot_product_attention, [(2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 6)], [2, 3, 4, 5, 6, 6]),
    "attention by hand": (
        lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
        [(2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7)],
        [2, 3, 4, 5, 6, 7],
    ),
    "attention with a mask": (F.scaled_dot_product_attention, [(2, 3, 4, 6)] * 3 + [(3, 4, 4)], [2, 3, 4, 4, 6, 6]),
    "causal attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(2, 3, 4, 6)] * 3,
        [2, 3, 6, 6],
    ),
    "shared keys": (grouped_attention, [(2, 6, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)], [2, 2, 3, 4, 4, 5, 5]),
    "not known": (lambda a, b: torch.linalg.solve(a, b), [(4, 4), (4, 6)], []),
    "clashing": (lambda a, b: a.view(6, 4) + b.view(6, 4), [(4, 6), (24,)], []),
    "made in the pass": (lambda a: a + torch.arange(6), [(4, 6)], [4]),
    "the same everywhere": (lambda a: a + torch.full((6,), 2.0), [(4, 6)], [4, 6]),
    "nothing": (lambda a, b: torch.cat([a, b[:, :0]], 1), [(4, 6), (4, 3)], []),
}


@pytest.mark.parametrize(("function", "shapes", "expected"), FREE.values(), ids=FREE)
def test_what_is_free(function: Callable[..., Tensor], shapes: list[tuple[int, ...]], expected: list[int]) -> None:
    permutations = found(function, *shapes)
    assert GIVEN_UP not in permutations.frozen, "the rule left free what is not"
    assert sizes(permutations) == expected
