"""Thresholds: the dimension from which random planes succeed, fitted to their successes and found by bisection."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from nwedge._checks import check_integer

CONFIDENCE = 0.95
RESAMPLES = 1000
AROUND = 4
"""Dimensions visited on each side of the crossing, beyond those that found it."""
ITERATIONS, HALVINGS, TOLERANCE, RIDGE = 100, 60, 1e-10, 1e-10


@dataclass(frozen=True)
class Threshold:
    """The dimension at which half of the planes succeed, and what it was fitted to.

    Attributes:
        value: the threshold; None if it is censored, with the reason in `sentence`.
        interval: its 95 % interval; an end is infinite where the data leave it open; None if censored.
        slope: of the logit against d; infinite where failures and successes are separated; None if censored.
        sentence: the result in words.
        d: the dimension of every plane, shape (planes,).
        success: whether it succeeded, shape (planes,).
    """

    value: float | None
    interval: tuple[float, float] | None
    slope: float | None
    sentence: str
    d: Int[np.ndarray, " planes"]
    success: Bool[np.ndarray, " planes"]


@dataclass(frozen=True)
class _Fit:
    """A fit, and the range of thresholds that fit equally well."""

    value: float
    slope: float
    low: float
    high: float


def fit_threshold(d: np.ndarray, success: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> Threshold:
    """Fit P(success) = 1 / (1 + exp(-slope (d - value))) by maximum likelihood.

    A threshold lies between integers: planes that fail up to 49 and succeed from 50 give 49.5.

    The interval is a percentile bootstrap over planes, redrawn among those of the same d. Separated data (every plane
    fails up to some d and every plane succeeds from another) do not determine the fit: the threshold is then the
    midpoint of the two, and the two are the interval. Where one d alone is mixed, it is the threshold, and its
    neighbours are the interval. Resamples of these kinds count with their whole range.

    Args:
        d: the dimension of each plane, shape (planes,).
        success: 0 or 1 (or bool) for each plane, shape (planes,).
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        A `Threshold`; censored where all planes fail, all succeed, or success does not rise with d.

    Raises:
        ValueError: no planes, arrays of other shapes, or successes that are neither 0 nor 1.
        TypeError: dimensions that are no integers.
    """
    check_integer("resamples", resamples, 1)
    d, success = _checked(d, success)
    dims, groups = np.unique(d, return_inverse=True)
    planes = np.bincount(groups)
    won = np.bincount(groups, weights=success).astype(int)
    censored = _censored(dims, planes, won)
    if censored:
        return Threshold(None, None, None, censored, d, success)
    (found,) = _fit(dims, planes, won[None])
    draws = np.random.default_rng(seed).binomial(planes, won / planes, size=(resamples, len(dims)))
    tables, times = np.unique(draws, axis=0, return_counts=True)
    fits = _fit(dims, planes, tables)
    tail = (1 - CONFIDENCE) / 2
    low = _quantile(np.array([fit.low for fit in fits]), times, tail)
    high = _quantile(np.array([fit.high for fit in fits]), times, 1 - tail)
    sentence = f"half of the planes succeed at d = {found.value:.4g} [{low:.4g}, {high:.4g}]"
    return Threshold(found.value, (low, high), found.slope, sentence, d, success)


def find_threshold(
    succeeds: Callable[[int], np.ndarray],
    low: int,
    high: int,
    *,
    guess: int | None = None,
    resolution: float = 1.0,
    around: int = AROUND,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Threshold:
    """Search for the dimension at which half of the planes succeed, by bisection, and fit it by `fit_threshold`.

    From `guess` the search strides, each time twice as far, until the share of successes crosses one half, and bisects
    until the two sides of the crossing are neighbours: at most a factor `resolution` apart, or consecutive integers.
    From there it walks down until every plane fails and up until every plane succeeds, from neighbour to neighbour, at
    most `around` each way. No dimension is asked for twice, nor more than `most_visited` in all.

    Args:
        succeeds: from d to whether each of some planes of dimension d succeeds, shape (planes,).
        low: the smallest d, at least 1.
        high: the largest d.
        guess: where the search starts; None starts at `low`.
        resolution: the ratio of neighbouring dimensions, at least 1; small dimensions are told apart exactly.
        around: the most dimensions visited on each side of the crossing.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        A `Threshold` with every plane of every dimension visited; it is censored, with a sentence, where the share does
        not cross one half between `low` and `high` and every plane agrees.

    Raises:
        ValueError, TypeError: numbers out of range, `low` not below `high`, a guess outside of them, or successes that
            are no non-empty array of 0 and 1.
    """
    check_integer("low", low, 1)
    check_integer("high", high, 1)
    check_integer("around", around, 0)
    if low >= high:
        raise ValueError(f"low must be below high; got low={low}, high={high}")
    guess = low if guess is None else guess
    check_integer("guess", guess, low, high)
    if not 1 <= resolution < math.inf:
        raise ValueError(f"resolution must be a ratio of at least 1; got {resolution}")
    seen: dict[int, np.ndarray] = {}

    def share(d: int) -> float:
        if d not in seen:
            seen[d] = _checked_success(np.asarray(succeeds(d)), f"succeeds({d})")
        return float(seen[d].mean())

    def walk(d: int, end: float, step: Callable[[int], int]) -> None:
        for _ in range(around):
            if share(d) == end:
                break
            d = min(high, max(low, step(d)))
        share(d)

    below, above = _bisect(share, *_bracket(share, low, high, guess, resolution), resolution)
    walk(above, 1.0, lambda d: max(d + 1, math.floor(d * resolution)))
    walk(below, 0.0, lambda d: min(d - 1, math.ceil(d / resolution)))
    dims = np.concatenate([np.full(len(planes), d) for d, planes in sorted(seen.items())])
    return fit_threshold(dims, np.concatenate([seen[d] for d in sorted(seen)]), resamples=resamples, seed=seed)


def most_visited(high: int, around: int = AROUND) -> int:
    """The most dimensions that `find_threshold` asks for up to `high`: to reach the crossing, to bisect it, to walk."""
    return 2 * high.bit_length() + 2 + 2 * around


def _bracket(share: Callable[[int], float], low: int, high: int, guess: int, resolution: float) -> tuple[int, int]:
    """Two dimensions with the crossing between them, in strides from `guess` that double; from 1 on: 1, 2, 4, 8.

    Where the crossing lies outside, both are `low` or both are `high`.
    """
    stride = max(1, round((resolution - 1) * guess))
    d, up = guess, share(guess) < 0.5
    while d != (high if up else low):
        further = min(high, d + stride) if up else max(low, d - stride)
        if (share(further) >= 0.5) == up:
            return min(d, further), max(d, further)
        d, stride = further, 2 * stride
    return d, d


def _bisect(share: Callable[[int], float], below: int, above: int, resolution: float) -> tuple[int, int]:
    """The crossing between neighbours."""
    while above > max(below + 1, below * resolution):
        middle = (below + above) // 2
        below, above = (below, middle) if share(middle) >= 0.5 else (middle, above)
    return below, above


def _fit(dims: np.ndarray, planes: np.ndarray, tables: np.ndarray) -> list[_Fit]:
    """The fit of each table of successes, shape (tables, dims), among the `planes` of each dimension in `dims`."""
    fits = [_edge_case(dims, planes, won) for won in tables]
    regular = [row for row, fit in enumerate(fits) if fit is None]
    values, slopes = _maximum_likelihood(dims, planes, tables[regular])
    likeliest = (
        _Fit(value, slope, value, value) for value, slope in zip(values.tolist(), slopes.tolist(), strict=True)
    )
    return [fit or next(likeliest) for fit in fits]


def _edge_case(dims: np.ndarray, planes: np.ndarray, won: np.ndarray) -> _Fit | None:
    """The fit where no finite slope above 0 is likeliest, with the range that the data leave; else None."""
    lost = planes - won
    if not won.any():
        return _Fit(math.inf, math.inf, float(dims[-1]), math.inf)
    if not lost.any():
        return _Fit(-math.inf, math.inf, -math.inf, float(dims[0]))
    last_failure, first_success = dims[lost > 0][-1], dims[won > 0][0]
    if last_failure <= first_success:
        below, above = dims[dims < first_success], dims[dims > last_failure]
        low = float(below[-1]) if len(below) else -math.inf
        high = float(above[0]) if len(above) else math.inf
        return _Fit(float(last_failure + first_success) / 2, math.inf, low, high)
    if dims @ (won * planes.sum() - planes * won.sum()) <= 0:  # the sign of the likeliest slope
        return _Fit(math.nan, math.nan, -math.inf, math.inf)
    return None


def _maximum_likelihood(dims: np.ndarray, planes: np.ndarray, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest thresholds and slopes of all tables at once, by Newton's method with halved steps."""
    x = (dims - dims.mean()) / np.ptp(dims)
    features = np.stack([np.ones_like(x), x], axis=1)

    def cost(parameters: np.ndarray) -> np.ndarray:
        logits = parameters @ features.T
        return np.logaddexp(0, logits) @ planes - (tables * logits).sum(1)

    parameters = np.zeros((len(tables), 2))
    for _ in range(ITERATIONS):
        chance = expit(parameters @ features.T)
        gradient = (tables - planes * chance) @ features
        hessian = np.einsum("tn,ni,nj->tij", planes * chance * (1 - chance), features, features)
        hessian += RIDGE * planes.sum() * np.eye(2)  # for chances that are all 0 or 1 to rounding on the way
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        now = cost(parameters)
        for _ in range(HALVINGS):
            worse = cost(parameters + step) > now
            if not worse.any():
                break
            step[worse] /= 2
        parameters = parameters + step
        if (np.abs(step) <= TOLERANCE * np.abs(parameters).max(axis=1, keepdims=True)).all():
            break
    return dims.mean() - np.ptp(dims) * parameters[:, 0] / parameters[:, 1], parameters[:, 1] / np.ptp(dims)


