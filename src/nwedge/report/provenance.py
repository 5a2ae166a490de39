"""Where the numbers come from: command, versions, machine, times, landscapes, training, settings, tasks."""

from collections.abc import Collection, Mapping, Sequence

from nwedge.report import describe, trained, words
from nwedge.report.results import Results
from nwedge.specs.claims import CLAIMS
from nwedge.specs.landscapes import TORCH, ForeignWedgeSpec, WedgeSpec
from nwedge.specs.tasks import RUNS, SHEETS, ClaimSpec, GroupSpec, TaskSpec

SECONDS, FINISHED = "wall_time", "finished"
"""The entries of a task's provenance that differ from task to task: how long it took, and when it ended."""

TRAINING = {RUNS: "training of runs", SHEETS: "training of sheets"}
"""What the folders of the tasks that train are called; all others bear the name of their claim."""
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
        ("command", describe.command(results.plan)),
        ("planned by nwedge", results.plan.version),
        *backends(results),
        *((name.replace("_", " "), _distinct(values)) for name, values in entries.items()),
        *([("finished", f"{min(finished)} to {max(finished)}")] if finished else []),
        *times(results),
    ]


def backends(results: Results) -> list[tuple[str, str]]:
    """What computes the wedge models; nothing where there are none."""
    wedges = [task.landscape for task in results.plan.tasks if isinstance(task.landscape, WedgeSpec)]
    names = {spec.backend if isinstance(spec, ForeignWedgeSpec) else TORCH for spec in wedges}
    return [("wedge models computed by", ", ".join(sorted(names)))] if names else []


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
        ("wall time, sum over the tasks", f"{words.duration(total)}, in however many runs of the command"),
        *((f"wall time of {_folder(folder)}", _tasks_took(values)) for folder, values in seconds.items()),
    ]


def seeds(results: Results) -> str:
    """The seeds of the planned measurements."""
    found = sorted({task.seed for task in results.plan.tasks if isinstance(task, ClaimSpec)})
    return ", ".join(map(str, found))


def landscapes(results: Results) -> list[dict[str, object]]:
    """Each landscape in words, and what was trained on it; controls that read another landscape's results come last."""
    training = trained.sentences(results.plan.tasks)
    found: list[dict[str, object]] = [
        {"name": name, "title": words.title(name), "what": what, "training": training[name]}
        for name, what in describe.landscapes(results.plan.tasks).items()
    ]
    planned = {(task.claim, task.landscape.name) for task in results.plan.tasks if isinstance(task, ClaimSpec)}
    for claim in CLAIMS:
        for name, source in claim.derived.items():
            if (claim.id, source) in planned:
                what = f"Another reading of what {claim.id} measured on {source}; nothing is measured anew."
                found.append({"name": name, "title": words.title(name), "what": what, "training": []})
    return found


def settings(results: Results) -> dict[str, list[str]]:
    """The settings of each claim: those that all landscapes share, then those of each group of landscapes."""
    return {claim: _settings(configs) for claim, configs in _configs(results).items()}


def _settings(configs: Mapping[str, Mapping[str, str]]) -> list[str]:
    names = list(dict.fromkeys(name for fields in configs.values() for name in fields))
    shared = [name for name in names if len({fields.get(name) for fields in configs.values()}) == 1]
    first = next(iter(configs.values()))
    found = [", ".join(f"{name} {first[name]}" for name in shared)] if shared else []
    apart: dict[str, list[str]] = {}
    for landscape, fields in configs.items():
        text = ", ".join(f"{name} {value}" for name, value in fields.items() if name not in shared)
        apart.setdefault(text, []).append(landscape)
    return [*found, *(f"on {_where(members, configs)}: {text}" for text, members in apart.items() if text)]


def cuts(results: Results) -> list[str]:
    """The number of seeds, runs that saw a part of the data, and settings that are not the claims' own."""
    own = {claim.id: describe.values(claim.config()) for claim in CLAIMS}
    seeds_planned = {task.seed for task in results.plan.tasks if isinstance(task, ClaimSpec)}
    found = [
        f"Every number is over {words.count(len(seeds_planned), 'seed')}.",
        *trained.partial(results.plan.tasks),
        *trained.judged(results.plan.tasks),
    ]
    for claim, configs in _configs(results).items():
        texts: dict[str, list[str]] = {}
        for landscape, fields in configs.items():
            changed = [
                f"{name} {value} instead of {own[claim][name]}"
                for name, value in fields.items()
                if own.get(claim, {}).get(name, value) != value
            ]
            texts.setdefault(", ".join(changed), []).append(landscape)
        found += [f"{claim} on {_where(members, configs)}: {text}." for text, members in texts.items() if text]
    return found


def _configs(results: Results) -> dict[str, dict[str, dict[str, str]]]:
    """The settings in words, by claim and landscape."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for task in results.plan.tasks:
        if isinstance(task, ClaimSpec):
            found.setdefault(task.claim, {})[task.landscape.name] = describe.values(task.config)
    return found


def _where(members: Sequence[str], every: Collection[str]) -> str:
    """The landscapes, by kind where all of a kind are meant."""
    if set(members) == set(every):
        return "all landscapes"
    kinds = dict.fromkeys(map(words.kind, members))
    if set(members) != {name for name in every if words.kind(name) in kinds}:
        return ", ".join(members)
    amounts = {kind: sum(words.kind(name) == kind for name in members) for kind in kinds}
    return " and ".join(f"the {kind}" if amount == 1 else f"the {kind}s" for kind, amount in amounts.items())


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
    return TRAINING.get(folder, folder)


def _seed(task: TaskSpec) -> str:
    if isinstance(task, GroupSpec):
        return ", ".join(map(str, sorted({run.seed for run in task.runs})))
    return str(getattr(task, "seed", ""))


def _distinct(values: Sequence[str]) -> str:
    distinct = sorted(set(values))
    return ", ".join(distinct) if len(distinct) <= LISTED else f"{len(distinct)} different values"


def _tasks_took(values: Sequence[float]) -> str:
    return f"{words.duration(sum(values))} in {words.count(len(values), 'task')}"
