"""The arguments of `nwedge replicate`, in words: the flags of the command line come from here."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nwedge.specs.claims import CLAIMS
from nwedge.specs.execution import LEAST_SEEDS, Execution, check_known
from nwedge.specs.landscapes import BACKENDS, TORCH
from nwedge.specs.presets import PRESETS, QUICK_SEEDS, Place, expand
from nwedge.specs.tasks import TaskSpec

KINDS = ("toy", "network", "controls")
SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which claims are measured, on what, and how often."""

    preset: str = "digits"
    """Which networks and settings."""
    claims: tuple[str, ...] = ()
    """Ids of the claims to measure (see `nwedge claims`); none given: all of them."""
    landscapes: tuple[str, ...] = KINDS
    """Kinds of landscapes (toy, network, controls) or names of single ones."""
    seeds: int | None = None
    """Independent seeds, 2 at least; the default is 5, and 3 with --quick."""
    quick: bool = False
    """Fewer seeds and points, shorter training of tunnels."""

    def __post_init__(self) -> None:
        """Refuse unknown names and counts that cannot be (ValueError)."""
        check_known("preset", (self.preset,), tuple(PRESETS))
        check_known("claim", self.claims, tuple(claim.id for claim in CLAIMS))
        names = tuple(subject.name for members in PRESETS[self.preset].subjects.values() for subject in members)
        check_known("landscape", self.landscapes, KINDS + names)
        if not self.landscapes:
            raise ValueError(f"--landscapes needs at least one name; valid: {', '.join(KINDS + names)}")
        if self.seeds is not None and self.seeds < LEAST_SEEDS:
            raise ValueError(
                f"--seeds must be at least {LEAST_SEEDS}, since an interval needs two values; got {self.seeds}"
            )

    def tasks_in(self, place: Place) -> tuple[TaskSpec, ...]:
        """The tasks to be done, inputs first, with the landscapes in a place.

        Raises:
            ValueError: none of the claims is measured on any of the landscapes.
        """
        tasks = expand(
            PRESETS[self.preset],
            claims=self.claims or tuple(claim.id for claim in CLAIMS),
            landscapes=self.landscapes,
            seeds=range(self.seeds or (QUICK_SEEDS if self.quick else SEEDS)),
            quick=self.quick,
            place=place,
        )
        if not tasks:
            claims, landscapes = ", ".join(self.claims), ", ".join(self.landscapes)
            raise ValueError(f"nothing to do: of {claims or 'the claims'}, none is measured on {landscapes}")
        return tasks


@dataclass(frozen=True, kw_only=True)
class Replicate(Execution, Selection):
    """Measure the claims, judge them and draw the report; a rerun resumes where the last one stopped."""

    out: Path = Path("replicate")
    """The directory that holds results, verdicts, figures and the report."""
    toy_backend: str = TORCH
    """What computes the wedge models: torch, tensorflow or jax, with the same wedges and starts."""

    TUNED_FOR: ClassVar = ("preset", "device", "cpus_per_task")
    """The arguments on which the fastest strategy depends."""

    def __post_init__(self) -> None:
        """Refuse what a selection and an execution refuse, and unknown frameworks (ValueError)."""
        Selection.__post_init__(self)
        Execution.__post_init__(self)
        check_known("toy backend", (self.toy_backend,), (TORCH, *BACKENDS))

    def tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks to be done, inputs first.

        Raises:
            ValueError: none of the claims is measured on any of the landscapes.
        """
        return self.tasks_in(Place(self.device, self.toy_backend, self.strategy, self.chunk))
