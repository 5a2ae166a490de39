"""What a replication's directory is for: the arguments and tasks of the last `nwedge replicate`. Light: no xarray."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwedge import __version__
from nwedge._files import StoreError, read_json, write_json
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import TaskSpec

PLAN = "plan.json"
VERDICTS = "verdicts.json"
FIT = "fit.json"


def result_path(directory: Path, task: TaskSpec) -> Path:
    """The file whose being there, whole, means that the task is done."""
    return directory / "results" / task.folder / f"{task.id}.nc"


@dataclass(frozen=True)
class Plan:
    """The arguments of a replication (but its directory, which may move), its tasks, and the version that made it."""

    arguments: Mapping[str, Any]
    tasks: tuple[TaskSpec, ...]
    version: str = __version__

    @classmethod
    def of(cls, arguments: Replicate) -> "Plan":
        """The plan of a replication (ValueError if there is nothing to be done)."""
        given = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(arguments)}
        del given["out"]
        return cls(arguments=given, tasks=arguments.tasks())

    def write(self, directory: Path) -> None:
        """Write plan.json (StoreError if it cannot be written)."""
        tasks = [json.loads(task.to_json()) for task in self.tasks]
        write_json(directory / PLAN, {"version": self.version, "arguments": dict(self.arguments), "tasks": tasks})

    @classmethod
    def read(cls, directory: Path) -> "Plan":
        """The plan of a directory.

        Raises:
            StoreError: there is no such directory, it holds no replication, or its plan.json is damaged.
        """
        if not directory.exists():
            raise StoreError(f"there is no directory {directory}")
        path = directory / PLAN
        if not path.exists():
            raise StoreError(
                f"{directory} holds no replication (no {PLAN}): make one with `nwedge replicate --out DIR`"
            )
        value = read_json(path)
        try:
            tasks = tuple(TaskSpec.from_value(task) for task in value["tasks"])
            return cls(arguments=dict(value["arguments"]), tasks=tasks, version=str(value["version"]))
        except (KeyError, TypeError, ValueError) as error:
            what = f"{path} is damaged or of another version"
            raise StoreError(f"{what}: make it anew with `nwedge replicate --out {directory}`") from error
