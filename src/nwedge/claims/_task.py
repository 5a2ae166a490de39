"""Executes a task: the same function in process, in a worker and on a cluster."""

import importlib
from collections.abc import Mapping
from types import ModuleType

import torch

from nwedge._random import derive
from nwedge.build import build
from nwedge.claims import runs
from nwedge.specs.tasks import ClaimSpec, GroupSpec, TaskSpec
from nwedge.store import Result


def execute(task: TaskSpec, inputs: Mapping[str, Result], *, threads: int | None = None) -> Result:
    """The result of a task, which depends on the spec, the results it reads and the number of threads alone.

    Args:
        task: training of a group, or the measurement of a claim.
        inputs: the results of `task.needs`, by task id.
        threads: that torch computes with; None leaves them as they are.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    landscape = build(task.landscape)
    if isinstance(task, GroupSpec):
        return runs.train(landscape, task.train, task.runs)
    if isinstance(task, ClaimSpec):
        read = [runs.run(ref.row, inputs[ref.group], landscape) for ref in task.reads]
        generator = derive(task.seed, task.claim, task.landscape.name)
        return Result(claim_module(task.claim).measure(landscape, read, task.config, generator))
    raise TypeError(f"no way is known to execute a {type(task).__name__}; known: GroupSpec, ClaimSpec")


def claim_module(claim: str) -> ModuleType:
    """The module of a claim: `measure` and `verdict`."""
    return importlib.import_module(f"nwedge.claims.{claim.replace('-', '_')}")
