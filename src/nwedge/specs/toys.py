"""The wedge models and the controls, the same in every preset."""

from nwedge.specs.configs import (
    EnsemblingConfig,
    IntrinsicDimensionConfig,
    MTunnelsConfig,
    SectionsConfig,
    ShortDirectionsConfig,
)
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, WedgeSpec
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import CYCLE, DECAY, OPTIMA

NOISE, DECAY_OF_CYCLES = 0.3, 0.02
"""Of SGD on a wedge model: the tilt that minibatches see, and the pull to the origin that bounds its drift."""
DESCENDED = SectionsConfig(planes=6, steps=100, rates=(0.1, 0.3))
"""Of the complete family: the polish of each descent's end stops on a wedge near it, so several descents are tried."""
POLISHED = SectionsConfig(planes=8, steps=0, rates=(0.1,))
"""Of sampled wedges: the polish tries them all and finds the plane's lowest point without a descent."""
SPANNED = tuple(range(2, 11))
"""Numbers of optima of the toys' sheets."""


def _complete(seed: int) -> LandscapeSpec:
    return WedgeSpec(name="toy-complete", dim=500, short=200)


def _sampled(seed: int) -> LandscapeSpec:
    return WedgeSpec(name="toy-sampled", dim=300, short=15, wedges=40, seed=seed)


def _toy(landscape, *, members: int, sheets: Sheets, sections: SectionsConfig) -> Subject:
    return Subject(
        landscape(0).name,
        landscape,
        (
            Training(OPTIMA, landscape, plain(100), rates=(0.1,), members=members),
            Training(DECAY, landscape, plain(100, kept=12), rates=(0.1,), decays=(0.0, 0.003, 0.01, 0.02, 0.3)),
            Training(
                CYCLE,
                varied(landscape, noise=NOISE),
                cycles(200, 12),
                rates=(0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 1.5),
                decays=(DECAY_OF_CYCLES,),
            ),
        ),
        sheets,
        settings={
            "sections": sections,
            "m-tunnels": MTunnelsConfig(m=SPANNED),
            "intrinsic-dimension": IntrinsicDimensionConfig(search=sections),
        },
    )


TOYS = (
    _toy(_complete, members=10, sheets=Sheets(SPANNED, steps=400), sections=DESCENDED),
    _toy(_sampled, members=24, sheets=Sheets(SPANNED, steps=400, distinct=True), sections=POLISHED),
)


def _control(kind: str, dim: int, train, lr: float, *, drawn: bool = True, members: int = 2, **rest) -> Subject:
    name = f"control-{kind}"

    def landscape(seed: int) -> LandscapeSpec:
        return ControlSpec(name=name, kind=kind, dim=dim, seed=seed if drawn else 0)

    trainings = [Training(OPTIMA, landscape, train, rates=(lr,), members=members)]
    if kind == "bowl":
        trainings.append(Training(CYCLE, landscape, cycles(100, 12), rates=(0.1, 0.3, 0.6, 1.2, 1.8, 2.5)))
    return Subject(name, landscape, tuple(trainings), quick=CONTROL_QUICK, **rest)


CONTROL_SHEETS = Sheets((2, 3, 5), steps=400)
CONTROL_SETTINGS = {
    "m-tunnels": MTunnelsConfig(m=CONTROL_SHEETS.m),
    "short-directions": ShortDirectionsConfig(m=CONTROL_SHEETS.m),
    "sections": SectionsConfig(planes=4, steps=300, rates=(0.1, 0.3), levels=(), radii=(2.0,), resolution=1.4),
}
CONTROL_QUICK = {"sections": {"planes": 2}}

CONTROLS = (
    _control("bowl", 100, plain(400), 0.5, sheets=CONTROL_SHEETS, members=5, settings=CONTROL_SETTINGS),
    _control("isolated", 100, plain(100), 0.1, sheets=CONTROL_SHEETS, members=5, settings=CONTROL_SETTINGS),
    _control("horseshoe", 20, plain(1000), 0.05, drawn=False),
    _control("groove", 100, plain(100), 0.1),
    _control("ball", 100, plain(100), 0.1, drawn=False, settings=CONTROL_SETTINGS, sheets=CONTROL_SHEETS, members=5),
)


def repeated(network: Subject) -> Subject:
    """The control of a network that reads one optimum again and again."""
    return Subject(
        "control-repeated",
        varied(network.landscape, name="control-repeated"),
        network.trainings,
        settings={id: config for id, config in network.settings.items() if isinstance(config, EnsemblingConfig)},
        repeat=True,
    )
