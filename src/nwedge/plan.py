"""What a directory is for: the arguments and tasks of the last command that ran tasks there. Light: no xarray."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwedge import __version__
from nwedge._files import StoreError, read_json, there, write_json
from nwedge.specs.replicate import Replicate
from nwedge.specs.sweep import Sweep
from nwedge.specs.tasks import TaskSpec

PLAN = "plan.json"
VERDICTS = "verdicts.json"
FIT = "fit.json"

Arguments = Replicate | Sweep
"""Of the commands that run tasks."""


def result_path(directory: Path, task: TaskSpec) -> Path:
    """The file whose being there, whole, means that the task is done."""
    return directory / "results" / task.folder / f"{task.id}.nc"


@dataclass(frozen=True)
class Plan:
    """A command, its arguments (but the directory, which may move), its tasks, and the version that made it."""

    command: str
    arguments: Mapping[str, Any]
    tasks: tuple[TaskSpec, ...]
    version: str = __version__

    @classmethod
    def of(cls, arguments: Arguments, tasks: tuple[TaskSpec, ...] | None = None) -> "Plan":
        """The plan of a replication or a sweep, by default of all its tasks (ValueError if there are none)."""
        given = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(arguments)}
        del given["out"]
        return cls(command=type(arguments).__name__.lower(), arguments=given, tasks=tasks or arguments.tasks())

    def write(self, directory: Path) -> None:
        """Write plan.json (StoreError if it cannot be written)."""
        tasks = [json.loads(task.to_json()) for task in self.tasks]
        head = {"version": self.version, "command": self.command, "arguments": dict(self.arguments)}
        write_json(directory / PLAN, head | {"tasks": tasks})

    @classmethod
    def read(cls, directory: Path) -> "Plan":
        """The plan of a directory.

        Raises:
            StoreError: there is no such directory, it holds no plan, or its plan.json is damaged.
        """
        if not there(directory):
            raise StoreError(f"there is no directory {directory}")
        path = directory / PLAN
        if not there(path):
            raise StoreError(
                f"{directory} holds no results (no {PLAN}): make some with `nwedge replicate` or `nwedge sweep`"
            )
        value = read_json(path)
        try:
            tasks = tuple(TaskSpec.from_value(task) for task in value["tasks"])
            arguments = dict(value["arguments"])
            return cls(command=value["command"], arguments=arguments, tasks=tasks, version=str(value["version"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{path} is damaged or of another version: run the command again, in a new directory"
            ) from error
