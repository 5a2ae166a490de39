"""Selection: the smallest of many numbers, exactly and without a sort.

On a CPU numpy partitions and compares, several times faster than torch; it shares the memory of the tensors.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge.landscapes.long_rows import BITS, keep_smallest_of_long, smallest_of_long

LONG = 2**18
"""Numbers of a row on a CPU beyond which it is read block by block and not partitioned as a whole."""

Smallest = tuple[Float[Tensor, " row"], Float[Tensor, " row"]]
"""The sum of the smallest squares of each row, and the level: the largest of their sizes."""


def smallest(values: Float[Tensor, "row number"], count: int) -> Smallest:
    """The sum of the `count` smallest squares of each row, NaN where a row holds NaN, and the `count`-th smallest size.

    On a CPU rows are partitioned, and long ones read as in `long_rows`; elsewhere torch's own selection is taken.
    """
    if count == 0:
        return values.new_zeros(len(values)), values.new_full((len(values),), -torch.inf)
    if _long(values):
        squares, levels = zip(*(smallest_of_long(row, count) for row in values), strict=True)
        return values.new_tensor(squares), values.new_tensor(levels)
    sizes = values.abs()
    broken = sizes.sum(1).isnan()
    if values.device.type == "cpu":
        sizes.numpy().partition(count - 1, axis=1)
        found = sizes[:, :count]
        level = found[:, -1].clone()
    else:
        found = sizes.topk(count, dim=1, largest=False, sorted=False).values
        level = found.amax(1)
    return found.square().sum(1).masked_fill_(broken, torch.nan), level


def keep_smallest(
    kept: Float[Tensor, "row number"],
    values: Float[Tensor, "row number"],
    count: int,
    level: Float[Tensor, " row"],
) -> Float[Tensor, "row number"]:
    """`kept` where the size of the value is among the `count` smallest of its row, whose level is given, else 0.

    Of several values at the level the first are taken. NaN counts as smallest. All bits of a number are taken or none,
    several times faster on a CPU than a choice, which branches.
    """
    result = torch.empty_like(kept, memory_format=torch.contiguous_format)
    if count == 0:
        return result.zero_()
    if _long(values):
        for row in range(len(values)):
            keep_smallest_of_long(result[row], kept[row], values[row], count, level[row].item())
        return result
    sizes, edge, bits = values.abs(), level[:, None], BITS[kept.dtype]
    on_cpu = values.device.type == "cpu"
    beyond = torch.from_numpy(sizes.numpy() > edge.numpy()) if on_cpu else sizes > edge
    taken = beyond.to(bits).sub_(1)
    torch.bitwise_and(kept.view(bits), taken, out=result.view(bits))
    surplus = -taken.sum(1, dtype=bits) - count
    if not on_cpu or (len(values) and int(surplus.max()) > 0):
        ties = sizes == edge
        result.masked_fill_(ties & (ties.sum(1, keepdim=True) - ties.cumsum(1) < surplus[:, None]), 0)
    return result


def _long(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.shape[1] > LONG and len(values) > 0
