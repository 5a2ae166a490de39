"""Selection: the smallest of many numbers, exactly and in a few readings, without a sort.

On a CPU numpy partitions and compares, several times faster than torch; it shares the memory of the tensors.
"""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import threshold

BITS = {torch.float32: torch.int32, torch.float64: torch.int64}

LONG = 2**18
"""Numbers of a row on a CPU beyond which it is read block by block and not partitioned as a whole."""
BLOCK = 2**17
"""Numbers of a long row read at once, so that what is computed from them stays in the cache."""
EVERY, SAMPLE = 509, 2**14
"""Of a long row every 509th number is looked at first, or more of them if that makes fewer than 2^14."""
MARGIN = 4.0
"""Standard errors of a rank in the sample from the rank that is sought to each end of the bracket."""

Smallest = tuple[Float[Tensor, " row"], Float[Tensor, " row"]]
"""The sum of the smallest squares of each row, and the level: the largest of their sizes."""


def smallest(values: Float[Tensor, "row number"], count: int) -> Smallest:
    """The sum of the `count` smallest squares of each row, NaN where a row holds NaN, and the `count`-th smallest size.

    On a CPU rows are partitioned. A long one is read once: a sample gives a narrow bracket of the level; what lies
    below is counted and added up, and what lies inside is kept, and partitioned. Where the level is not inside, which
    the count tells, the row is read again with the next bracket.
    """
    if count == 0:
        return values.new_zeros(len(values)), values.new_full((len(values),), -torch.inf)
    if _in_blocks(values):
        squares, levels = zip(*(_smallest_of_long(row, count) for row in values), strict=True)
        return torch.stack(squares), torch.stack(levels)
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

    Of several values at the level the first are taken. NaN counts as smallest.
    """
    result = torch.empty_like(kept, memory_format=torch.contiguous_format)
    if count == 0:
        return result.zero_()
    blocks = zip(_blocks(result), _blocks(kept), _blocks(values), strict=True)
    numbers = [_mask_beyond(some, part, level[:, None], out) for out, some, part in blocks]
    number = numbers[0] if len(numbers) == 1 else torch.stack(numbers).sum(0)
    if values.device.type != "cpu" or (len(number) and int(number.max()) > count):
        _drop_last(result, values, level[:, None], number[:, None] - count)
    return result


def _mask_beyond(kept: Tensor, values: Tensor, level: Tensor, out: Tensor) -> Tensor:
    """Write what is kept where the size is not beyond the level, else 0; how many a row keeps.

    All bits of a number are taken or none: ten times faster on a CPU than a choice, which branches.
    """
    bits = BITS[kept.dtype]
    taken = _compared(operator.gt, values.abs(), level).to(bits).sub_(1)
    torch.bitwise_and(kept.view(bits), taken, out=out.view(bits))
    return -taken.sum(1, dtype=bits)


def _drop_last(result: Tensor, values: Tensor, level: Tensor, surplus: Tensor) -> None:
    """Set the result to 0 at the last `surplus` values at the level of each row."""
    for out, part in reversed([*zip(_blocks(result), _blocks(values), strict=True)]):
        ties = _compared(operator.eq, part.abs(), level)
        if _in_blocks(values) and not ties.any():
            continue
        number = ties.sum(1, keepdim=True)
        out.masked_fill_(ties & (number - ties.cumsum(1) < surplus), 0)
        surplus = surplus - number
        if _in_blocks(values) and not (surplus > 0).any():
            return


def _compared(relation: Callable[[Any, Any], Any], sizes: Tensor, level: Tensor) -> Tensor:
    if sizes.device.type != "cpu":
        return relation(sizes, level)
    return torch.from_numpy(relation(sizes.numpy(), level.numpy()))


def _smallest_of_long(row: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Brackets are moved until the level lies strictly inside, or is an end of which it is known what lies below."""
    sample = np.sort(row[:: min(EVERY, len(row) // SAMPLE)].abs().numpy())
    share = count / len(row)
    rank, margin = share * len(sample), 1 + MARGIN * (share * (1 - share) * len(sample)) ** 0.5
    first, last = int(rank - margin), int(rank + margin) + 1
    less: dict[float, tuple[int, float]] = {}
    at_most: dict[float, tuple[int, float]] = {}
    while True:
        low, high = _end(sample, first), _end(sample, last)
        at_most[low], inside = _read(row, low, high)
        number, total = at_most[low]
        if math.isnan(total):
            return row.new_tensor(math.nan), row.new_tensor(math.nan)
        if number < count <= number + len(inside):
            wanted = count - number
            inside.partition(wanted - 1)
            total += _sum_of_squares(inside[:wanted])
            return row.new_tensor(total), row.new_tensor(inside[wanted - 1])
        less[high] = number + len(inside), total + _sum_of_squares(inside)
        for level in less.keys() & at_most.keys():
            number, total = less[level]
            if number < count <= at_most[level][0]:
                return row.new_tensor(total + (count - number) * level * level), row.new_tensor(level)
        margin *= 8
        if count <= at_most[low][0]:
            first, last = int(first - margin), first
        else:
            first, last = last, int(last + margin)


def _end(sample: np.ndarray, index: int) -> float:
    """A number of the sorted sample; -1, below all sizes, before its start, and infinity beyond its end."""
    return -1.0 if index < 0 else float(sample[index]) if index < len(sample) else math.inf


def _read(row: Tensor, low: float, high: float) -> tuple[tuple[int, float], np.ndarray]:
    """How many sizes are at most `low`, the sum of their squares, NaN if there is a NaN, and those strictly inside."""
    buffer, masks = torch.empty(BLOCK, dtype=row.dtype), np.empty((2, BLOCK), dtype=bool)
    next_up = np.nextafter(row.new_tensor(low).numpy(), np.inf).item()
    number, total, inside = 0, 0.0, []
    for part in row.split(BLOCK):
        sizes = torch.abs(part, out=buffer[: len(part)])
        some, (within, beyond) = sizes.numpy(), masks[:, : len(part)]
        np.less(some, high, out=within)
        if low < 0:
            inside.append(some[within])
            total += 0.0 if sizes.sum() >= 0 else math.nan
            continue
        np.greater(some, low, out=beyond)
        number += len(part) - int(np.count_nonzero(beyond))
        inside.append(some[np.logical_and(within, beyond, out=within)])
        total += threshold(sizes.neg_(), -next_up, 0.0, inplace=True).square_().sum().item()  # NaN is not below
    return (number, total), np.concatenate(inside)


def _sum_of_squares(sizes: np.ndarray) -> float:
    return torch.from_numpy(sizes).square().sum(dtype=torch.float64).item()


def _in_blocks(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.shape[1] > LONG and len(values) > 0


def _blocks(values: Tensor) -> Iterator[Tensor]:
    """The columns of a CPU's long rows a block at a time, else all at once."""
    return iter(values.split(BLOCK, dim=1) if _in_blocks(values) else (values,))
