"""Synthetic results, in the shape in which measurements are handed to verdicts, and claims measured for real."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr

from nwedge.claims._task import execute
from nwedge.claims.judging import judge
from nwedge.specs.presets import PRESETS, expand
from nwedge.specs.tasks import ClaimSpec, TaskSpec
from nwedge.store import Result

SEEDS = 5

Tasks = tuple[TaskSpec, ...]
Measured = tuple[list[dict], dict[str, xr.Dataset]]


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


@pytest.fixture
def tasks() -> Callable[..., Tasks]:
    """The digits preset's tasks of claims on landscapes, with the fields in `light` changed, by claim."""

    def tasks(
        claims: tuple[str, ...],
        landscapes: tuple[str, ...],
        seeds: int = 3,
        *,
        light: Mapping[str, Mapping[str, Any]],
    ) -> Tasks:
        preset = type(PRESETS["digits"])(subjects=PRESETS["digits"].subjects, quick=light)
        return expand(preset, claims=claims, landscapes=landscapes, seeds=range(seeds), quick=True)

    return tasks


@pytest.fixture
def run() -> Callable[[Tasks], Measured]:
    """Does tasks and judges: the rows of the verdicts, and the dataset of every task by its id."""

    def run(work: Tasks) -> Measured:
        results: dict[str, Result] = {}
        for task in work:
            results[task.id] = execute(task, {need: results[need] for need in task.needs})
        measured = {id: result.dataset for id, result in results.items()}
        return judge([task for task in work if isinstance(task, ClaimSpec)], measured), measured

    return run
