"""The logistic fit against a grid, its interval against its coverage, and the search against known crossings."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from nwedge.methods.thresholds import find_threshold, fit_threshold, most_visited


def planes(value: float, slope: float, dims: range, each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    d = np.repeat(np.array(dims), each)
    return d, np.random.default_rng(seed).random(len(d)) < expit(slope * (d - value))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("value", "slope", "dims"), [(47.3, 1.0, range(1, 90)), (1200.0, 0.01, range(600, 2000, 100))])
def test_the_fit_is_the_likeliest_that_a_general_optimiser_finds(
    value: float, slope: float, dims: range, seed: int
) -> None:
    d, success = planes(value, slope, dims, 10, seed)
    found = fit_threshold(d, success, resamples=100)

    def cost(parameters: np.ndarray) -> float:
        threshold, logarithm = parameters
        return -log_expit(
            np.where(success, 1, -1) * slope * math.exp(logarithm) * (d - value - threshold / slope)
        ).sum()

    best = minimize(cost, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    assert found.value == pytest.approx(value + best[0] / slope, abs=1e-4 / slope)
    assert found.slope == pytest.approx(slope * math.exp(best[1]), rel=1e-4)


@pytest.mark.parametrize(
    ("dims", "each", "won", "value", "slope"),
    [
        ([10, 17, 4129], [30, 3, 2], [1, 2, 2], 15.80504904, 0.58006329),
        (
            [8, 12, 120, 328],
            [9, 882, 147, 6],
            [1, 881, 147, 6],
            8 + 4 * math.log(8) / math.log(8 * 881),
            math.log(8 * 881) / 4,
        ),
    ],
)
def test_far_dimensions_do_not_lead_the_fit_astray(
    dims: list[int], each: list[int], won: list[int], value: float, slope: float
) -> None:
    """Newton's method without halved steps diverges here. Two mixed dimensions are fitted exactly."""
    success = np.concatenate([np.arange(count) < right for count, right in zip(each, won, strict=True)])
    found = fit_threshold(np.repeat(dims, each), success, resamples=5)
    assert found.value == pytest.approx(value, rel=1e-6)
    assert found.slope == pytest.approx(slope, rel=1e-6)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        found = fit_threshold(*planes(47.3, 0.8, range(42, 54, 2), 12, seed), resamples=200, seed=seed)
        assert found.interval is not None
        covered += found.interval[0] <= 47.3 <= found.interval[1]
    assert covered >= 52


def test_separated_data_give_the_midpoint_and_the_two_dimensions() -> None:
    found = fit_threshold(np.array([10, 10, 30, 44, 50, 90]), np.array([0, 0, 0, 1, 1, 1]))
    assert (found.value, found.interval, found.slope) == (37.0, (30.0, 44.0), math.inf)
    assert found.sentence == "half of the planes succeed at d = 37 [30, 44]"


def test_a_single_mixed_dimension_is_the_threshold_and_its_neighbours_the_interval() -> None:
    found = fit_threshold(np.array([48, 48, 49, 49, 50, 50]), np.array([0, 0, 0, 1, 1, 1]))
    assert (found.value, found.interval) == (49.0, (48.0, 50.0))
    open_above = fit_threshold(np.array([48, 48, 49, 49]), np.array([0, 0, 0, 1]))
    assert (open_above.value, open_above.interval) == (49.0, (48.0, math.inf))


@pytest.mark.parametrize(
    ("success", "sentence"),
    [
        ([0, 0, 0, 0], "censored: all 4 planes fail up to d = 9"),
        ([1, 1, 1, 1], "censored: all 4 planes succeed from d = 5 on"),
        ([1, 1, 0, 0], "censored: success does not rise with d between 5 and 9"),
        ([1, 0, 1, 0], "censored: success does not rise with d between 5 and 9"),
    ],
)
def test_a_threshold_that_the_data_do_not_hold_is_censored_with_a_sentence(success: list[int], sentence: str) -> None:
    found = fit_threshold(np.array([5, 5, 9, 9]), np.array(success))
    assert (found.value, found.interval, found.slope) == (None, None, None)
    assert found.sentence.startswith(sentence)
    assert found.success.tolist() == [bool(one) for one in success]


