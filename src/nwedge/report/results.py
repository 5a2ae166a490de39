"""What the report reads: the plan, the verdicts, and the stored datasets joined over their seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from nwedge._files import StoreError, read_json
from nwedge.plan import VERDICTS, Plan
from nwedge.specs.tasks import ClaimSpec, TaskSpec
from nwedge.store import CorruptResult, Store


@dataclass(frozen=True, eq=False)
class Results:
    """A replication as it stands on disk.

    Attributes:
        plan: its arguments and tasks.
        verdicts: the rows of verdicts.json.
        datasets: by claim and landscape, joined along the dimension `seed`.
        provenance: where and how each stored task was computed, by task id.
        missing: planned tasks without a result.
        failures: the error of each task that failed, by task id.
        damaged: one sentence for each result that cannot be read.
    """

    plan: Plan
    verdicts: Sequence[Mapping[str, Any]]
    datasets: Mapping[str, Mapping[str, xr.Dataset]]
    provenance: Mapping[str, Mapping[str, Any]]
    missing: Sequence[TaskSpec]
    failures: Mapping[str, str]
    damaged: Sequence[str]


def read(directory: Path) -> Results:
    """Read all that a replication's directory holds.

    Raises:
        StoreError: no replication, no verdicts, or a damaged plan or list of verdicts.
    """
    plan = Plan.read(directory)
    verdicts = _verdicts(directory)
    store = Store(directory)
    parts: dict[tuple[str, str], dict[int, xr.Dataset]] = {}
    provenance, missing, damaged = {}, [], []
    for task in plan.tasks:
        if not store.has(task):
            missing.append(task)
            continue
        try:
            provenance[task.id] = store.provenance(task)
            if isinstance(task, ClaimSpec):
                parts.setdefault((task.claim, task.landscape.name), {})[task.seed] = store.read(task).dataset
        except CorruptResult as error:
            damaged.append(str(error))
    datasets: dict[str, dict[str, xr.Dataset]] = {}
    for (claim, landscape), seeds in parts.items():
        datasets.setdefault(claim, {})[landscape] = _over_seeds(seeds)
    return Results(plan, verdicts, datasets, provenance, missing, _failures(directory, missing), damaged)


def _failures(directory: Path, missing: Sequence[TaskSpec]) -> dict[str, str]:
    records = {task.id: directory / "failures" / f"{task.id}.json" for task in missing}
    return {id: f"failed: {read_json(path)['error']}" for id, path in records.items() if path.exists()}


def _verdicts(directory: Path) -> list[dict[str, Any]]:
    path = directory / VERDICTS
    if not path.exists():
        raise StoreError(f"{directory} holds no verdicts (no {VERDICTS}): finish `nwedge replicate --out {directory}`")
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= _HEAD for row in rows):
        raise StoreError(f"{path} is damaged or of another version: expected a list of rows with {sorted(_HEAD)}")
    return rows


_HEAD = {"claim", "landscape", "outcome"}


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
