"""Where the numbers come from: command, versions, machine, times, landscapes, training, tasks."""

from collections.abc import Sequence

from nwedge.report import describe, words
from nwedge.report.results import Results
from nwedge.specs.tasks import RUNS, ClaimSpec, GroupSpec, TaskSpec

SECONDS, FINISHED = "seconds", "finished"
"""The entries of a task's provenance that differ from task to task: how long it took, and when it ended."""

LISTED = 5
"""Different values of an entry that are listed; of more, the number is given."""


def facts(results: Results) -> list[tuple[str, str]]:
    """Pairs of a name and a text: the command, every entry of the tasks' provenance, and the times."""
    entries: dict[str, list[str]] = {}
    for stored in results.provenance.values():
        for name, value in stored.items():
            if name != SECONDS:
                entries.setdefault(name, []).append("unknown" if value is None else str(value))
    finished = entries.pop(FINISHED, [])
    return [
        ("command", describe.command(results.plan.arguments)),
        ("planned by nwedge", results.plan.version),
        *((name.replace("_", " "), _distinct(values)) for name, values in entries.items()),
        *([("finished", f"{min(finished)} to {max(finished)}")] if finished else []),
        *times(results),
    ]


def times(results: Results) -> list[tuple[str, str]]:
    """The wall time of all tasks together, of training and of each claim; nothing where none is stored."""
    seconds: dict[str, list[float]] = {}
    for task in results.plan.tasks:
        value = results.provenance.get(task.id, {}).get(SECONDS)
        if words.defined(value):
            seconds.setdefault(task.folder, []).append(float(value))
    if not seconds:
        return []
    total = sum(map(sum, seconds.values()))
    return [
        ("wall time, sum over the tasks", words.duration(total)),
        *((f"wall time of {_folder(folder)}", _tasks_took(values)) for folder, values in seconds.items()),
    ]


def seeds(results: Results) -> str:
    """The seeds of the planned measurements."""
    found = sorted({task.seed for task in results.plan.tasks if isinstance(task, ClaimSpec)})
    return ", ".join(map(str, found))


def landscapes(results: Results) -> list[dict[str, str]]:
    """Each landscape in words, and how it was trained on."""
    groups = [task for task in results.plan.tasks if isinstance(task, GroupSpec)]
    training = describe.training(groups)
    return [
        {"name": name, "title": words.title(name), "what": what, "training": training[name]}
        for name, what in describe.landscapes(groups).items()
    ]


def settings(results: Results) -> dict[str, str]:
    """The settings of each claim, field by field."""
    found: dict[str, dict[str, None]] = {}
    for task in results.plan.tasks:
        if isinstance(task, ClaimSpec):
            found.setdefault(task.claim, {})[describe.fields(task.config)] = None
    return {claim: "; ".join(sentences) for claim, sentences in found.items()}


def tasks(results: Results) -> list[dict[str, str]]:
    """Every planned task: its folder, landscape, seed and id, and whether its result is there."""
    return [
        {
            "folder": _folder(task.folder),
            "landscape": task.landscape.name,
            "seed": _seed(task),
            "id": task.id,
            "state": "done" if task.id in results.provenance else results.failures.get(task.id, "no result"),
        }
        for task in results.plan.tasks
    ]


def _folder(folder: str) -> str:
    return "training" if folder == RUNS else folder


def _seed(task: TaskSpec) -> str:
    if isinstance(task, ClaimSpec):
        return str(task.seed)
    if isinstance(task, GroupSpec):
        return ", ".join(map(str, sorted({run.seed for run in task.runs})))
    return ""


def _distinct(values: Sequence[str]) -> str:
    distinct = sorted(set(values))
    return ", ".join(distinct) if len(distinct) <= LISTED else f"{len(distinct)} different values"


def _tasks_took(values: Sequence[float]) -> str:
    return f"{words.duration(sum(values))} in {words.count(len(values), 'task')}"