def _censored(dims: np.ndarray, planes: np.ndarray, won: np.ndarray) -> str:
    """Why there is no threshold; empty if there is one."""
    count = planes.sum()
    if not won.any():
        return f"censored: all {count} planes fail up to d = {dims[-1]}, so the threshold lies above"
    if (won == planes).all():
        return f"censored: all {count} planes succeed from d = {dims[0]} on, so the threshold lies at or below it"
    if len(dims) == 1:
        return f"censored: d = {dims[0]} alone was tried, where {won[0]} of {count} planes succeed"
    if math.isnan(_fit(dims, planes, won[None])[0].value):
        return f"censored: success does not rise with d between {dims[0]} and {dims[-1]}"
    return ""


def _quantile(values: Float[np.ndarray, " tables"], times: np.ndarray, level: float) -> float:
    """The smallest value that a share `level` of the resamples does not exceed; values may be infinite."""
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(times[order]), level * times.sum())])


def _checked(d: np.ndarray, success: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    d, success = np.asarray(d), _checked_success(np.asarray(success), "success")
    if d.shape != success.shape:
        raise ValueError(f"d must give one dimension per plane, shape {success.shape}; got shape {d.shape}")
    if d.dtype.kind not in "iu":
        raise TypeError(f"d must hold integers; got {d.dtype}")
    return d, success


def _checked_success(success: np.ndarray, name: str) -> np.ndarray:
    if success.ndim != 1 or len(success) == 0:
        raise ValueError(f"{name} must be one value per plane, shape (planes,), at least one; got {success.shape}")
    if not np.isin(success, (0, 1)).all():
        raise ValueError(f"{name} must hold 0 and 1 alone; got {np.unique(success)[:5].tolist()}")
    return success.astype(bool)
