"""What was trained, in sentences: the runs of each role with the values that they sweep, and the sheets."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from nwedge.report import describe, words
from nwedge.specs.landscapes import LandscapeSpec
from nwedge.specs.tasks import (
    BATCH,
    CYCLE,
    DECAY,
    DROPOUT,
    OPTIMA,
    RATE,
    SIZE,
    WIDTH,
    ClaimSpec,
    GroupSpec,
    RunRef,
    SheetSpec,
    TaskSpec,
    TrainSpec,
)

ROLES = {
    OPTIMA: "Independent optima",
    RATE: "Sweep of the learning rate",
    BATCH: "Sweep of the batch size",
    DECAY: "Sweep of the weight decay (L2)",
    DROPOUT: "Sweep of dropout",
    WIDTH: "Sweep of the layer width",
    SIZE: "Networks of other sizes and amounts of data",
    CYCLE: "Cyclical learning rate",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
UNSAID = {"name", "seed", "dtype", "device", "strategy", "chunk"}
"""Fields of a landscape that are not what a sweep is about."""


def sentences(tasks: Sequence[TaskSpec]) -> dict[str, list[str]]:
    """By the name of a landscape: a sentence for each role of the runs that its claims read, and one for its sheets."""
    trains = {task.id: task.train for task in tasks if isinstance(task, GroupSpec)}
    claims: dict[str, list[ClaimSpec]] = {}
    sheets = [task for task in tasks if isinstance(task, SheetSpec)]
    for task in tasks:
        if isinstance(task, ClaimSpec):
            claims.setdefault(task.landscape.name, []).append(task)
    found = {}
    for name, members in claims.items():
        read = {id for task in members for id in task.sheets}
        own = [sheet for sheet in sheets if sheet.id in read]
        found[name] = [*_runs(members, own, trains), *_sheets(own)]
    return found


def partial(tasks: Sequence[TaskSpec]) -> list[str]:
    """A sentence for each landscape and largest number of examples that the runs of whole roles were trained on."""
    found: dict[tuple[str, int], dict[str, None]] = {}
    for task in tasks:
        if isinstance(task, ClaimSpec):
            given: dict[str, set[int | None]] = {}
            for ref in task.reads:
                given.setdefault(ref.role, set()).add(getattr(ref.landscape, "examples", None))
            for role, counts in given.items():
                known = [count for count in counts if count is not None]
                if len(known) == len(counts):
                    found.setdefault((task.landscape.name, max(known)), {})[role] = None
    return [
        f"Trained on at most {words.count(examples, 'example')} of {name}: {', '.join(map(_name, roles))}."
        for (name, examples), roles in found.items()
    ]


def judged(tasks: Sequence[TaskSpec]) -> list[str]:
    """A sentence for each landscape with runs whose kept points are judged on a part of the data."""
    found: dict[tuple[str, int], None] = {}
    for task in tasks:
        if isinstance(task, GroupSpec) and task.train.examples is not None:
            found[task.landscape.name, task.train.examples] = None
    return [
        f"The losses of points kept in training, which tell whether a run is trained, are taken on "
        f"{words.count(examples, 'example')} of {name}."
        for name, examples in found
    ]


def _runs(claims: Iterable[ClaimSpec], sheets: Iterable[SheetSpec], trains: Mapping[str, TrainSpec]) -> list[str]:
    base = {task.seed: task.landscape for task in claims}
    roles: dict[str, dict[RunRef, None]] = {role: {} for role in ROLES}
    for task in (*claims, *sheets):
        if len(set(task.reads)) < len(task.reads):
            return [f"One optimum of each seed, trained on {task.reads[0].landscape.name}, stands for all."]
        for ref in task.reads:
            roles.setdefault(ref.role, {})[ref] = None
    return [_role(role, list(refs), base, trains) for role, refs in roles.items() if refs]


def _name(role: str) -> str:
    return ROLES.get(role, role)


def _role(role: str, refs: Sequence[RunRef], base: Mapping[int, LandscapeSpec], trains: Mapping[str, TrainSpec]) -> str:
    how = [trains[ref.group] for ref in refs if ref.group in trains]
    seeds = words.count(len({ref.run.seed for ref in refs}), "seed")
    parts = [
        f"{_name(role)}: {words.count(len(refs), 'run')} from {seeds}",
        *_varied(refs, base),
        *([_train(how, refs)] if how else []),
    ]
    return "; ".join(parts) + "."


def _varied(refs: Sequence[RunRef], base: Mapping[int, LandscapeSpec]) -> list[str]:
    """The fields of the landscape that differ from the claim's own, with all their values."""
    found = []
    for field in dataclasses.fields(refs[0].landscape):
        given = [getattr(ref.landscape, field.name) for ref in refs]
        own = [getattr(base.get(ref.run.seed), field.name, None) for ref in refs]
        if field.name not in UNSAID and given != own:
            found.append(f"{field.name.replace('_', ' ')} {_listed(field.name, given)}")
    return found


def _train(how: Sequence[TrainSpec], refs: Sequence[RunRef]) -> str:
    first = how[0]
    steps = _listed("steps", [train.steps for train in how])
    rates = _listed("lr", [ref.run.lr for ref in refs])
    decays = _listed("weight_decay", [ref.run.weight_decay for ref in refs])
    rate = f"learning rate {rates} ({first.schedule})"
    if first.schedule == "cyclical" and first.cycle:
        cycles = words.count(first.steps // first.cycle, "cycle")
        rate = f"highest learning rate {rates}, falling to 0 in each of {cycles} of {first.cycle:,} steps"
    kept = _listed("keep", [len(train.keep) for train in how])
    parts = [
        ", ".join(dict.fromkeys(OPTIMIZERS.get(train.optimizer, train.optimizer) for train in how)),
        f"{steps} steps",
        rate,
        *([f"momentum {first.momentum:g}"] if first.momentum else []),
        *([f"weight decay {decays}"] if decays != "0" else []),
    ]
    judged = {train.examples for train in how} - {None}
    seen = f", their losses taken on {_listed('examples', judged)} examples" if judged else ""
    return f"{', '.join(parts)}; points kept at {kept} steps{seen}"


def _sheets(sheets: Sequence[SheetSpec]) -> list[str]:
    if not sheets:
        return []
    first = sheets[0]
    points = "as many as the rule of m_tunnel gives" if first.samples is None else f"{first.samples} a step"
    pooled = _listed("m", [one.m for one in sheets if one.pooled])
    text = (
        f"Sheets: {words.count(len(sheets), 'sheet')} over m = {_listed('m', [one.m for one in sheets])} optima, "
        f"{words.count(first.steps, 'step')} at rate {first.rate:g}, on random points of the sheet, {points}"
    )
    distinct = "; the optima of a sheet lie on different wedges" if first.distinct else ""
    pool = f"; for m = {pooled} the optima come from a pool over all seeds" if pooled else ""
    return [f"{text}{distinct}{pool}."]


def _listed(name: str, given: Iterable[object]) -> str:
    """The different values in words, numbers in order, then all else."""
    distinct = set(given)
    numbers = sorted(one for one in distinct if isinstance(one, int | float))
    rest = sorted(describe.value(name, one) for one in distinct if not isinstance(one, int | float))
    return ", ".join([*(f"{one:,}" if isinstance(one, int) else f"{one:g}" for one in numbers), *rest])
