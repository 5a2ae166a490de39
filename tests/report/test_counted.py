"""The table of short directions: means, errors and the published counts at the same places."""

import math

import numpy as np
import xarray as xr

from nwedge.report import counted


def dataset() -> xr.Dataset:
    counts = np.array([[[10.0, 30.0], [1.0, 5.0]], [[14.0, 50.0], [3.0, np.nan]]])  # seed, threshold, t
    return xr.Dataset(
        {
            "tunnel_count": (("seed", "threshold", "t"), counts),
            "tunnel_error": (("seed", "threshold", "t"), np.array([3.0, 4.0])[:, None, None] * np.ones((2, 2, 2))),
        },
        coords={"seed": [0, 1], "threshold": [0.03, 0.2], "t": [0.25, 0.5]},
    )


def test_means_have_the_error_of_a_mean_and_published_counts_stand_beside_theirs():
    found = counted.table(dataset())
    assert found["headings"] == ["above 0.03", "above 0.2"]
    assert math.sqrt(3**2 + 4**2) / 2 == 2.5
    assert found["rows"] == [
        {"label": "on the tunnel, t = 0.25", "cells": ["12 ± 2", "2 ± 2"]},
        {"label": "on the tunnel, t = 0.5", "cells": ["40 ± 2 (FJ19: 850)", "undefined"]},
    ]


def test_all_places_that_were_counted_are_listed():
    more = dataset().rename(tunnel_count="rate_count", tunnel_error="rate_error", t="rate")
    assert [row["label"] for row in counted.table(more)["rows"]] == ["rate 0.25", "rate 0.5"]
