"""Checkpoint files as points of a network's landscape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge._files import StoreError
from nwedge.landscapes.networks.batch_norm import statistics_of
from nwedge.landscapes.networks.checkpoints import read_checkpoint
from nwedge.landscapes.networks.matching import weights_for
from nwedge.landscapes.networks.network import NetworkLandscape


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The checkpoints that can be read and differ.

    Attributes:
        names: their paths.
        points: their weights, shape (checkpoints, dim).
        statistics: the running statistics of BatchNorm of each, by name.
        left_out: one sentence for each other one.
        notes: what was done beyond reading, one sentence each.
    """

    names: Sequence[str]
    points: Float[Tensor, "checkpoints dim"]
    statistics: Sequence[Mapping[str, Tensor]]
    left_out: Sequence[str]
    notes: Sequence[str]


def read(paths: Sequence[Path], landscape: NetworkLandscape, key: str | None = None) -> Checkpoints:
    """The points of files or folders that `read_checkpoint` reads, with its key; of equal ones the first.

    Raises:
        ValueError: none of them can be read.
    """
    points: dict[str, Tensor] = {}
    statistics: list[Mapping[str, Tensor]] = []
    left_out: list[str] = []
    notes: dict[str, list[str]] = {}
    model = landscape.model
    for path in paths:
        try:
            matched = weights_for(model, read_checkpoint(path, key=key), source=path)
            point = landscape.point(matched.parameters)
        except (StoreError, ValueError, TypeError) as error:
            left_out.append(" ".join(str(error).split()))
            continue
        same = [name for name, other in points.items() if torch.equal(other, point)]
        if same:
            left_out.append(f"{path} holds the weights of {same[0]}")
            continue
        for note in matched.notes:
            notes.setdefault(note, []).append(str(path))
        points[str(path)] = point
        statistics.append(statistics_of(matched.buffers))
    if not points:
        raise ValueError(f"none of the checkpoints can be read: {left_out[0]}")
    told = [f"{', '.join(names)}: {note}" for note, names in notes.items()]
    return Checkpoints(list(points), torch.stack(list(points.values())), statistics, left_out, told)
