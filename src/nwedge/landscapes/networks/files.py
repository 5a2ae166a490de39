"""Checkpoint files as points of a network's landscape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge._files import StoreError
from nwedge.landscapes.networks.batch_norm import running_names
from nwedge.landscapes.networks.checkpoints import read_checkpoint
from nwedge.landscapes.networks.matching import COUNTER, weights_for, word
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.networks.weights import some


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The checkpoints that can be read and differ.

    Attributes:
        names: their paths.
        points: their weights, shape (checkpoints, dim).
        statistics: the running statistics of BatchNorm of each, by name; None where they are not recomputed, or where
            any are missing.
        landscape: the network with the buffers of the checkpoints, such as frozen statistics.
        left_out: one sentence for each other one.
        notes: what was done beyond reading, one sentence each.
    """

    names: Sequence[str]
    points: Float[Tensor, "checkpoints dim"]
    statistics: Sequence[Mapping[str, Tensor]] | None
    landscape: NetworkLandscape
    left_out: Sequence[str]
    notes: Sequence[str]

    @property
    def lack_statistics(self) -> bool:
        """Whether running statistics of BatchNorm that are recomputed, and that the network holds, are missing."""
        recomputed = running_names(self.landscape.model) if self.landscape.recomputes else []
        return self.statistics is None and not set(recomputed).isdisjoint(self.landscape.model.state_dict())


def read(paths: Sequence[Path], landscape: NetworkLandscape, key: str | None = None) -> Checkpoints:
    """The points of files or folders that `read_checkpoint` reads, with its key; of equal ones the first.

    Raises:
        ValueError: none of them can be read, or running statistics of BatchNorm that are kept differ.
    """
    points: dict[str, Tensor] = {}
    buffers: list[Mapping[str, Tensor]] = []
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
        buffers.append(matched.buffers)
    if not points:
        raise ValueError(f"none of the checkpoints can be read: {left_out[0]}")
    told = [f"{', '.join(names)}: {note}" for note, names in notes.items()]
    precision = next(model.parameters()).dtype
    if precision != landscape.dtype:
        told.append(f"the network is in {word(precision)}, and evaluated and written in {word(landscape.dtype)}")
    names, recomputed = list(points), running_names(model) if landscape.recomputes else []
    landscape, differ = _with_buffers(landscape, names, buffers, recomputed)
    complete = all(name in held for held in buffers for name in recomputed)
    return Checkpoints(
        names,
        torch.stack(list(points.values())),
        buffers if recomputed and complete else None,
        landscape,
        left_out,
        told + differ,
    )


def _with_buffers(
    landscape: NetworkLandscape, names: Sequence[str], buffers: Sequence[Mapping[str, Tensor]], recomputed: list[str]
) -> tuple[NetworkLandscape, list[str]]:
    """The network with the buffers of the first checkpoint, and a warning of those that are others in the next."""
    model = landscape.model
    state = {name: value.cpu() for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    every = [{**state, **held} for held in buffers]
    kept = [
        name
        for name in dict.fromkeys(name for held in buffers for name in held)
        if name not in recomputed and not name.endswith(COUNTER)
    ]
    differ = [name for name in kept if any(not torch.equal(held[name], every[0][name]) for held in every)]
    wrong = [name for name in running_names(model) if name in differ]
    if wrong:
        raise ValueError(
            f"with batch_norm='keep' all checkpoints must have the same running statistics; '{wrong[0]}' differs: take "
            "batch_norm='recompute'"
        )
    if any(not torch.equal(every[0][name], state[name]) for name in kept):
        landscape = landscape.with_buffers({name: every[0][name] for name in kept})
    warning = f"the buffers {some(differ)} differ between the checkpoints: all are evaluated with those of {names[0]}"
    return landscape, [warning] if differ else []
