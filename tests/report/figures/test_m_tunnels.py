"""The remark on sheets over m optima: how often optima were drawn again for lack of distinct wedges."""

import numpy as np
import xarray as xr

from nwedge.report.figures import m_tunnels


def remark(looked_at: list[list[float]]) -> str:
    """What stands above the panel of two seeds for m = 2 and m = 8, with these numbers of candidates looked at."""
    shape = ("seed", "m")
    dataset = xr.Dataset(
        {
            "coincide": (shape, np.zeros((2, 2), dtype=bool)),
            "there": (shape, np.isfinite(looked_at)),
            "ratio": (shape, np.array([[0.9, 0.8], [0.9, 0.7]])),
            "looked_at": (shape, np.array(looked_at)),
        },
        {"m": [2, 8]},
    )
    return m_tunnels._remark(dataset)


def test_the_rate_of_redraws_is_the_mean_share_of_candidates_that_were_passed_over() -> None:
    assert "up to 10% of optima redrawn" in remark([[2, 10], [2, 8]])
    assert "up to 20% of optima redrawn" in remark([[2, 10], [2, np.nan]]), "one seed has no such sheet"
    assert "redrawn" not in remark([[2, 8], [2, 8]])
