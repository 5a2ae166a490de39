"""Steps at which a training is recorded."""

import numpy as np

from nwedge._checks import check_integer


def cycle_ends(length: int, steps: int, *, factor: int = 1) -> tuple[int, ...]:
    """The last steps of the cycles of a cyclical schedule, where its learning rate is lowest.

    They are L, L + fL, L + fL + f^2 L, ... up to `steps`, as in torch's CosineAnnealingWarmRestarts(T_0=L, T_mult=f).

    Args:
        length: L, the steps of the first cycle.
        steps: of the training.
        factor: f, by how much each cycle is longer than the one before it.

    Raises:
        TypeError, ValueError: anything but positive integers, or no cycle that ends.
    """
    for name, value in (("length", length), ("factor", factor)):
        check_integer(name, value, 1)
    check_integer("steps", steps, length)
    ends, end = [], length
    while end <= steps:
        ends.append(end)
        length *= factor
        end += length
    return tuple(ends)


def log_spaced(last: int, count: int) -> tuple[int, ...]:
    """Step 0 and about `count` steps from 1 to the last at equal ratios, rounded, each once.

    Args:
        last: the last step.
        count: how many there are from 1 on before steps that round to the same are taken together.

    Raises:
        TypeError, ValueError: anything but integers, at least 1 and 2.
    """
    check_integer("last", last, 1)
    check_integer("count", count, 2)
    return (0, *np.unique(np.geomspace(1, last, count).round().astype(int)).tolist())