def test_mixed_success_at_a_single_dimension_is_censored() -> None:
    found = fit_threshold(np.array([5, 5, 5]), np.array([0, 1, 1]))
    assert found.value is None
    assert found.sentence == "censored: d = 5 alone was tried, where 2 of 3 planes succeed"


def test_a_success_that_is_level_but_for_rounding_is_censored() -> None:
    """The slope is exactly 0: (2, 4, 8) with 2 of 2, 1 of 4 and 1 of 1 successes."""
    found = fit_threshold(np.array([2, 2, 4, 4, 4, 4, 8]), np.array([1, 1, 1, 0, 0, 0, 1]))
    assert found.value is None


def test_a_hardly_rising_success_has_an_open_interval() -> None:
    found = fit_threshold(np.repeat([5, 9], 4), np.array([0, 1, 1, 0, 1, 0, 1, 1]))
    assert found.interval == (-math.inf, math.inf)


@settings(deadline=None, max_examples=20)
@given(shift=st.integers(-3, 300), stretch=st.integers(1, 50), seed=st.integers(0, 9))
def test_the_fit_moves_and_stretches_with_the_dimensions(shift: int, stretch: int, seed: int) -> None:
    d, success = planes(12.0, 0.6, range(4, 21, 4), 6, seed)
    found, other = (fit_threshold(one, success, resamples=20) for one in (d, stretch * d + shift))
    assert found.value is not None
    assert found.interval is not None
    assert other.value == pytest.approx(stretch * found.value + shift, rel=1e-4)
    assert other.interval == pytest.approx(tuple(stretch * end + shift for end in found.interval), rel=1e-4)


class Planes:
    """Planes that succeed with a logistic probability; it notes which dimensions it is asked for."""

    def __init__(self, value: float, slope: float, each: int = 10) -> None:
        self.value, self.slope, self.each, self.asked = value, slope, each, []

    def __call__(self, d: int) -> np.ndarray:
        self.asked.append(d)
        return np.random.default_rng(d).random(self.each) < expit(self.slope * (d - self.value))


@settings(deadline=None, max_examples=30)
@given(value=st.integers(2, 299), guess=st.integers(1, 300))
def test_the_search_brackets_a_sharp_threshold_wherever_it_lies_and_starts(value: int, guess: int) -> None:
    succeeds = Planes(value + 0.5, 1e3)
    found = find_threshold(succeeds, 1, 300, guess=guess)
    assert (found.value, found.interval) == (value + 0.5, (value, value + 1))
    assert len(succeeds.asked) == len(set(succeeds.asked)) <= 18


@settings(deadline=None, max_examples=30)
@given(value=st.integers(2, 5000), guess=st.integers(1, 6000), resolution=st.sampled_from([1.0, 1.1, 1.4, 3.0]))
def test_the_search_asks_for_no_more_dimensions_than_it_says(value: int, guess: int, resolution: float) -> None:
    succeeds = Planes(value, 0.003)
    find_threshold(succeeds, 1, 6000, guess=guess, resolution=resolution, resamples=1)
    assert len(succeeds.asked) <= most_visited(6000)


@settings(deadline=None, max_examples=30)
@given(value=st.integers(2, 5000), resolution=st.sampled_from([1.01, 1.1, 1.4]))
def test_a_relative_resolution_is_exact_where_dimensions_are_small(value: int, resolution: float) -> None:
    found = find_threshold(Planes(value + 0.5, 1e4), 1, 6000, resolution=resolution)
    assert found.interval is not None
    low, high = found.interval
    assert low <= value + 0.5 <= high
    assert high <= max(low + 1, low * resolution)


