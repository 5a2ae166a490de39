"""no-obstacles: the way from the start to the optimum does not rise, neither straight nor as it was trained."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Generator

from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Run
from nwedge.geometry import Line
from nwedge.landscape import Landscape, evaluate
from nwedge.specs.configs import NoObstaclesConfig

FLAT = Threshold(0.9, "a rise of a tenth of the total drop is the smallest obstacle of interest")


def measure(landscape: Landscape, runs: Sequence[Run], config: NoObstaclesConfig, generator: Generator) -> xr.Dataset:
    """Losses on the straight line from start to optimum and on the trajectory of each run, and their largest rises.

    rise = max over t of [L(t) - min over t' <= t of L(t')] / (L(start) - L(optimum)); undefined where nothing drops.
    The line may be seen on some examples and the points kept in training on others; the drop is that of the latter.
    """
    t = torch.linspace(0, 1, config.points, dtype=landscape.dtype, device=landscape.device)[:, None]
    view = sampled(landscape, config.examples, generator)
    lines = [evaluate(view, Line(run.start, run.optimum).embed(t)) for run in runs]
    line = torch.stack(lines).cpu().numpy()
    trajectory = np.stack([run.loss for run in runs])
    drop = trajectory[:, 0] - trajectory[:, -1]
    return xr.Dataset(
        {
            "line_loss": (("run", "t"), line),
            "trajectory_loss": (("run", "step"), trajectory),
            "drop": ("run", drop),
            "line_rise": ("run", rise(line, drop)),
            "trajectory_rise": ("run", rise(trajectory, drop)),
            **training(runs),
        },
        coords={"t": t[:, 0].cpu().numpy(), "step": runs[0].step},
    )


def rise(losses: np.ndarray, drop: np.ndarray) -> np.ndarray:
    """The largest rise above the running minimum relative to the drop, shape (run,); NaN where nothing drops.

    Args:
        losses: along each way, shape (run, points).
        drop: from the first to the last loss of training, shape (run,).
    """
    highest = (losses - np.minimum.accumulate(losses, axis=1)).max(axis=1)
    return np.divide(highest, drop, out=np.full(len(drop), np.nan), where=drop > 0)


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge 1 - rise on the line and on the trajectory, each seed by its worst run."""
    dataset = results["no-obstacles"]
    ways = {"straight line": "line_rise", "trajectory": "trajectory_rise"}
    parts = [part(name, 1 - dataset[rises].max("run", skipna=False).values, FLAT) for name, rises in ways.items()]
    return combine(parts, dataset)
