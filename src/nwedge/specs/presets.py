"""Presets: which landscapes, how they are trained, and the tasks that follow."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.landscapes import TORCH, ForeignWedgeSpec, LandscapeSpec, ModelSpec, OwnNetworkSpec, WedgeSpec
from nwedge.specs.networks import CIFAR, DIGITS, FASHION
from nwedge.specs.subjects import Sheets, Subject
from nwedge.specs.tasks import ALL, OPTIMA, ClaimSpec, GroupSpec, RunRef, RunSpec, SheetSpec, TaskSpec, TrainSpec
from nwedge.specs.toys import CONTROLS, TOYS, repeated


@dataclass(frozen=True)
class Preset:
    """Subjects by kind (toy, network, controls), and what differs in a quick run, by claim."""

    subjects: Mapping[str, tuple[Subject, ...]]
    quick: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def preset(network: Subject) -> Preset:
    """The preset of a network: the wedge models and the controls beside it."""
    return Preset({"toy": TOYS, "network": (network,), "controls": (*CONTROLS, repeated(network))}, QUICK)


QUICK = {
    "no-obstacles": {"points": 51},
    "tunnels": {"samples": 4, "points": 61, "bends": 250, "bend_points": 7, "steps": 400},
    "two-halves": {"samples": 4, "steps": 400},
    "radial-wells": {"directions": 200},
    "sections": {"levels": (), "radii": (2.0,)},
    "tunnel-width": {"directions": 8, "snapshots": 6},
    "m-tunnels": {"m": (2, 3), "points": 200, "pointwise": (2,)},
    "short-directions": {"m": (2, 3), "positions": (0.0, 0.5, 1.0), "probes": 2, "literal": False},
    "intrinsic-dimension": {"probes": 2},
}

PRESETS = {"digits": preset(DIGITS), "fashion": preset(FASHION), "cifar10": preset(CIFAR)}

QUICK_SEEDS = 3


Rule = Mapping[tuple[object, ...], tuple[str, int]]
"""The strategy and chunk of each network of the user's, by `OwnNetworkSpec.judged_by`."""


@dataclass(frozen=True)
class Place:
    """Where landscapes live, and what computes the wedge models.

    Attributes:
        device: of all landscapes.
        backend: of the wedge models: "torch", or one of `BACKENDS`.
        strategy: of networks (see `ModelSpec`); None: that of their spec.
        chunk: of networks; None: that of their spec.
        rule: what it chose for networks of the user's, where `strategy` or `chunk` is None.
    """

    device: str = "cpu"
    backend: str = TORCH
    strategy: str | None = None
    chunk: int | None = None
    rule: Rule = field(default_factory=dict, hash=False)

    def of(self, landscape: LandscapeSpec) -> LandscapeSpec:
        """A landscape in this place."""
        here = dataclasses.replace(landscape, device=self.device)
        if isinstance(here, ModelSpec):
            strategy, chunk = self.strategy or here.strategy, self.chunk or here.chunk
            here = dataclasses.replace(here, strategy=strategy, chunk=chunk)
            if isinstance(here, OwnNetworkSpec) and here.judged_by in self.rule:
                strategy, chunk = self.rule[here.judged_by]
            return dataclasses.replace(here, strategy=strategy, chunk=chunk)
        if self.backend == TORCH or not isinstance(here, WedgeSpec):
            return here
        given = {field.name: getattr(here, field.name) for field in dataclasses.fields(WedgeSpec)}
        return ForeignWedgeSpec(backend=self.backend, **given)


Refs = Mapping[int, Mapping[str, tuple[RunRef, ...]]]
"""Runs by seed and role."""


def subjects(preset: Preset, wanted: tuple[str, ...]) -> tuple[Subject, ...]:
    """The subjects that are wanted, by kind ("toy", "network", "controls") or by name, in the preset's order."""
    return tuple(
        subject
        for kind, members in preset.subjects.items()
        for subject in members
        if kind in wanted or subject.name in wanted
    )


def judged(claim: Claim, name: str) -> bool:
    """Whether a claim is judged on a landscape: every toy and network, and the controls that must fail it."""
    return not name.startswith("control-") or name in claim.controls


def measured(claim: Claim, subject: Subject, asked: Sequence[Claim] = CLAIMS) -> bool:
    """Whether a claim is measured on a subject: where it is asked for and judged, and where an asked one needs it."""
    if claim.id in subject.meaningless or subject.name in claim.derived:
        return False
    return (claim in asked and judged(claim, subject.name)) or any(
        claim.id in other.needs and measured(other, subject, (other,)) for other in asked
    )


