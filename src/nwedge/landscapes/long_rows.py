"""Selection in rows of millions of numbers on a CPU: one reading, a block that fits into the cache at a time."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import threshold

BITS = {torch.float32: torch.int32, torch.float64: torch.int64}

BLOCK = 2**17
"""Numbers read at once, so that what is computed from them stays in the cache."""
EVERY, SAMPLE = 509, 2**14
"""Every 509th number is looked at first, or more of them if that makes fewer than 2^14."""
MARGIN = 4.0
"""Standard errors of a rank in the sample from the rank that is sought to each end of the bracket."""


def smallest_of_long(row: Float[Tensor, " number"], count: int) -> tuple[float, float]:
    """The sum of the `count` smallest squares and the `count`-th smallest size; NaN where there is a NaN.

    A sample gives a narrow bracket of the level; what lies below is counted and added up, and what lies inside is kept,
    and partitioned. Where the level is not inside, which the count tells, the row is read again with the next bracket,
    until it is, or until it is the end of a bracket of which it is known what lies below. What lies strictly inside is
    little, however often a number is there: one that is frequent is frequent in the sample, and so an end.
    """
    sample = np.sort(row[:: max(1, min(EVERY, len(row) // SAMPLE))].abs().numpy())
    share = count / len(row)
    rank, margin = share * len(sample), 1 + MARGIN * (share * (1 - share) * len(sample)) ** 0.5
    first, last = int(rank - margin), int(rank + margin) + 1
    less: dict[float, tuple[int, float]] = {}
    at_most: dict[float, tuple[int, float]] = {}
    while True:
        low, high = _end(sample, first), _end(sample, last)
        number, total, inside = _read(row, low, high)
        if math.isnan(total):
            return math.nan, math.nan
        if number < count <= number + len(inside):
            wanted = count - number
            inside.partition(wanted - 1)
            return total + _sum_of_squares(inside[:wanted]), float(inside[wanted - 1])
        at_most[low], less[high] = (number, total), (number + len(inside), total + _sum_of_squares(inside))
        for level in less.keys() & at_most.keys():
            below, total = less[level]
            if below < count <= at_most[level][0]:
                return total + (count - below) * level * level, level
        margin *= 8
        first, last = (int(first - margin), first) if count <= number else (last, int(last + margin))


def keep_smallest_of_long(
    result: Float[Tensor, " number"],
    kept: Float[Tensor, " number"],
    row: Float[Tensor, " number"],
    count: int,
    level: float,
) -> None:
    """Write into `result` what `nwedge.landscapes.selection.keep_smallest` gives for one row."""
    bits, number = BITS[row.dtype], 0
    mask, taken = np.empty(BLOCK, dtype=bool), torch.empty(BLOCK, dtype=bits)
    for start, sizes in _sizes(row):
        here = slice(start, start + len(sizes))
        beyond = np.greater(sizes, level, out=mask[: len(sizes)])
        number += len(sizes) - int(np.count_nonzero(beyond))
        whole = taken[: len(sizes)].copy_(torch.from_numpy(beyond)).sub_(1)
        torch.bitwise_and(kept[here].view(bits), whole, out=result[here].view(bits))
    surplus = number - count
    for start in reversed(range(0, len(row), BLOCK)):
        if surplus <= 0:
            return
        ties = torch.nonzero(row[start : start + BLOCK].abs() == level)[-surplus:, 0]
        result[start + ties] = 0
        surplus -= len(ties)


def _read(row: Tensor, low: float, high: float) -> tuple[int, float, np.ndarray]:
    """How many sizes are at most `low`, the sum of their squares, NaN if there is a NaN, and those strictly inside."""
    masks, inside, number, total = np.empty((2, BLOCK), dtype=bool), [], 0, 0.0
    next_up = np.nextafter(row.new_tensor(low).numpy(), np.inf).item()
    for _, sizes in _sizes(row):
        within, beyond = masks[:, : len(sizes)]
        np.less(sizes, high, out=within)
        if low < 0:
            inside.append(sizes[within])
            total += 0.0 if torch.from_numpy(sizes).sum() >= 0 else math.nan
            continue
        np.greater(sizes, low, out=beyond)
        number += len(sizes) - int(np.count_nonzero(beyond))
        inside.append(sizes[np.logical_and(within, beyond, out=within)])
        below = threshold(torch.from_numpy(sizes).neg_(), -next_up, 0.0, inplace=True)  # NaN stays
        total += below.square_().sum().item()
    return number, total, np.concatenate(inside)


def _sizes(row: Tensor) -> Iterator[tuple[int, np.ndarray]]:
    """The sizes of each block and where it starts, in memory that the next block overwrites."""
    buffer = torch.empty(BLOCK, dtype=row.dtype)
    for start in range(0, len(row), BLOCK):
        part = row[start : start + BLOCK]
        yield start, torch.abs(part, out=buffer[: len(part)]).numpy()


def _end(sample: np.ndarray, index: int) -> float:
    """A number of the sorted sample; -1, below all sizes, before its start, and infinity beyond its end."""
    return -1.0 if index < 0 else float(sample[index]) if index < len(sample) else math.inf


def _sum_of_squares(sizes: np.ndarray) -> float:
    return torch.from_numpy(sizes).square().sum(dtype=torch.float64).item()
