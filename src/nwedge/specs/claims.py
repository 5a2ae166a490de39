"""The claims in words: the id and one line of text of each, where it is measured, and its settings."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec


@dataclass(frozen=True, kw_only=True)
class NoObstaclesConfig(Spec):
    """`points`: losses taken along the straight line from the start to the optimum, both ends included."""

    points: int = 101


@dataclass(frozen=True, kw_only=True)
class TunnelsConfig(Spec):
    """How tunnels are trained and measured.

    `steps`, `rate`, `samples`: of the whole-path tunnels (see `nwedge.tunnel`); `interior`, `pointwise_steps`: of the
    pointwise tunnel; `points`: losses along each path; `bends`, `bend_points`: random bends and the losses along each.
    """

    steps: int = 1000
    rate: float = 0.05
    samples: int = 8
    interior: int = 9
    pointwise_steps: int = 300
    points: int = 121
    bends: int = 1000
    bend_points: int = 9


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
class Claim:
    """A claim of FJ19: its id, one line of text, the type of its settings, and the controls that must fail it."""

    id: str
    text: str
    config: type[Spec]
    controls: tuple[str, ...]
    anchor: str


CLAIMS = (
    Claim(
        id="no-obstacles",
        text="the loss does not rise on the straight line, nor on the real trajectory, from start to optimum",
        config=NoObstaclesConfig,
        controls=("control-horseshoe",),
        anchor="Goodfellow et al. 2014: monotone lines; exceptions in Lucas et al. 2021",
    ),
    Claim(
        id="tunnels",
        text="optima are walled off on the straight line and joined by a low-loss tunnel that chance does not find",
        config=TunnelsConfig,
        controls=("control-bowl", "control-isolated"),
        anchor="Garipov et al. 2018: test error along a Bezier curve 7.75 % at most, ends 6.9 % (VGG16, CIFAR-10)",
    ),
    Claim(
        id="two-halves",
        text="a tunnel's deviations from the straight line agree within each half and are orthogonal across the halves",
        config=TwoHalvesConfig,
        controls=("control-isolated",),
        anchor="FJ19 figure 3",
    ),
)


def claim(id: str) -> Claim:
    """The claim with this id (KeyError if there is none)."""
    return {claim.id: claim for claim in CLAIMS}[id]