def expand(
    preset: Preset,
    *,
    claims: tuple[str, ...],
    landscapes: tuple[str, ...],
    seeds: Sequence[int],
    quick: bool,
    place: Place = Place(),
) -> tuple[TaskSpec, ...]:
    """The tasks of a replication, inputs first; what is trained depends on the preset and the seeds, not on the claims.

    Args:
        preset: one of `PRESETS`.
        claims: the ids of the claims that are wanted; what they need is measured, too.
        landscapes: kinds or names of the subjects that are wanted.
        seeds: the independent seeds.
        quick: whether to take the quick settings.
        place: where the landscapes live, and what computes the wedge models.
    """
    wanted = [claim for claim in CLAIMS if claim.id in claims]
    tasks: dict[str, TaskSpec] = {}
    for subject in subjects(preset, landscapes):
        asked = [claim for claim in CLAIMS if measured(claim, subject, wanted)]
        groups, refs = _groups(subject, seeds, place) if asked else ({}, {})
        sheets = _sheets(subject, refs, place) if any(claim.sheets for claim in asked) else {}
        for claim in asked:
            config = _config(preset, subject, claim, quick)
            for seed in seeds:
                task = _claim_task(claim, subject, seed, config, refs, sheets, place)
                own = [sheets[id] for id in task.sheets]
                for need in dict.fromkeys([*(id for sheet in own for id in sheet.needs), *task.needs]):
                    if need in groups:
                        tasks[need] = groups[need]
                tasks |= {sheet.id: sheet for sheet in own} | {task.id: task}
    return tuple(sorted(tasks.values(), key=lambda task: isinstance(task, ClaimSpec) + bool(task.needs)))


def _config(preset: Preset, subject: Subject, claim: Claim, quick: bool) -> Spec:
    config = subject.settings.get(claim.id) or claim.config()
    changes = {**preset.quick.get(claim.id, {}), **subject.quick.get(claim.id, {})} if quick else {}
    return dataclasses.replace(config, **changes)


def _claim_task(
    claim: Claim,
    subject: Subject,
    seed: int,
    config: Spec,
    refs: Refs,
    sheets: Mapping[str, SheetSpec],
    place: Place,
) -> ClaimSpec:
    reads: list[RunRef] = []
    for role, count in claim.reads.items():
        own = refs[seed].get(role, ())
        if subject.repeat:
            own = own[:1] * len(own) if role == OPTIMA else ()
        reads.extend(own if count == ALL else own[:count])
    wanted = getattr(config, "m", None)
    wanted = (wanted,) if isinstance(wanted, int) else wanted
    own_sheets = [id for id, one in sheets.items() if one.seed == seed and (wanted is None or one.m in wanted)]
    return ClaimSpec(
        claim=claim.id,
        landscape=place.of(subject.landscape(seed)),
        seed=seed,
        config=config,
        reads=tuple(reads),
        sheets=tuple(own_sheets) if claim.sheets else (),
    )


def _groups(subject: Subject, seeds: Sequence[int], place: Place) -> tuple[dict[str, GroupSpec], Refs]:
    """The groups by id, and the runs by seed and role.

    Seeds train together, but for networks of the user's, whose sweep may be given more seeds later, which should leave
    those that are done as they are, and where a loop over points gains nothing.
    """
    runs: dict[tuple[LandscapeSpec, TrainSpec, int | None], dict[RunSpec, None]] = {}
    uses: list[tuple[tuple[LandscapeSpec, TrainSpec, int | None], str, RunSpec]] = []
    for training in subject.trainings:
        for seed in seeds:
            landscape = place.of(training.landscape(seed))
            loop = isinstance(landscape, ModelSpec) and landscape.strategy == "loop"
            apart = seed if loop or isinstance(landscape, OwnNetworkSpec) else None
            key = (landscape, training.train, apart)
            for rate in training.rates:
                for decay in training.decays:
                    for member in range(training.members):
                        run = RunSpec(lr=rate, weight_decay=decay, seed=seed, member=member)
                        runs.setdefault(key, {})[run] = None
                        uses.append((key, training.role, run))
    groups = {key: GroupSpec(landscape=key[0], train=key[1], runs=tuple(rows)) for key, rows in runs.items()}
    refs: dict[int, dict[str, tuple[RunRef, ...]]] = {}
    for key, role, run in uses:
        group = groups[key]
        ref = RunRef(group=group.id, row=group.runs.index(run), role=role, landscape=key[0], run=run)
        own = refs.setdefault(run.seed, {})
        own[role] = (*own.get(role, ()), ref)
    return {group.id: group for group in groups.values()}, refs


def _sheets(subject: Subject, refs: Refs, place: Place) -> dict[str, SheetSpec]:
    how = subject.sheets
    if how is None:
        return {}
    found = [
        SheetSpec(
            landscape=candidates[0].landscape,
            seed=seed,
            m=m,
            steps=how.steps,
            rate=how.rate,
            samples=how.samples_of(m),
            distinct=how.distinct,
            pooled=pooled,
            reads=candidates,
        )
        for m in how.m
        for seed, pooled, candidates in _candidates(how, m, refs)
    ]
    return {sheet.id: sheet for sheet in found}


def _candidates(how: Sheets, m: int, refs: Refs) -> list[tuple[int, bool, tuple[RunRef, ...]]]:
    """For each sheet over m optima its seed, whether it is pooled, and its candidates.

    Where a seed has too few optima, disjoint sets are cut from the pool of all seeds', one for each of the first seeds.
    """
    own = {seed: roles[OPTIMA] for seed, roles in refs.items()}
    if all(len(members) >= m for members in own.values()):
        return [(seed, False, members if how.distinct else members[:m]) for seed, members in own.items()]
    rounds = zip(*own.values(), strict=True)
    pool = tuple(ref for members in rounds for ref in members)
    draws = min(how.draws, len(pool) // m)
    return [(seed, True, pool[draw * m : (draw + 1) * m]) for draw, seed in enumerate([*own][:draws])]
