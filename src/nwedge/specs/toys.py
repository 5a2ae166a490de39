"""The wedge models and the controls, the same in every preset."""

from nwedge.specs.configs import (
    EnsemblingConfig,
    IntrinsicDimensionConfig,
    MTunnelsConfig,
    SectionsConfig,
)
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, WedgeSpec
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import CYCLE, DECAY, OPTIMA

NOISE, DECAY_OF_CYCLES = 0.3, 0.02
"""Of SGD on a wedge model: the tilt that minibatches see, and the pull to the origin that bounds its drift."""
TOY_SECTIONS = SectionsConfig(planes=8, steps=0, rates=(0.1,))
"""A descent on the wedge model ends with an exact polish, which alone finds the lowest point of the plane."""


def _complete(seed: int) -> LandscapeSpec:
    return WedgeSpec(name="toy-complete", dim=500, short=200)


def _sampled(seed: int) -> LandscapeSpec:
    return WedgeSpec(name="toy-sampled", dim=300, short=15, wedges=40, seed=seed)


def _toy(landscape, *, members: int, sheets: Sheets) -> Subject:
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
            "sections": TOY_SECTIONS,
            "m-tunnels": MTunnelsConfig(pointwise=(2, 3, 5)),
            "intrinsic-dimension": IntrinsicDimensionConfig(search=TOY_SECTIONS),
        },
    )


TOYS = (
    _toy(_complete, members=10, sheets=Sheets((2, 3, 4, 5, 7, 10))),
    _toy(_sampled, members=24, sheets=Sheets((2, 3, 4, 5, 7, 10), distinct=True)),
)


def _control(kind: str, dim: int, train, lr: float, *, drawn: bool = True, members: int = 2, **rest) -> Subject:
    name = f"control-{kind}"

    def landscape(seed: int) -> LandscapeSpec:
        return ControlSpec(name=name, kind=kind, dim=dim, seed=seed if drawn else 0)

    trainings = [Training(OPTIMA, landscape, train, rates=(lr,), members=members)]
    if kind == "bowl":
        trainings.append(Training(CYCLE, landscape, cycles(100, 12), rates=(0.1, 0.3, 0.6, 1.2, 1.8)))
    return Subject(name, landscape, tuple(trainings), **rest)


CONTROL_SECTIONS = {"sections": SectionsConfig(planes=4, steps=300, rates=(0.1, 0.3))}

CONTROLS = (
    _control("bowl", 100, plain(400), 0.5, sheets=Sheets((2, 3, 5)), members=5, settings=CONTROL_SECTIONS),
    _control("isolated", 100, plain(100), 0.1, sheets=Sheets((2, 3, 5)), members=5, settings=CONTROL_SECTIONS),
    _control("horseshoe", 20, plain(1000), 0.05, drawn=False),
    _control("groove", 100, plain(100), 0.1),
    _control("ball", 100, plain(100), 0.1, drawn=False, settings=CONTROL_SECTIONS, sheets=Sheets((2, 3, 5)), members=5),
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
