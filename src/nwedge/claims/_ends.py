"""Two independent optima of a seed, as the claims about tunnels read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge.claims.runs import Run
from nwedge.claims.sheets import COINCIDE


@dataclass(frozen=True)
class Ends:
    """The first two runs' optima, their distance, and whether they are one point."""

    a: Float[Tensor, " dim"]
    b: Float[Tensor, " dim"]
    separation: float
    coincide: bool


def ends(runs: Sequence[Run]) -> Ends:
    """The ends of a seed's tunnels.

    Raises:
        ValueError: fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"a tunnel needs two runs of a seed; got {len(runs)}")
    first, second = runs[:2]
    separation = torch.dist(first.optimum, second.optimum).item()
    apart = torch.dist(first.start, second.start).item()
    return Ends(first.optimum, second.optimum, separation, separation <= COINCIDE * apart)


def training(runs: Sequence[Run]) -> dict[str, tuple[str, list[float]]]:
    """The variables that say whether the runs are trained: the first and the last loss of each."""
    return {
        "initial_loss": ("run", [float(run.loss[0]) for run in runs]),
        "final_loss": ("run", [float(run.loss[-1]) for run in runs]),
    }