def test_a_search_that_starts_near_the_threshold_asks_for_fewer_dimensions() -> None:
    far, near = Planes(200.5, 1e3), Planes(200.5, 1e3)
    assert find_threshold(far, 1, 6000, resolution=1.1).interval == (192, 208)
    find_threshold(near, 1, 6000, guess=190, resolution=1.1)
    assert len(near.asked) <= len(far.asked) / 2


def test_the_search_crosses_where_half_of_the_planes_succeed() -> None:
    asked = []

    def succeeds(d: int) -> np.ndarray:
        asked.append(d)
        return np.arange(10) < (0 if d < 41 else 6 if d < 71 else 10)

    found = find_threshold(succeeds, 1, 128, around=0)
    assert {40, 41} <= set(asked)
    assert found.value is not None


def test_the_search_keeps_every_plane_that_it_asked_for() -> None:
    succeeds = Planes(47.3, 0.7)
    found = find_threshold(succeeds, 1, 200, around=6)
    assert np.unique(found.d).tolist() == sorted(succeeds.asked)
    for d in succeeds.asked:
        assert (found.success[found.d == d] == Planes(47.3, 0.7)(d)).all()
    assert found.interval is not None
    assert found.interval[0] < 47.3 < found.interval[1]


def test_the_search_walks_in_steps_of_its_resolution_around_the_crossing() -> None:
    succeeds = Planes(470.0, 0.02)
    found = find_threshold(succeeds, 100, 1000, resolution=1.1, around=2)
    assert min(succeeds.asked) == 100
    assert len(succeeds.asked) <= 12
    assert found.value == pytest.approx(470, abs=50)
    near = sorted(d for d in succeeds.asked if abs(d - 470) < 100)
    assert len(near) >= 3
    assert max(upper / lower for lower, upper in itertools.pairwise(near)) <= 1.1


def test_the_search_walks_until_the_planes_agree() -> None:
    succeeds = Planes(100.5, 0.5)
    found = find_threshold(succeeds, 1, 200, around=40)
    assert not found.success[found.d <= found.d[found.success].min() - 1].any()
    shares = {d: found.success[found.d == d].mean() for d in np.unique(found.d)}
    assert shares[max(d for d in shares if shares[d] < 1) + 1] == 1
    assert shares[min(d for d in shares if shares[d] > 0) - 1] == 0


@pytest.mark.parametrize(
    ("value", "asked", "sentence"),
    [
        (500.0, [1, 2, 4, 8, 16, 32, 64, 128, 200], "all 90 planes fail up to d = 200"),
        (-500.0, [1], "all 10 planes succeed from d = 1 on"),
    ],
)
def test_a_crossing_outside_the_range_is_censored_without_a_walk(value: float, asked: list[int], sentence: str) -> None:
    succeeds = Planes(value, 1.0)
    found = find_threshold(succeeds, 1, 200)
    assert found.value is None
    assert succeeds.asked == asked
    assert sentence in found.sentence


def test_bad_input_gets_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"one dimension per plane, shape \(2,\); got shape \(3,\)"):
        fit_threshold(np.arange(3), np.array([0, 1]))
    with pytest.raises(TypeError, match="d must hold integers; got float64"):
        fit_threshold(np.array([1.5, 2.0]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"success must hold 0 and 1 alone; got \[0\.0, nan\]"):
        fit_threshold(np.array([1, 2]), np.array([0, math.nan]))
    with pytest.raises(ValueError, match="at least one"):
        fit_threshold(np.array([], dtype=int), np.array([]))
    with pytest.raises(ValueError, match="low must be below high; got low=5, high=5"):
        find_threshold(Planes(3, 1), 5, 5)
    with pytest.raises(ValueError, match=r"resolution must be a ratio of at least 1; got 0\.9"):
        find_threshold(Planes(3, 1), 1, 5, resolution=0.9)
    with pytest.raises(ValueError, match="guess must be between 1 and 5; got 6"):
        find_threshold(Planes(3, 1), 1, 5, guess=6)
    with pytest.raises(ValueError, match=r"succeeds\(1\) must be one value per plane"):
        find_threshold(lambda d: np.zeros((2, 2)), 1, 9)
