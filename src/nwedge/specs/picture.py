"""The arguments of `nwedge picture line|plane|trajectory|spectrum`, in words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from nwedge.specs.configs import THRESHOLDS
from nwedge.specs.execution import check_known
from nwedge.specs.own import OwnCheckpoints
from nwedge.specs.references import FORM, named

DRAWN = ("filter", "layer", "random")
"""Directions that are drawn at random: as long as the weights in every filter, every tensor, or as a whole."""
SLOPES = ("gradient", "hessian")
"""Directions of norm 1 that the loss points out."""
METRICS = ("loss", "accuracy", "held_out_loss", "held_out_accuracy")
NORMALISED = DRAWN[:2]
BESIDE = ("checkpoint", "axis", "component", "position", "off_plane", "distance", "explained", "step", "name")
"""Names of what is stored beside the metrics of checkpoints."""
MOST = 40_000
"""Values that a page shows at most: it then holds 27 MB, and opens in seconds."""


@dataclass(frozen=True, kw_only=True)
class PictureArguments(OwnCheckpoints):
    """What pictures of all kinds have in common."""

    kind: ClassVar[str]
    OF_FILES: ClassVar[tuple[str, ...]] = ("out", "overwrite", "vtk")
    """What says which files are written, and not what is in them."""

    out: Path = Path("picture")
    """The directory of picture.html, picture.svg, picture.png, picture.json (what was done) and the numbers, *.nc."""
    overwrite: bool = False
    """Draw where a picture is, and delete that first, also where it is the same one."""

    @property
    def functions(self) -> dict[str, str]:
        """The user's functions, by what they are for."""
        return named(self)


@dataclass(frozen=True, kw_only=True)
class CutArguments(PictureArguments):
    """What pictures have in common that show values on a grid."""

    reach: float | None = None
    """How far the picture goes, in units of the directions: 1 around one checkpoint, 0.5 beyond two of them; around
    three or a trajectory the margin, as a share of their extent, 0.25."""
    metrics: tuple[str, ...] = ("loss",)
    """loss, accuracy, held_out_loss, held_out_accuracy, or your package.module:function of (landscape, points), which
    returns one number a point, as for nwedge.cut."""
    tolerance: float | None = None
    """Losses are evaluated on as few examples as give this standard error, relative to the loss or, where that is below
    0.1, to 0.1; 0 takes all examples. By default 0.02; 0 with --loss, with BatchNorm that is recomputed, or with fewer
    than 4,096 examples."""
    refine: float | None = None
    """Evaluate closely only where interpolation misses the first metric by more than this, relative to it as above. It
    saves most with a --points of 33 or 65, whose intervals can be halved several times."""
    points: int = 25
    """A side of the grid; a page shows 40,000 values at most."""
    dimensions: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be, and metrics that are neither known nor functions (ValueError)."""
        super().__post_init__()
        if self.points < 2:
            raise ValueError(f"--points must be at least 2; got {self.points}")
        _check("--reach", self.reach, self.reach is None or 0 < self.reach < math.inf, "positive and finite")
        _check("--tolerance", self.tolerance, self.tolerance is None or 0 <= self.tolerance < math.inf, "at least 0")
        _check("--refine", self.refine, self.refine is None or 0 < self.refine < math.inf, "positive and finite")
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise ValueError(f"--metrics must be one or more, all different; got {' '.join(self.metrics) or 'none'}")
        for metric in self.metrics:
            if not FORM.fullmatch(metric):
                check_known("metric", (metric,), (*METRICS, "package.module:function"))
        names = [metric_name(metric) for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"--metrics must have different names; got {' '.join(names)}: rename a function")
        for metric, name in zip(self.metrics, names, strict=True):
            if metric not in METRICS and name in (*METRICS, *BESIDE):
                raise ValueError(
                    f"--metrics {metric}: '{name}' is the name of something else here: rename the function"
                )
        values = self.shown * self.points**self.dimensions
        if values > MOST:
            side = math.floor((MOST / self.shown) ** (1 / self.dimensions))
            raise ValueError(
                f"{values:,} values are more than the {MOST:,} that a page shows: take --points {side} or fewer, or "
                "compute them in Python by nwedge.cut"
            )

    @property
    def shown(self) -> int:
        """How many grids of values are drawn."""
        return len(self.metrics)

    @property
    def functions(self) -> dict[str, str]:
        """The user's functions, by what they are for."""
        return named(self) | {metric_name(metric): metric for metric in self.metrics if metric not in METRICS}


def metric_name(metric: str) -> str:
    """By which a metric's values are stored: a function's own name."""
    return metric.rpartition(":")[2].replace(".", "_")


