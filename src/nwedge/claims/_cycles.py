"""Runs under cyclical rates, as the claims about averages read them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from nwedge.claims.judging import TRAINED
from nwedge.claims.runs import Run, Runs
from nwedge.specs.tasks import CYCLE


def cyclical_runs(runs: Runs) -> list[Run]:
    """The runs under cyclical rates, from the lowest maximal rate to the highest; none where there are none."""
    return sorted(runs.of(CYCLE), key=lambda run: run.spec.lr)


def last_ends(run: Run, count: int) -> Float[Tensor, "count dim"]:
    """The points at the ends of the last `count` cycles, shape (count, dim).

    Raises:
        ValueError: fewer cycles.
    """
    cycles = len(run.points) - 1
    if cycles < count:
        raise ValueError(f"{count} snapshots need a run of as many cycles; got one of {cycles}: train for longer")
    return run.points[-count:]


def stable(runs: Sequence[Run], count: int) -> Bool[np.ndarray, " run"]:
    """Which runs are trained at the ends of their last `count` cycles, by the mean of the losses there.

    Beyond, at rates that are too high, a run wanders or diverges, and says nothing of averages.
    """
    return np.array([bool(run.loss[-count:].mean() <= TRAINED * run.loss[0]) for run in runs], dtype=bool)
