import numpy as np
import pytest
from matplotlib.colors import LogNorm

from nwedge.report.figures import levels


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([0.011, 0.9], 0.01, 1),
        ([0.0, 0.02, 3.0], 0.02, 5),
        ([3e-4, 7.0], 2e-4, 10),
        ([1e-30, 1.0], 1e-5, 1),
        ([1e-30, 1.5], 1e-5, 3),
    ],
)
def test_positive_losses_have_levels_at_round_numbers_on_a_logarithmic_scale(values, first, last):
    found, norm = levels.levels(np.array(values), levels.logarithmic(np.array(values)))
    assert isinstance(norm, LogNorm)
    assert 3 <= len(found) <= levels.MOST
    assert (np.diff(found) > 0).all()
    assert (found[0], found[-1]) == (pytest.approx(first), pytest.approx(last))


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 1.2], [-1.0, 5.0]])
def test_other_losses_have_even_levels_that_hold_them(values):
    found, norm = levels.levels(np.array(values), levels.logarithmic(np.array(values)))
    assert not isinstance(norm, LogNorm)
    assert found[0] <= min(values) <= max(values) <= found[-1]
    np.testing.assert_allclose(np.diff(found), found[1] - found[0])
