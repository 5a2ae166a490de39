"""Executes a task: the same function in process, in a worker and on a cluster."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType

import torch

from nwedge._random import derive
from nwedge.build import build
from nwedge.claims import runs, sheets
from nwedge.landscape import Landscape
from nwedge.specs.landscapes import LandscapeSpec
from nwedge.specs.tasks import ClaimSpec, GroupSpec, RunRef, SheetSpec, TaskSpec
from nwedge.store import Result


def execute(task: TaskSpec, inputs: Mapping[str, Result], *, threads: int | None = None) -> Result:
    """The result of a task, which depends on the spec, the results it reads and the number of threads alone.

    Args:
        task: training of a group or of a sheet, or the measurement of a claim.
        inputs: the results of `task.needs`, by task id.
        threads: that torch computes with; None leaves them as they are.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    landscape = build(task.landscape)
    if isinstance(task, GroupSpec):
        return runs.train(landscape, task.train, task.runs)
    if isinstance(task, SheetSpec):
        return _sheet(task, landscape, _runs(task.reads, inputs, task.landscape, landscape))
    if isinstance(task, ClaimSpec):
        read = runs.Runs(
            _runs(task.reads, inputs, task.landscape, landscape),
            [sheets.spanned(inputs[id], landscape) for id in task.sheets],
        )
        generator = derive(task.seed, task.claim, task.landscape.name)
        return Result(claim_module(task.claim).measure(landscape, read, task.config, generator))
    raise TypeError(f"no way is known to execute a {type(task).__name__}; known: GroupSpec, SheetSpec, ClaimSpec")


def claim_module(claim: str) -> ModuleType:
    """The module of a claim: `measure` and `verdict`."""
    return importlib.import_module(f"nwedge.claims.{claim.replace('-', '_')}")


def _sheet(task: SheetSpec, landscape: Landscape, candidates: Sequence[runs.Run]) -> Result:
    return sheets.train(
        landscape,
        torch.stack([run.start for run in candidates]),
        torch.stack([run.optimum for run in candidates]),
        names=[(run.spec.seed, run.spec.member) for run in candidates],
        m=task.m,
        steps=task.steps,
        rate=task.rate,
        samples=task.samples,
        distinct=task.distinct,
        pooled=task.pooled,
        generator=derive(task.seed, "sheet", task.m, task.landscape.name),
    )


def _runs(
    refs: Sequence[RunRef], inputs: Mapping[str, Result], own: LandscapeSpec, landscape: Landscape
) -> list[runs.Run]:
    """The runs that a task reads, each with the landscape that it was trained on, which is built once.

    Two landscapes that differ in their names alone, those of rows of the verdict table, are one.
    """
    built = {own: landscape}
    found = []
    for ref in refs:
        place = replace(ref.landscape, name=own.name)
        if place not in built:
            built[place] = build(place)
        found.append(runs.run(ref.row, inputs[ref.group], built[place], ref.run, role=ref.role, place=ref.landscape))
    return found
