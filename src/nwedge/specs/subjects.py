"""Subjects: the rows of the verdict table, what is trained on each, and how its claims are measured."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import LandscapeSpec
from nwedge.specs.tasks import TrainSpec


@dataclass(frozen=True)
class Training:
    """Runs for one purpose: for each seed every rate with every weight decay and every member.

    Attributes:
        role: what they are for.
        landscape: that of each seed.
        train: how they are trained.
        rates: learning rates.
        decays: weight decays.
        members: independent runs.
    """

    role: str
    landscape: Callable[[int], LandscapeSpec]
    train: TrainSpec
    rates: tuple[float, ...]
    decays: tuple[float, ...] = (0.0,)
    members: int = 1


@dataclass(frozen=True)
class Sheets:
    """The sheets of a subject: over m of a seed's own optima or, where these are too few, over a pool of all seeds'.

    Attributes:
        m: numbers of optima.
        steps: of each training.
        rate: of each training, relative to the distance of the optima.
        samples: the fewest points of the sheet that a step averages over.
        share: of the vertices, one in how many is matched by such a point, where these are more.
        distinct: whether the optima must lie on different wedges.
        draws: the most disjoint sets that are taken from the pool for each m.
    """

    m: tuple[int, ...]
    steps: int = 600
    rate: float = 0.05
    samples: int = 8
    share: int = 8
    distinct: bool = False
    draws: int = 2

    def samples_of(self, m: int) -> int:
        """The points that a step of the sheet over m optima averages over; the defaults are those of `m_tunnel`."""
        return max(self.samples, 2**m // self.share)


@dataclass(frozen=True)
class Subject:
    """A row of the verdict table.

    Attributes:
        name: of the row.
        landscape: that of each seed.
        trainings: what is trained.
        sheets: over its optima; None for none.
        settings: of claims, by id, where they differ from the claim's own.
        quick: fields that differ in a quick run, by claim.
        repeat: whether a claim reads the seed's first optimum again and again in place of independent ones.
        meaningless: claims that have no meaning here, by id, with the reason.
    """

    name: str
    landscape: Callable[[int], LandscapeSpec]
    trainings: tuple[Training, ...]
    sheets: Sheets | None = None
    settings: Mapping[str, Spec] = field(default_factory=dict)
    quick: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    repeat: bool = False
    meaningless: Mapping[str, str] = field(default_factory=dict)


def keep(steps: int, count: int = 40) -> tuple[int, ...]:
    """About `count` steps from 0 to `steps`, both included, evenly spaced on a logarithmic scale."""
    spaced = (round(steps ** (index / (count - 1))) for index in range(count))
    return tuple(sorted({0, steps, *spaced}))


def plain(steps: int, *, momentum: float = 0.0, optimizer: str = "sgd", kept: int = 40) -> TrainSpec:
    """Training at a constant rate."""
    return TrainSpec(optimizer=optimizer, steps=steps, momentum=momentum, keep=keep(steps, kept))


def cycles(cycle: int, count: int) -> TrainSpec:
    """Plain SGD under a cyclical rate; the ends of all cycles are kept."""
    ends = tuple(range(0, (count + 1) * cycle, cycle))
    return TrainSpec(optimizer="sgd", steps=count * cycle, schedule="cyclical", cycle=cycle, keep=ends)


def varied(landscape: Callable[[int], LandscapeSpec], **changes: Any) -> Callable[[int], LandscapeSpec]:
    """The landscape of each seed with some fields changed."""
    return lambda seed: dataclasses.replace(landscape(seed), **changes)
