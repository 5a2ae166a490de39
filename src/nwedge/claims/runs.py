"""The shared tasks that train: a group of runs on one landscape, and runs as a claim reads them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from nwedge._random import derive
from nwedge.claims._sampling import sampled
from nwedge.claims.sheets import SpannedOptima
from nwedge.landscape import Landscape
from nwedge.methods.descent import Schedule, descend
from nwedge.methods.ensembling import cyclical
from nwedge.specs.landscapes import LandscapeSpec
from nwedge.specs.tasks import OPTIMA, RunSpec, TrainSpec
from nwedge.store import Result


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        points: the points kept, shape (snapshot, dim); the first is the start, the last the optimum.
        step: the step of each, shape (snapshot,).
        loss: the loss of each without the noise of minibatches, shape (snapshot,).
        landscape: on which it was trained.
        role: what it is for.
        spec: its rate, weight decay, seed and member.
        place: its landscape in words; None for a landscape of the user's own.
    """

    points: Float[Tensor, "snapshot dim"]
    step: Int[np.ndarray, " snapshot"]
    loss: Float[np.ndarray, " snapshot"]
    landscape: Landscape
    spec: RunSpec
    role: str = OPTIMA
    place: LandscapeSpec | None = None

    @property
    def start(self) -> Float[Tensor, " dim"]:
        """The point at which training started, shape (dim,)."""
        return self.points[0]

    @property
    def optimum(self) -> Float[Tensor, " dim"]:
        """The last point kept, shape (dim,)."""
        return self.points[-1]


class Runs(Sequence[Run]):
    """What a claim reads of one seed: a sequence of its independent runs, `OPTIMA`; other runs by role; and sheets.

    Args:
        runs: of any role.
        sheets: over the optima.
    """

    def __init__(self, runs: Iterable[Run], sheets: Iterable[SpannedOptima] = ()) -> None:
        self._every = tuple(runs)
        self._optima = self.of(OPTIMA)
        self.sheets = {one.m: one for one in sheets}

    def of(self, role: str) -> tuple[Run, ...]:
        """The runs of a role, in the order of the preset; none where nothing was trained for it."""
        return tuple(run for run in self._every if run.role == role)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        """The independent runs."""
        return self._optima[index]

    def __len__(self) -> int:
        return len(self._optima)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._optima)


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
        schedule=_schedule(how),
        keep=how.keep,
        judge=sampled(landscape, how.examples, derive(0, "judge")),
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


def run(
    row: int,
    group: Result,
    landscape: Landscape,
    spec: RunSpec,
    *,
    role: str = OPTIMA,
    place: LandscapeSpec | None = None,
) -> Run:
    """One run of a trained group, on the landscape's device."""
    return Run(
        points=torch.from_numpy(group.weights["points"][row]).to(landscape.device),
        step=group.dataset["step"].values,
        loss=group.dataset["loss"].values[row],
        landscape=landscape,
        spec=spec,
        role=role,
        place=place,
    )


def _schedule(how: TrainSpec) -> str | Schedule:
    if how.schedule != "cyclical":
        return how.schedule
    if how.cycle is None:
        raise ValueError("a cyclical schedule needs the length of its cycle: give cycle=")
    return cyclical(how.cycle)
