"""The nearest wedge's short coordinates, against slow references; ties, zeros, NaN and infinity."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax")
jnp = jax.numpy

from nwedge._random import derive  # noqa: E402
from nwedge.adapters.jax.bridge import precision  # noqa: E402
from nwedge.adapters.jax.selection import nearest_sets, smallest, squares_of  # noqa: E402

chosen = jax.jit(smallest)
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, -3e-40, 1e-300, 7e30, float("inf"), float("-inf"), float("nan")])


def slow_smallest(row, count):
    """Sort by size, NaN first, then by place; take the first, and all NaN."""
    order = sorted(range(len(row)), key=lambda i: (-1 if np.isnan(row[i]) else abs(row[i]), i))
    return np.isin(np.arange(len(row)), order[:count]) | (np.isnan(row) & (count > 0))


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.lists(NUMBERS, min_size=6, max_size=6), min_size=2, max_size=2),
    count=st.integers(0, 6),
    double=st.booleans(),
)
def test_ties_and_special_numbers_are_chosen_as_by_sorting(rows, count, double):
    dtype = torch.float64 if double else torch.float32
    values = torch.tensor(rows, dtype=dtype).numpy()
    values = np.where(np.abs(values) < np.finfo(values.dtype).tiny, 0, values)  # XLA's CPU flushes subnormal numbers
    with precision(dtype):
        mask = np.asarray(chosen(jnp.asarray(values), count))
    np.testing.assert_array_equal(mask, [slow_smallest(row, count) for row in values])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [0, 1, 37, 99, 100])
def test_smallest_is_topk(count, dtype):
    points = torch.randn(20, 100, dtype=dtype, generator=derive(0, "points"))
    expected = torch.zeros_like(points, dtype=torch.bool)
    expected.scatter_(1, points.abs().topk(count, largest=False).indices, True)
    with precision(dtype):
        assert np.array_equal(chosen(jnp.asarray(points.numpy()), count), expected)


def test_nearest_sets():
    points = np.random.default_rng(0).normal(size=(30, 7)).astype(np.float32)
    sets = np.array([[0, 1, 2], [3, 4, 7], [6, 7, 7], [1, 3, 5]])  # 7 pads
    squares = np.array([[(row[[i for i in one if i < 7]] ** 2).sum() for one in sets] for row in points])
    found = jax.jit(nearest_sets)(jnp.asarray(points), jnp.asarray(sets))
    np.testing.assert_array_equal(found, sets[squares.argmin(1)])
    least = jax.jit(squares_of)(jnp.asarray(points), jnp.asarray(sets), 0)
    np.testing.assert_allclose(least, squares.min(1), rtol=1e-6)


def test_a_wedge_whose_distance_is_nan_counts_as_nearest():
    points = jnp.array([[5.0, float("nan"), 0.0, 0.0]])
    sets = jnp.array([[2, 3], [0, 1]])
    assert nearest_sets(points, sets).tolist() == [[0, 1]]
