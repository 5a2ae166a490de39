"""The claims in words: the id and one line of text of each, what it reads, and the controls that must fail it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nwedge.specs import configs
from nwedge.specs.canonical import Spec
from nwedge.specs.tasks import ALL, BATCH, CYCLE, DECAY, DROPOUT, OPTIMA, RATE, SIZE, WIDTH


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of FJ19.

    Attributes:
        id: its name.
        text: one line.
        config: the type of its settings.
        anchor: what was published.
        controls: the landscapes that must fail it.
        reads: the roles of the runs that it reads, and how many of each seed.
        sheets: whether it reads sheets.
        trajectory: whether it is about the way to an optimum.
        sweeps: whether it compares runs of several settings of training, and says nothing of runs of one.
        needs: the claims whose results its verdict reads beside its own.
        derived: controls whose verdict is another reading of a landscape's results, and that landscape.
    """

    id: str
    text: str
    config: type[Spec]
    anchor: str
    controls: tuple[str, ...]
    reads: Mapping[str, int] = field(default_factory=lambda: {OPTIMA: 2})
    sheets: bool = False
    trajectory: bool = False
    sweeps: bool = False
    needs: tuple[str, ...] = ()
    derived: Mapping[str, str] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it can be measured on runs of one setting of training, without other claims."""
        return not self.needs and not self.sweeps

    def sizes(self, config: Spec) -> tuple[int, ...]:
        """The numbers of optima of the sheets that it reads."""
        m = getattr(config, "m", ()) if self.sheets else ()
        return (m,) if isinstance(m, int) else m

    def members(self, config: Spec) -> int:
        """How many optima of a seed it reads."""
        return max(self.reads[OPTIMA], *self.sizes(config), 1)


CLAIMS = (
    Claim(
        id="no-obstacles",
        text="the loss does not rise on the straight line, nor on the real trajectory, from start to optimum",
        config=configs.NoObstaclesConfig,
        controls=("control-horseshoe",),
        trajectory=True,
        anchor="Goodfellow et al. 2014: monotone lines; exceptions in Lucas et al. 2021",
    ),
    Claim(
        id="sections",
        text="random planes train from a threshold dimension on; re-drawing them hardly matters, their radius does",
        config=configs.SectionsConfig,
        controls=("control-bowl", "control-isolated"),
        anchor="Li et al. 2018: d_int 750 of 199,210 weights at accuracy 0.90 (MNIST), 290 of 44,426 (LeNet); "
        "FJ19: d_lim = D - n in the model",
    ),
    Claim(
        id="radial-wells",
        text="random probes from an optimum see a round well, and miss the long directions that are there",
        config=configs.RadialWellsConfig,
        controls=("control-bowl", "control-isolated", "control-groove"),
        reads={OPTIMA: 1},
        anchor="FJ19 section 3.3 and figure 2",
    ),
    Claim(
        id="tunnel-width",
        text="a higher learning rate, a smaller batch, more L2 and more dropout widen the radial tunnel",
        config=configs.TunnelWidthConfig,
        controls=("control-permuted",),
        reads={OPTIMA: 1, RATE: ALL, BATCH: ALL, DECAY: ALL, DROPOUT: ALL, WIDTH: ALL},
        sweeps=True,
        derived={"control-permuted": "network"},
        anchor="FJ19 figure 5 (CIFAR-10, degrees): learning rate 32/16/8/4e-4 gives a plateau of 6.0, peaks of "
        "5.8/5.4/5.1; L2 10/3/0e-5 gives 6.5/6.2/6.0; dropout 5 %/0 gives 6.3/6.0",
    ),
    Claim(
        id="tunnels",
        text="optima are walled off on the straight line and joined by a low-loss tunnel that chance does not find",
        config=configs.TunnelsConfig,
        controls=("control-bowl", "control-isolated"),
        anchor="Garipov et al. 2018: test error along a Bezier curve 7.75 % at most, ends 6.9 % (VGG16, CIFAR-10)",
    ),
    Claim(
        id="two-halves",
        text="a tunnel's deviations from the straight line agree within each half and are orthogonal across the halves",
        config=configs.TwoHalvesConfig,
        controls=("control-isolated",),
        anchor="FJ19 figure 3",
    ),
    Claim(
        id="m-tunnels",
        text="m optima are joined by one low-loss sheet of m - 1 dimensions, up to m = 10",
        config=configs.MTunnelsConfig,
        controls=("control-isolated",),
        reads={OPTIMA: ALL},
        sheets=True,
        anchor="FJ19: verified up to 10 optima; Benton et al. 2021: up to 7 modes",
    ),
    Claim(
        id="short-directions",
        text="short directions multiply toward the middle of a tunnel and with m, and shrink with the learning rate",
        config=configs.ShortDirectionsConfig,
        controls=("control-bowl", "control-isolated"),
        reads={OPTIMA: ALL, RATE: ALL},
        sheets=True,
        anchor="FJ19 figure 4 (Fashion-MNIST CNN): end to middle 285 to 850 (> .03), 75 to 375 (> .05), 15 to 100 "
        "(> .1); m = 1..5 240, 570, 980, 1155, 1065 (> .03); rate 4, 8, 16, 32e-4 6450, 4800, 2950, 2100 (> .01)",
    ),
    Claim(
        id="intrinsic-dimension",
        text="the number of short directions at an optimum matches the dimension from which random planes succeed",
        config=configs.IntrinsicDimensionConfig,
        controls=("control-ball",),
        reads={OPTIMA: 1, SIZE: ALL},
        needs=("sections", "short-directions"),
        anchor="FJ19 section 4.2: about 300 both ways",
    ),
    Claim(
        id="averaging",
        text="averaging weights works within a wedge and fails across wedges",
        config=configs.AveragingConfig,
        controls=("control-bowl",),
        reads={CYCLE: ALL},
        sweeps=True,
        anchor="FJ19 figure 6 (CIFAR-10): highest rate 16e-4: 8 degrees, gap 0; 64e-4: 24, -.015; 100e-4: 40, -.04; "
        "200e-4: 60, -.41",
    ),
    Claim(
        id="ensembling",
        text="optima on different wedges compute different functions, so averaging their predictions gains most there",
        config=configs.EnsemblingConfig,
        controls=("control-repeated",),
        reads={OPTIMA: ALL, CYCLE: ALL},
        sheets=True,
        anchor="FJ19 section 4.5; Fort et al. 2019, arXiv 1912.02757",
    ),
)


def claim(id: str) -> Claim:
    """The claim with this id (KeyError if there is none)."""
    return {claim.id: claim for claim in CLAIMS}[id]
