"""Synthetic results of claims, in the shape in which measurements are handed to verdicts."""

import numpy as np
import pytest
import xarray as xr

SEEDS = 5


@pytest.fixture
def spread() -> np.ndarray:
    """Small deviations, one per seed, of mean 0."""
    return np.linspace(-0.02, 0.02, SEEDS)


@pytest.fixture
def trained() -> xr.Dataset:
    """The variables of well-trained runs: two a seed, from loss 2 to loss 0."""
    shape = (SEEDS, 2)
    return xr.Dataset(
        {"initial_loss": (("seed", "run"), np.full(shape, 2.0)), "final_loss": (("seed", "run"), np.zeros(shape))},
        coords={"seed": np.arange(SEEDS)},
    )
