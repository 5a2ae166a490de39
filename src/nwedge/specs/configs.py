"""The settings of each claim's measurement. Shares are relative to the mean loss at random initial points."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec

LEVEL = 0.1
"""Success, as a share of the mean loss at random initial points: a tenth is left of what there was to train away."""
TRAINED_LEVEL = 0.25
"""Success where training ends above a tenth: the largest loss of a run that counts as trained, in the same share."""
WIDE_LEVEL = 0.2
"""The level at which the width of a radial tunnel is taken: above the loss of every trained run of a sweep."""
THRESHOLDS = (0.01, 0.03, 0.1)
"""Curvatures above which a direction is short: those of FJ19's figure 4 but .05, which lies between two of them.

Where a network has too many short directions to resolve their count above the lowest, that takes no part."""
MATCHED = 0.03
"""The curvature at which FJ19 found the count of short directions to match the intrinsic dimension."""
RADIUS = 0.05
"""Of the ball that the Hessian is averaged over, relative to the root mean square coordinate of the point."""


@dataclass(frozen=True, kw_only=True)
class NoObstaclesConfig(Spec):
    """`points`: losses taken along the straight line from the start to the optimum, both ends included.

    `examples`: of the data that the line is seen on (None: all).
    """

    points: int = 101
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class SectionsConfig(Spec):
    """How random planes are trained in, and where their success is sought.

    `level`: success, a share of the mean initial loss; `levels`: the curve of thresholds against the level; `radii`:
    the radius scan, factors of the plane's origin; `planes`: of each dimension; `rates`: the learning rates tried in
    each plane; `steps`: of each descent; `resolution`: the finest ratio between neighbouring dimensions of the search;
    `most`: the largest dimension tried (None: all that there are); `examples`: of the data that the losses reached are
    taken on (None: all); `kind`: of `nwedge.geometry.RandomSubspace`: "dense", "hadamard" or "sparse"; `frugal`: a
    plane that reaches the level at one rate is not tried at the next.
    """

    level: float = LEVEL
    levels: tuple[float, ...] = (0.02, 0.05, 0.2)
    radii: tuple[float, ...] = (0.5, 2.0)
    planes: int = 4
    rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    steps: int = 200
    resolution: float = 1.1
    most: int | None = None
    examples: int | None = None
    kind: str = "dense"
    frugal: bool = False


@dataclass(frozen=True, kw_only=True)
class RadialWellsConfig(Spec):
    """`directions`: random ones; `distances`: of the probes; `level`: of the extents, a share of the initial loss.

    `long`: known long directions; `threshold`, `radius`: what counts as short where the short axes are not known;
    `turns`: directions of rotation for the angular width; `examples`: of the data that all is seen on (None: all).
    """

    directions: int = 1000
    distances: int = 16
    level: float = LEVEL
    long: int = 32
    turns: int = 16
    threshold: float = THRESHOLDS[0]
    radius: float = RADIUS
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class TunnelWidthConfig(Spec):
    """`level`: of the width, a share of the initial loss; `directions`: for each point; `snapshots`: the last of a run.

    `examples`: of the data that widths are taken on (None: all).
    """

    level: float = WIDE_LEVEL
    directions: int = 24
    snapshots: int = 12
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class TunnelsConfig(Spec):
    """How tunnels are trained and measured.

    `steps`, `rate`, `samples`: of the whole-path tunnels (see `nwedge.tunnel`); `interior`, `pointwise_steps`: of the
    pointwise tunnel; `points`: losses along each path; `bends`, `bend_points`: random bends and the losses along each;
    `examples`: of the data that each random bend sees (None: all); `path_examples`: that paths see, but for the highest
    point of each, which sees all (None: all).
    """

    steps: int = 1000
    rate: float = 0.05
    samples: int = 8
    interior: int = 9
    pointwise_steps: int = 300
    points: int = 121
    bends: int = 1000
    bend_points: int = 9
    examples: int | None = None
    path_examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class TwoHalvesConfig(Spec):
    """How the tunnels are trained, and at how many places per half their deviations are compared.

    `steps`, `rate`, `samples`, `bends`: of the whole-path tunnel; `pointwise_steps`: of the pointwise tunnel, whose
    interior points are those 2 `places`.
    """

    steps: int = 1000
    rate: float = 0.05
    samples: int = 8
    bends: int = 3
    places: int = 8
    pointwise_steps: int = 300


@dataclass(frozen=True, kw_only=True)
class MTunnelsConfig(Spec):
    """`m`: numbers of optima; `points`: random ones of each sheet and of its flat simplex.

    `pointwise`: the m for which a pointwise sheet is trained, too, in `pointwise_steps` at `rate` (see
    `nwedge.m_tunnel`); `examples`: of the data that each point sees (None: all), but for the highest, which see all;
    `scored`: of the held-out data that the accuracy of each point is taken on (None: as many).
    """

    m: tuple[int, ...] = tuple(range(2, 11))
    points: int = 1000
    examples: int | None = None
    scored: int | None = None
    pointwise: tuple[int, ...] = (2, 3, 5)
    pointwise_steps: int = 300
    rate: float = 0.05


@dataclass(frozen=True, kw_only=True)
class ShortDirectionsConfig(Spec):
    """`thresholds`: curvatures; `radius`: of the ball; `positions`: along the tunnel, its ends and middle among them.

    `m`: of the sheets whose centres are looked at; `probes`, `steps`: of Lanczos; `literal`: whether the Hessian
    without a ball is counted there, too; `examples`: of the data that the curvature is taken on (None: all).
    """

    thresholds: tuple[float, ...] = THRESHOLDS
    radius: float = RADIUS
    positions: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    m: tuple[int, ...] = (2, 3, 4, 5)
    probes: int = 4
    steps: int = 30
    literal: bool = True
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class IntrinsicDimensionConfig(Spec):
    """`threshold`: the curvature; `search`: of each further network's threshold; the rest: of its count."""

    threshold: float = MATCHED
    search: SectionsConfig = SectionsConfig(levels=(), radii=())
    radius: float = RADIUS
    probes: int = 4
    steps: int = 30
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class AveragingConfig(Spec):
    """`snapshots`: how many of the last cycles' ends are averaged.

    `examples`: of the training data that losses, accuracies and the edge are taken on, and of the held-out data
    (None: all).
    """

    snapshots: int = 10
    examples: int | None = None


@dataclass(frozen=True, kw_only=True)
class EnsemblingConfig(Spec):
    """`members`: of each ensemble; `m`: of the sheet whose points are ensembled."""

    members: int = 5
    m: int = 5
