"""Presets: which landscapes, how they are trained, and the tasks that follow."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS, Claim, NoObstaclesConfig, TunnelsConfig, TwoHalvesConfig
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, NetworkSpec, WedgeSpec
from nwedge.specs.tasks import ClaimSpec, GroupSpec, RunRef, RunSpec, TaskSpec, TrainSpec

MEMBERS = 2
"""Independent runs a seed: the two ends of its tunnels."""


@dataclass(frozen=True)
class Subject:
    """A row of the verdict table: the landscape of each seed, and how runs on it are trained."""

    name: str
    landscape: Callable[[int], LandscapeSpec]
    train: TrainSpec
    lr: float


@dataclass(frozen=True)
class Preset:
    """Subjects by kind (toy, network, controls) and the settings of the claims, in full and quick."""

    subjects: dict[str, tuple[Subject, ...]]
    quick: dict[str, Spec]


def keep(steps: int, count: int = 40) -> tuple[int, ...]:
    """About `count` steps from 0 to `steps`, both included, evenly spaced on a logarithmic scale."""
    spaced = (round(steps ** (index / (count - 1))) for index in range(count))
    return tuple(sorted({0, steps, *spaced}))


def plain(steps: int, *, momentum: float = 0.0) -> TrainSpec:
    """SGD at a constant rate."""
    return TrainSpec(optimizer="sgd", steps=steps, momentum=momentum, keep=keep(steps))


TOYS = (
    Subject("toy-complete", lambda seed: WedgeSpec(name="toy-complete", dim=500, short=200), plain(100), lr=0.1),
    Subject(
        "toy-sampled",
        lambda seed: WedgeSpec(name="toy-sampled", dim=300, short=15, wedges=40, seed=seed),
        plain(100),
        lr=0.1,
    ),
)

CONTROLS = (
    Subject(
        "control-bowl",
        lambda seed: ControlSpec(name="control-bowl", kind="bowl", dim=100, seed=seed),
        plain(400),
        lr=0.5,
    ),
    Subject(
        "control-isolated",
        lambda seed: ControlSpec(name="control-isolated", kind="isolated", dim=100, seed=seed),
        plain(100),
        lr=0.1,
    ),
    Subject(
        "control-horseshoe",
        lambda seed: ControlSpec(name="control-horseshoe", kind="horseshoe", dim=20),
        plain(1000),
        lr=0.05,
    ),
)

DIGITS = Subject(
    "network",
    lambda seed: NetworkSpec(name="network", architecture="mlp", data="digits", strategy="vmap", chunk=2048),
    plain(600, momentum=0.9),
    lr=0.1,
)

PRESETS = {
    "digits": Preset(
        subjects={"toy": TOYS, "network": (DIGITS,), "controls": CONTROLS},
        quick={
            "no-obstacles": NoObstaclesConfig(points=51),
            "tunnels": TunnelsConfig(samples=4, points=61, bends=250, bend_points=7),
            "two-halves": TwoHalvesConfig(samples=4),
        },
    ),
}

QUICK_SEEDS = 3


def subjects(preset: Preset, wanted: tuple[str, ...]) -> tuple[Subject, ...]:
    """The subjects that are wanted, by kind ("toy", "network", "controls") or by name, in the preset's order."""
    return tuple(
        subject
        for kind, members in preset.subjects.items()
        for subject in members
        if kind in wanted or subject.name in wanted
    )


def measured(claim: Claim, subject: Subject) -> bool:
    """Whether a claim is measured on a subject: every toy and network, and the controls that must fail it."""
    return not subject.name.startswith("control-") or subject.name in claim.controls


def expand(
    preset: Preset,
    *,
    claims: tuple[str, ...],
    landscapes: tuple[str, ...],
    seeds: int,
    quick: bool,
    device: str = "cpu",
) -> tuple[TaskSpec, ...]:
    """The tasks of a replication, inputs first; the groups depend on the preset and the seeds, never on the claims.

    Args:
        preset: one of `PRESETS`.
        claims: the ids of the claims that are wanted.
        landscapes: kinds or names of the subjects that are wanted.
        seeds: the number of independent seeds.
        quick: whether to take the preset's quick settings.
        device: where the landscapes live.
    """
    tasks: list[TaskSpec] = []
    for subject in subjects(preset, landscapes):
        asked = [claim for claim in CLAIMS if claim.id in claims and measured(claim, subject)]
        if not asked:
            continue
        groups = _groups(subject, seeds, device)
        tasks.extend(group for group, _ in groups.values())
        for claim in asked:
            config = preset.quick[claim.id] if quick else claim.config()
            for seed in range(seeds):
                landscape = _on(subject.landscape(seed), device)
                group, rows = groups[landscape.id]
                reads = tuple(RunRef(group=group.id, row=row) for row, run in enumerate(rows) if run.seed == seed)
                tasks.append(ClaimSpec(claim=claim.id, landscape=landscape, seed=seed, config=config, reads=reads))
    return tuple(tasks)


def _groups(subject: Subject, seeds: int, device: str) -> dict[str, tuple[GroupSpec, tuple[RunSpec, ...]]]:
    runs: dict[LandscapeSpec, list[RunSpec]] = {}
    for seed in range(seeds):
        for member in range(MEMBERS):
            run = RunSpec(lr=subject.lr, seed=seed, member=member)
            runs.setdefault(_on(subject.landscape(seed), device), []).append(run)
    return {
        landscape.id: (GroupSpec(landscape=landscape, train=subject.train, runs=tuple(rows)), tuple(rows))
        for landscape, rows in runs.items()
    }


def _on(landscape: LandscapeSpec, device: str) -> LandscapeSpec:
    return dataclasses.replace(landscape, device=device)
