"""The networks of the presets."""

from nwedge.specs.configs import (
    AveragingConfig,
    EnsemblingConfig,
    IntrinsicDimensionConfig,
    MTunnelsConfig,
    RadialWellsConfig,
    SectionsConfig,
    ShortDirectionsConfig,
    TunnelsConfig,
    TunnelWidthConfig,
    TwoHalvesConfig,
)
from nwedge.specs.landscapes import LandscapeSpec, NetworkSpec
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import BATCH, CYCLE, DECAY, DROPOUT, OPTIMA, RATE, SIZE, WIDTH

TRAIN = plain(600, momentum=0.9)
SWEEP = plain(600, momentum=0.9, kept=12)


def _digits(seed: int) -> LandscapeSpec:
    return NetworkSpec(name="network", architecture="mlp", data="digits", strategy="vmap", chunk=2048)


DIGITS = Subject(
    "network",
    _digits,
    (
        Training(OPTIMA, _digits, TRAIN, rates=(0.1,), members=5),
        Training(RATE, _digits, SWEEP, rates=(0.0125, 0.025, 0.05, 0.1, 0.8)),
        *(Training(BATCH, varied(_digits, batch_size=size), SWEEP, rates=(0.1,)) for size in (1400, 350, 88, 22, 3)),
        Training(DECAY, _digits, SWEEP, rates=(0.1,), decays=(0.0, 0.001, 0.003, 0.01, 0.2)),
        *(
            Training(DROPOUT, varied(_digits, dropout=share), SWEEP, rates=(0.1,))
            for share in (0.0, 0.1, 0.2, 0.3, 0.8)
        ),
        *(Training(WIDTH, varied(_digits, width=factor), SWEEP, rates=(0.1,)) for factor in (0.5, 1, 2, 4)),
        *(Training(SIZE, varied(_digits, width=factor), SWEEP, rates=(0.1,)) for factor in (0.5, 2)),
        *(Training(SIZE, varied(_digits, examples=count), SWEEP, rates=(0.1,)) for count in (350, 700)),
        Training(CYCLE, _digits, cycles(200, 15), rates=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0)),
    ),
    Sheets(tuple(range(2, 11)), steps=600),
    settings={"sections": SectionsConfig(planes=2), "intrinsic-dimension": IntrinsicDimensionConfig()},
)


def _images(data: str, train, sweep_steps: int):
    """FJ19's SimpleCNN on a data set of images, by Adam at a constant rate, and its settings."""

    def landscape(seed: int) -> LandscapeSpec:
        return NetworkSpec(name="network", architecture="simple-cnn", data=data, strategy="loop", chunk=256)

    few = varied(landscape, examples=10_000)
    sweep = plain(78, optimizer="adam", kept=10)
    return Subject(
        "network",
        landscape,
        (
            Training(OPTIMA, landscape, train, rates=(8e-4,), members=5),
            Training(RATE, few, sweep, rates=(4e-4, 8e-4, 16e-4, 32e-4, 0.1)),
            *(
                Training(
                    BATCH,
                    varied(few, batch_size=size),
                    plain(10_000 // size, optimizer="adam", kept=10),
                    rates=(8e-4,),
                )
                for size in (256, 128, 64, 32, 4)
            ),
            Training(DECAY, few, sweep, rates=(8e-4,), decays=(0.0, 1e-3, 3e-3, 1e-2, 1.0)),
            *(
                Training(DROPOUT, varied(few, dropout=share), sweep, rates=(8e-4,))
                for share in (0.0, 0.05, 0.1, 0.2, 0.8)
            ),
            *(Training(WIDTH, varied(few, width=factor), sweep, rates=(8e-4,)) for factor in (0.5, 1, 1.5, 2)),
            *(Training(SIZE, varied(few, width=factor), sweep, rates=(8e-4,)) for factor in (0.5, 2)),
            *(Training(SIZE, varied(landscape, examples=count), sweep, rates=(8e-4,)) for count in (2_500, 5_000)),
            Training(CYCLE, few, cycles(78, 15), rates=(0.02, 0.05, 0.1, 0.2, 0.5)),
        ),
        Sheets((2, 3, 5, 10), steps=300, samples=4),
        settings={
            "radial-wells": RadialWellsConfig(examples=250),
            "tunnel-width": TunnelWidthConfig(examples=250, directions=16, snapshots=6),
            "tunnels": TunnelsConfig(
                steps=300, samples=4, interior=3, points=31, bends=1000, bend_points=5, examples=250
            ),
            "two-halves": TwoHalvesConfig(steps=300, samples=4, places=4),
            "m-tunnels": MTunnelsConfig(m=(2, 3, 5, 10), examples=250, pointwise=(2, 3)),
            "short-directions": ShortDirectionsConfig(m=(2, 3, 5), examples=1000),
            "sections": SectionsConfig(planes=1, kind="sparse", radii=(2.0,), levels=(), resolution=1.4),
            "intrinsic-dimension": IntrinsicDimensionConfig(
                examples=1000,
                search=SectionsConfig(planes=1, kind="sparse", radii=(), levels=(), resolution=1.4),
            ),
            "averaging": AveragingConfig(examples=1000),
            "ensembling": EnsemblingConfig(),
        },
    )


FASHION = _images("fashion-mnist", plain(938, optimizer="adam", kept=12), 78)
CIFAR = _images("cifar10", plain(1172, optimizer="adam", kept=12), 78)
