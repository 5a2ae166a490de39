"""The networks of the presets."""

import dataclasses

from nwedge.specs.configs import (
    TRAINED_LEVEL,
    AveragingConfig,
    EnsemblingConfig,
    IntrinsicDimensionConfig,
    MTunnelsConfig,
    NoObstaclesConfig,
    RadialWellsConfig,
    SectionsConfig,
    ShortDirectionsConfig,
    TunnelsConfig,
    TunnelWidthConfig,
    TwoHalvesConfig,
)
from nwedge.specs.landscapes import LandscapeSpec, NetworkSpec
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import BATCH, CYCLE, DECAY, DROPOUT, OPTIMA, RATE, SIZE, WIDTH, TrainSpec

TRAIN = plain(600, momentum=0.9)
SWEEP = plain(600, momentum=0.9, kept=24)
DECAY_OF_CYCLES = 0.01
"""Of the digits, in small batches: else the noise of SGD dies out with the loss, and snapshots stay where they are."""
WIDTHS = (1, 1.2, 1.4, 1.6)
"""Factors so close that the norms of the points overlap along training, rescaled or not."""
WIDTHS_ALONG = 6
"""The last snapshots of each run of the images' sweeps, at which widths are taken."""
SNAPSHOT_EXAMPLES = 5_000
"""Images on which the losses of the points kept in training are taken, all points of a landscape on the same ones."""
PLANES = SectionsConfig(kind="hadamard", planes=1, steps=100, rates=(0.3, 1.0), radii=(), levels=(), resolution=1.4)
"""Of the digits: structured planes, which cost little beside the network and succeed as often as dense ones."""


def _digits(seed: int) -> LandscapeSpec:
    return NetworkSpec(name="network", architecture="mlp", data="digits", strategy="stacked", chunk=512)


DIGITS = Subject(
    "network",
    _digits,
    (
        Training(OPTIMA, _digits, TRAIN, rates=(0.1,), members=5),
        Training(RATE, _digits, SWEEP, rates=(0.0125, 0.025, 0.05, 0.1, 0.8)),
        *(Training(BATCH, varied(_digits, batch_size=size), SWEEP, rates=(0.025,)) for size in (1400, 350, 88, 22, 3)),
        Training(DECAY, _digits, SWEEP, rates=(0.1,), decays=(0.0, 0.001, 0.003, 0.01, 0.2)),
        *(
            Training(DROPOUT, varied(_digits, dropout=share), SWEEP, rates=(0.1,))
            for share in (0.0, 0.1, 0.2, 0.3, 0.8)
        ),
        *(Training(WIDTH, varied(_digits, width=factor), SWEEP, rates=(0.1,)) for factor in WIDTHS),
        *(Training(SIZE, varied(_digits, width=factor), SWEEP, rates=(0.1,)) for factor in (0.5, 2)),
        *(Training(SIZE, varied(_digits, examples=count), SWEEP, rates=(0.1,)) for count in (350, 700)),
        Training(
            CYCLE,
            varied(_digits, batch_size=16),
            cycles(200, 15),
            rates=(0.02, 0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.4),
            decays=(DECAY_OF_CYCLES,),
        ),
    ),
    Sheets(tuple(range(2, 11)), steps=300),
    settings={
        "radial-wells": RadialWellsConfig(examples=350),
        "m-tunnels": MTunnelsConfig(pointwise=(2, 3)),
        "tunnel-width": TunnelWidthConfig(examples=350),
        "sections": dataclasses.replace(PLANES, planes=3, radii=(0.5, 2.0), levels=(0.2, 0.4), resolution=1.15),
        "intrinsic-dimension": IntrinsicDimensionConfig(search=PLANES),
    },
    quick={
        "sections": {"planes": 2, "resolution": 1.3},
        "intrinsic-dimension": {"search": dataclasses.replace(PLANES, resolution=2.0)},
    },
)


def _last(train: TrainSpec, count: int = WIDTHS_ALONG) -> TrainSpec:
    """The same training with its start and its last snapshots kept, each seen on some of the data."""
    return dataclasses.replace(train, keep=(0, *train.keep[-count:]), examples=SNAPSHOT_EXAMPLES)


