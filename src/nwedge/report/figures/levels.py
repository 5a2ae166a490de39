"""Where the colours of filled contours change, and on which scale."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import MaxNLocator

DECADES = 5
"""That a logarithmic scale shows at most, counted from the highest value."""
NARROW = 3
"""The ratio of highest to lowest value below which the scale is linear."""
STEPS = ([1, 2, 5], [1, 3])
MOST = 16
"""Levels; the first of the steps is taken that has no more of them."""


def logarithmic(values: np.ndarray) -> bool:
    """Whether a logarithm says more of finite values: none is negative, and they span more than `NARROW`."""
    positive = values[values > 0]
    return bool(positive.size and not (values < 0).any() and positive.max() >= NARROW * positive.min())


def floor(values: np.ndarray) -> float:
    """The least value that a logarithmic scale shows, of finite values of which one is positive."""
    positive = values[values > 0]
    return float(max(positive.min(), positive.max() / 10**DECADES))


def levels(values: np.ndarray, log: bool) -> tuple[np.ndarray, Normalize]:
    """Levels of finite values: at 1, 2 and 5 times powers of ten, or fewer; evenly on a linear scale.

    Args:
        values: finite; on a logarithmic scale one of them positive.
        log: which scale.
    """
    if not log:
        even = np.array(MaxNLocator(8).tick_values(values.min(), values.max() + (values.min() == values.max())))
        return even, Normalize(even[0], even[-1])
    low, high = floor(values), float(values.max())
    scales = [_between(low, high, steps) for steps in STEPS]
    found = next((one for one in scales if len(one) <= MOST), scales[-1])
    return found, LogNorm(found[0], found[-1])


def ticks(found: np.ndarray, most: int = 6) -> list[float]:
    """Some of the levels, few enough to be read."""
    return found[:: -(-len(found) // most)].tolist()


def _between(low: float, high: float, steps: Sequence[int]) -> np.ndarray:
    """Steps times powers of ten, from the last at most `low` to the first at least `high`."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    every = np.outer(powers, steps).ravel()
    return every[(every >= every[every <= low].max()) & (every <= every[every >= high].min())]
