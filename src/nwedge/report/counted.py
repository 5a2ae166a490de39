"""The counts of short directions of a network with their standard errors, beside the published ones, as a table."""

from typing import Any

import numpy as np
import xarray as xr

from nwedge.report.figures.short_directions import PUBLISHED

PLACES = {"tunnel": ("t", "on the tunnel, t = {:g}"), "center": ("m", "m = {:g}"), "rate": ("rate", "rate {:g}")}
"""The counts of a dataset, by the dimension of their places and how these are called."""


def table(dataset: xr.Dataset) -> dict[str, list[Any]]:
    """The mean count over the seeds for every place (row) and threshold (column).

    The error is that of the mean, sqrt(sum of e^2) / seeds, from the standard error e of each seed's count: that of the
    random probes, not the spread between the seeds. A count that is undefined in a seed has no mean.
    """
    found = []
    for kind, (dimension, label) in PLACES.items():
        if f"{kind}_count" not in dataset:
            continue
        for place in dataset[dimension].values.tolist():
            cells = [_cell(dataset, kind, dimension, place, level) for level in dataset["threshold"].values.tolist()]
            found.append({"label": label.format(place), "cells": cells})
    return {"headings": [f"above {level:g}" for level in dataset["threshold"].values.tolist()], "rows": found}


def _cell(dataset: xr.Dataset, kind: str, dimension: str, place: float, threshold: float) -> str:
    at = {dimension: place, "threshold": threshold}
    counts, errors = (dataset[f"{kind}_{what}"].sel(at).values for what in ("count", "error"))
    mean, error = counts.mean(), np.sqrt(np.square(errors).sum()) / len(errors)
    text = f"{mean:,.0f} ± {error:,.0f}" if np.isfinite(mean) else "undefined"
    published = PUBLISHED[f"{kind}_count"].get(threshold, {}).get(place)
    return text if published is None else f"{text} (FJ19: {published:,})"
