"""A diagnosis of checkpoint files: read, measured, and told in a report."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nwedge._files import StoreError, remove, write_json
from nwedge.diagnosis.diagnose import diagnose
from nwedge.diagnosis.diagnosis import Diagnosis
from nwedge.landscapes.networks.batch_norm import statistics_of
from nwedge.landscapes.networks.checkpoints import read_checkpoint, write_checkpoint
from nwedge.landscapes.networks.matching import weights_for
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.networks.own import own_network
from nwedge.report.diagnosis.document import write
from nwedge.specs.diagnose import Diagnose

DIAGNOSIS, MODEL = "diagnosis.json", "model.safetensors"


@dataclass(frozen=True)
class Diagnosed:
    """What a diagnosis of files came to.

    Attributes:
        diagnosis: the numbers.
        report: the path of report.html.
        left_out: one sentence for each checkpoint that could not be read.
    """

    diagnosis: Diagnosis
    report: Path
    left_out: Sequence[str]


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A checkpoint: its name, its point, and its running statistics of BatchNorm."""

    name: str
    point: Tensor
    statistics: dict[str, Tensor]


def diagnose_files(arguments: Diagnose) -> Diagnosed:
    """Write report.html, diagnosis.json, the figures and the recommended model of one pass below `arguments.out`.

    A checkpoint that cannot be read, or is a copy of another, is left out and told; the others are diagnosed.

    Raises:
        ValueError, TypeError: functions that are not to be found or make no network, or no checkpoint that can be read.
        StoreError: the directory cannot be written.
    """
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    landscape = _landscape(arguments)
    read, left_out, notes = _read(arguments.checkpoints, landscape)
    if not read:
        raise ValueError(f"none of the checkpoints can be read: {left_out[0]}")
    found = diagnose(
        landscape,
        torch.stack([one.point for one in read]),
        names=[one.name for one in read],
        statistics=[one.statistics for one in read] if landscape.recomputes else None,
        level=arguments.level,
        seed=arguments.seed,
    )
    found = dataclasses.replace(found, warnings=[*left_out, *notes, *found.warnings])
    remove(arguments.out / DIAGNOSIS)
    chosen = landscape.module(found.points[found.recommendation.one_pass.option])
    write_checkpoint(arguments.out / MODEL, chosen)
    written = found.to_json()
    page = write(arguments.out, written)
    write_json(arguments.out / DIAGNOSIS, written)
    return Diagnosed(found, page, left_out)


def _landscape(arguments: Diagnose) -> NetworkLandscape:
    return own_network(
        arguments.network,
        (arguments.data, ()),
        loss=arguments.loss,
        predict=arguments.predict,
        batch_norm=arguments.batch_norm or "recompute",
        device=arguments.device,
    )


def _read(paths: Sequence[Path], landscape: NetworkLandscape) -> tuple[list[_Loaded], list[str], list[str]]:
    """The checkpoints that can be read and differ, a sentence for each other one, and notes on what was read."""
    read: list[_Loaded] = []
    left_out: list[str] = []
    notes: dict[str, list[str]] = {}
    model = landscape.model
    for path in paths:
        try:
            matched = weights_for(model, read_checkpoint(path), source=path)
            point = landscape.point(matched.parameters)
        except (StoreError, ValueError, TypeError) as error:
            left_out.append(" ".join(str(error).split()))
            continue
        same = [one.name for one in read if torch.equal(one.point, point)]
        if same:
            left_out.append(f"{path} holds the weights of {same[0]}: it is left out")
            continue
        for note in matched.notes:
            notes.setdefault(note, []).append(str(path))
        read.append(_Loaded(str(path), point, statistics_of(matched.buffers)))
    return read, left_out, [f"{', '.join(names)}: {note}" for note, names in notes.items()]
