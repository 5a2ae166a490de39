"""What the report reads: the plan, the verdicts, the fit, the stored datasets joined over their seeds, and sheets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nwedge._files import StoreError, read_json, there
from nwedge.plan import FIT, VERDICTS, Plan
from nwedge.specs.tasks import ClaimSpec, SheetSpec, TaskSpec
from nwedge.store import CorruptResult, Store

SHOWN = 3
"""The optima of the sheets that are kept as surfaces: they have two dimensions."""


@dataclass(frozen=True, eq=False)
class Results:
    """A replication as it stands on disk.

    Attributes:
        plan: its arguments and tasks.
        verdicts: the rows of verdicts.json.
        fit: the content of fit.json; None where there is none.
        datasets: by claim and landscape, joined along the dimension `seed`.
        sheets: by landscape the `optima` and `vertices` of the first sheet over three optima that could be trained.
        provenance: where and how each stored task was computed, by task id.
        missing: planned tasks without a result.
        failures: the error of each task that failed, by task id.
        damaged: one sentence for each result that cannot be read.
    """

    plan: Plan
    verdicts: Sequence[Mapping[str, Any]]
    fit: Mapping[str, Any] | None
    datasets: Mapping[str, Mapping[str, xr.Dataset]]
    sheets: Mapping[str, Mapping[str, np.ndarray]]
    provenance: Mapping[str, Mapping[str, Any]]
    missing: Sequence[TaskSpec]
    failures: Mapping[str, str]
    damaged: Sequence[str]


def read(directory: Path) -> Results:
    """Read all that a replication's directory holds.

    Raises:
        StoreError: no replication, no verdicts, or a damaged plan, list of verdicts or fit.
    """
    plan = Plan.read(directory)
    verdicts, fit = _verdicts(directory), _fit(directory)
    store = Store(directory)
    parts: dict[tuple[str, str], dict[int, xr.Dataset]] = {}
    sheets: dict[str, Mapping[str, np.ndarray]] = {}
    rows: dict[str, set[str]] = defaultdict(set)
    for task in plan.tasks:
        if isinstance(task, ClaimSpec):
            for id in task.sheets:
                rows[id].add(task.landscape.name)
    provenance, missing, damaged = {}, [], []
    for task in plan.tasks:
        if not store.has(task):
            missing.append(task)
            continue
        try:
            provenance[task.id] = store.provenance(task)
            if isinstance(task, ClaimSpec):
                parts.setdefault((task.claim, task.landscape.name), {})[task.seed] = store.read(task).dataset
            if isinstance(task, SheetSpec) and task.m == SHOWN and rows[task.id] - sheets.keys():
                weights = store.read(task).weights
                if weights.keys() >= _SHEET:
                    sheets |= dict.fromkeys(rows[task.id] - sheets.keys(), weights)
        except CorruptResult as error:
            damaged.append(str(error))
    datasets: dict[str, dict[str, xr.Dataset]] = {}
    for (claim, landscape), seeds in parts.items():
        datasets.setdefault(claim, {})[landscape] = _over_seeds(seeds)
    failures = _failures(directory, missing)
    return Results(plan, verdicts, fit, datasets, sheets, provenance, missing, failures, damaged)


def _failures(directory: Path, missing: Sequence[TaskSpec]) -> dict[str, str]:
    records = {task.id: directory / "failures" / f"{task.id}.json" for task in missing}
    return {id: f"failed: {read_json(path)['error']}" for id, path in records.items() if there(path)}


def _verdicts(directory: Path) -> list[dict[str, Any]]:
    path = directory / VERDICTS
    if not there(path):
        raise StoreError(f"{directory} holds no verdicts (no {VERDICTS}): run its command again to finish")
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= _HEAD for row in rows):
        raise StoreError(f"{path} is damaged or of another version: expected a list of rows with {sorted(_HEAD)}")
    return rows


def _fit(directory: Path) -> dict[str, Any] | None:
    path = directory / FIT
    if not there(path):
        return None
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("landscapes"), dict):
        raise StoreError(f"{path} is damaged or of another version: expected an object with its landscapes")
    return value


_HEAD = {"claim", "landscape", "outcome"}
_SHEET = {"optima", "vertices"}


def _over_seeds(seeds: Mapping[int, xr.Dataset]) -> xr.Dataset:
    return xr.concat(
        list(seeds.values()),
        dim=xr.DataArray(list(seeds), dims="seed", name="seed"),
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="drop_conflicts",
    )
