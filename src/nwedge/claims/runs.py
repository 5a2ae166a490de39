"""The shared task that trains: a group of runs on one landscape, and a run as a claim reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from nwedge._random import derive
from nwedge.landscape import Landscape
from nwedge.methods.descent import descend
from nwedge.specs.tasks import RunSpec, TrainSpec
from nwedge.store import Result


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        points: the points kept, shape (snapshot, dim); the first is the start, the last the optimum.
        step: the step of each, shape (snapshot,).
        loss: the full loss of each, shape (snapshot,).
        lr: the learning rate.
    """

    points: Float[Tensor, "snapshot dim"]
    step: Int[np.ndarray, " snapshot"]
    loss: Float[np.ndarray, " snapshot"]
    lr: float

    @property
    def start(self) -> Float[Tensor, " dim"]:
        """The point at which training started, shape (dim,)."""
        return self.points[0]

    @property
    def optimum(self) -> Float[Tensor, " dim"]:
        """The last point kept, shape (dim,)."""
        return self.points[-1]


def train(landscape: Landscape, how: TrainSpec, runs: Sequence[RunSpec]) -> Result:
    """Train runs on a landscape all at once; the result holds their losses, and as weights the points kept."""
    names = [(run.seed, run.member) for run in runs]
    start = torch.cat([landscape.initial(1, derive(seed, "start", member)) for seed, member in names])
    found = descend(
        landscape,
        start,
        optimizer=how.optimizer,
        lr=[run.lr for run in runs],
        steps=how.steps,
        weight_decay=[run.weight_decay for run in runs],
        momentum=how.momentum,
        schedule=how.schedule,
        keep=how.keep,
        generator=[derive(seed, "training", member) for seed, member in names],
    )
    dataset = xr.Dataset(
        {
            "loss": (("run", "snapshot"), found.trajectory_losses.cpu().numpy()),
            "lr": ("run", [run.lr for run in runs]),
            "weight_decay": ("run", [run.weight_decay for run in runs]),
            "stopped": ("run", found.stopped.cpu().numpy(), {"meaning": "step of the first non-finite loss, or -1"}),
        },
        coords={
            "step": ("snapshot", found.kept.numpy()),
            "seed": ("run", [seed for seed, _ in names]),
            "member": ("run", [member for _, member in names]),
        },
    )
    return Result(dataset, {"points": found.trajectory.cpu().numpy()})


def run(row: int, group: Result, landscape: Landscape) -> Run:
    """One run of a trained group, on the landscape's device."""
    return Run(
        points=torch.from_numpy(group.weights["points"][row]).to(landscape.device),
        step=group.dataset["step"].values,
        loss=group.dataset["loss"].values[row],
        lr=float(group.dataset["lr"].values[row]),
    )