@dataclass(frozen=True, kw_only=True)
class DirectedArguments(CutArguments):
    """What pictures have in common that may go along directions of a kind."""

    directions: str = DRAWN[0]
    """Of a picture around one checkpoint: random and as long as the weights in each filter (Li et al. 2018), layer or
    as a whole (random), or of norm 1, the gradient or the Hessian's top eigenvectors (hessian)."""
    normalise_others: bool = False
    """Take each bias and parameter of normalisation as a filter; by default these stay where they are."""
    draws: int = 1
    """The same cut along so many draws of the directions, side by side with their spread: is one of them typical?"""
    beside: bool = False
    """Draw the same cut of a wedge model beside, with as many short directions as the first checkpoint has."""
    threshold: float | None = None
    """The eigenvalue of the Hessian above which a direction counts as short, for --beside; by default 0.03."""

    def __post_init__(self) -> None:
        """Refuse kinds that do not exist, and options that could not be followed (ValueError)."""
        super().__post_init__()
        check_known("directions", (self.directions,), (*DRAWN, *SLOPES))
        if self.threshold is not None:
            _check_positive("--threshold", (self.threshold,))
            if not self.beside:
                raise ValueError("--threshold is for the wedge model: add --beside, or leave it out")
        if self.draws < 1:
            raise ValueError(f"--draws must be at least 1; got {self.draws}")
        if not self.drawn and self.draws > 1:
            raise ValueError(f"--draws needs directions that are drawn, and {self.described} is not: leave it out")
        if self.normalise_others and not (self.drawn and self.directions in NORMALISED):
            raise ValueError(f"--normalise-others is for --directions {' and '.join(NORMALISED)}: leave it out")
        if self.beside and self.directions in SLOPES:
            raise ValueError(f"--beside is not for --directions {self.directions}: a wedge's floor has no slope")

    @property
    def shown(self) -> int:
        """How many grids of values are drawn."""
        return self.draws * (len(self.metrics) + self.beside)

    @property
    def drawn(self) -> bool:
        """Whether some direction is drawn at random."""
        return self.directions in DRAWN

    @property
    def described(self) -> str:
        """What the picture goes along, for errors."""
        return f"the {self.directions}" if self.directions in SLOPES else "what goes through the checkpoints"

    def _check_count(self, most: int) -> None:
        if len(self.checkpoints) > most:
            raise ValueError(
                f"a {self.kind} goes through at most {most} checkpoints; got {len(self.checkpoints)}: leave some out, "
                "or draw a trajectory"
            )

    def _check_through(self) -> None:
        """Refuse directions of a kind where the checkpoints say them all."""
        if self.directions != DRAWN[0]:
            raise ValueError(
                f"--directions is for pictures around one checkpoint, and a {self.kind} through "
                f"{len(self.checkpoints)} has its own: leave it out"
            )


@dataclass(frozen=True, kw_only=True)
class LinePicture(DirectedArguments):
    """Draw the loss along a line: a direction at one checkpoint, or through two checkpoints and beyond."""

    kind: ClassVar[str] = "line"
    points: int = 51
    """On the line."""
    dimensions: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Refuse more than two checkpoints, and what only one of them can have (ValueError)."""
        super().__post_init__()
        self._check_count(2)
        if len(self.checkpoints) == 2:
            self._check_through()

    @property
    def drawn(self) -> bool:
        """Whether the direction is drawn at random."""
        return super().drawn and len(self.checkpoints) == 1


@dataclass(frozen=True, kw_only=True)
class PlanePicture(DirectedArguments):
    """Draw the loss on a plane: along two directions at one checkpoint, through two and along one, or through three."""

    kind: ClassVar[str] = "plane"
    vtk: bool = False
    """Write files for ParaView, too (pip install 'nwedge[vtk]')."""

    def __post_init__(self) -> None:
        """Refuse more than three checkpoints, and directions that span no plane (ValueError)."""
        super().__post_init__()
        self._check_count(3)
        if len(self.checkpoints) == 3:
            self._check_through()
        if self.directions in SLOPES[:1]:
            raise ValueError("the gradient is one direction, which spans no plane: draw a line, or use hessian")
        if len(self.checkpoints) == 2 and self.directions in SLOPES:
            raise ValueError(
                f"--directions {self.directions} is for pictures around one checkpoint; beside a line through two "
                f"use one of {', '.join(DRAWN)}"
            )

    @property
    def drawn(self) -> bool:
        """Whether some direction is drawn at random."""
        return super().drawn and len(self.checkpoints) < 3


@dataclass(frozen=True, kw_only=True)
class TrajectoryPicture(CutArguments):
    """Draw a run's checkpoints, in order, on the plane that they are nearest to, with how far off it each one lies."""

    kind: ClassVar[str] = "trajectory"
    checkpoints: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="CKPT"), tyro.conf.Positional]
    """Three or more checkpoints in the order of the run, or the folder of a recording."""
    vtk: bool = False
    """Write files for ParaView, too (pip install 'nwedge[vtk]')."""


@dataclass(frozen=True, kw_only=True)
class SpectrumPicture(PictureArguments):
    """Draw the spectrum of the Hessian at a checkpoint, and count the eigenvalues above thresholds."""

    kind: ClassVar[str] = "spectrum"
    thresholds: tuple[float, ...] = THRESHOLDS
    """Above which eigenvalues are counted."""
    products: int = 120
    """Products of the Hessian and a vector that are spent: more of them resolve more."""

    def __post_init__(self) -> None:
        """Refuse more than one checkpoint, and numbers that cannot be (ValueError)."""
        super().__post_init__()
        if len(self.checkpoints) > 1:
            raise ValueError(f"a spectrum is of one checkpoint; got {len(self.checkpoints)}")
        _check_positive("--thresholds", self.thresholds)
        if self.products < 2:
            raise ValueError(f"--products must be at least 2; got {self.products}")


Kind = (
    Annotated[LinePicture, tyro.conf.subcommand("line")]
    | Annotated[PlanePicture, tyro.conf.subcommand("plane")]
    | Annotated[TrajectoryPicture, tyro.conf.subcommand("trajectory")]
    | Annotated[SpectrumPicture, tyro.conf.subcommand("spectrum")]
)


@dataclass(frozen=True)
class Picture:
    """Draw the loss around checkpoints of your network: a line, a plane, a trajectory, or the Hessian's spectrum."""

    arguments: Kind


def _check(flag: str, value: float | None, holds: bool, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{flag} must be {wanted}; got {value:g}")


def _check_positive(flag: str, values: Iterable[float]) -> None:
    values = tuple(values)
    if not values or not all(0 < value < math.inf for value in values):
        raise ValueError(f"{flag} must be positive and finite, one or more; got {' '.join(map('{:g}'.format, values))}")