def _images(data: str, train, sweep_steps: int):
    """FJ19's SimpleCNN on a data set of images, by Adam at a constant rate, and its settings."""

    def landscape(seed: int) -> LandscapeSpec:
        return NetworkSpec(name="network", architecture="simple-cnn", data=data, strategy="loop", chunk=256)

    few = varied(landscape, examples=10_000)
    planes = SectionsConfig(
        kind="hadamard",
        level=TRAINED_LEVEL,
        levels=(),
        radii=(),
        planes=1,
        rates=(0.1, 0.3),
        steps=100,
        resolution=1.4,
        most=2048,
        examples=2000,
        frugal=True,
    )
    train = dataclasses.replace(train, examples=SNAPSHOT_EXAMPLES)
    sweep = _last(plain(sweep_steps, optimizer="adam", kept=16))
    longer, trained = _last(plain(train.steps, optimizer="adam", kept=16)), _last(train, 1)
    return Subject(
        "network",
        landscape,
        (
            Training(OPTIMA, landscape, train, rates=(8e-4,), members=5),
            Training(RATE, few, longer, rates=(4e-4, 8e-4, 16e-4, 32e-4, 0.1)),
            *(
                Training(
                    BATCH,
                    varied(few, batch_size=size),
                    _last(plain(10_000 // size, optimizer="adam", kept=16)),
                    rates=(8e-4,),
                )
                for size in (256, 128, 64, 32, 4)
            ),
            Training(DECAY, few, sweep, rates=(8e-4,), decays=(0.0, 1e-3, 3e-3, 1e-2, 1.0)),
            *(
                Training(DROPOUT, varied(few, dropout=share), sweep, rates=(8e-4,))
                for share in (0.0, 0.05, 0.1, 0.2, 0.8)
            ),
            *(Training(WIDTH, varied(few, width=factor), sweep, rates=(32e-4,)) for factor in WIDTHS),
            *(Training(SIZE, varied(landscape, width=factor), trained, rates=(8e-4,)) for factor in (0.5, 1.5)),
            *(Training(SIZE, varied(landscape, examples=count), trained, rates=(8e-4,)) for count in (2_500, 5_000)),
            Training(
                CYCLE,
                varied(few, batch_size=64),
                dataclasses.replace(cycles(156, 15), examples=SNAPSHOT_EXAMPLES),
                rates=(0.08, 0.16, 0.32, 0.64, 0.8),
            ),
        ),
        Sheets((2, 3, 5, 10), steps=300, samples=4, share=32),
        settings={
            "radial-wells": RadialWellsConfig(
                level=TRAINED_LEVEL, threshold=0.3, examples=250, directions=300, distances=6, turns=8
            ),
            "tunnel-width": TunnelWidthConfig(level=0.6, examples=250, directions=4, snapshots=WIDTHS_ALONG),
            "no-obstacles": NoObstaclesConfig(points=31, examples=2_500),
            "tunnels": TunnelsConfig(
                steps=300, samples=4, interior=3, points=21, bend_points=5, examples=250, path_examples=2_500
            ),
            "two-halves": TwoHalvesConfig(steps=300, samples=4, places=4),
            "m-tunnels": MTunnelsConfig(m=(2, 3, 5, 10), points=300, examples=250, scored=50, pointwise=(2,)),
            "short-directions": ShortDirectionsConfig(m=(2, 3, 5), probes=2, steps=40, literal=False, examples=500),
            "sections": dataclasses.replace(planes, planes=2, radii=(2.0,), resolution=1.2),
            "intrinsic-dimension": IntrinsicDimensionConfig(
                threshold=0.1,
                probes=2,
                steps=40,
                examples=500,
                search=dataclasses.replace(planes, most=4096, resolution=1.7, examples=1000),
            ),
            "averaging": AveragingConfig(examples=1000),
            "ensembling": EnsemblingConfig(),
        },
    )


FASHION = _images("fashion-mnist", plain(938, optimizer="adam", kept=12), 78)
CIFAR = _images("cifar10", plain(1172, optimizer="adam", kept=12), 78)
