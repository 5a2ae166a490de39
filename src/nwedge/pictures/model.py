"""The wedge model beside a picture: the same cut where as many directions are short as at the checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import derive, normal
from nwedge.landscape import Landscape
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.curvature import ShortDirections, short_directions
from nwedge.pictures.sections import Section, as_long_as_point, sections
from nwedge.specs.configs import MATCHED
from nwedge.specs.picture import DirectedArguments

WEDGES = 10
"""Sampled wedges of the model: optima of its own each, as checkpoints of independent trainings have."""
LARGEST = 1_000_000
"""The largest dimension of the model; a larger network is shown by a smaller model of the same share of short ones."""
LABEL = "wedge model"


@dataclass(frozen=True, eq=False)
class Beside:
    """The model and its sections.

    Attributes:
        landscape: the wedge model.
        draws: its sections, by label.
        sentence: what it is.
    """

    landscape: WedgeLandscape
    draws: Mapping[str, Section]
    sentence: str


def count_short(arguments: DirectedArguments, landscape: Landscape, point: Float[Tensor, " dim"]) -> ShortDirections:
    """The short directions of a network at a checkpoint, above the threshold that is asked for."""
    level = MATCHED if arguments.threshold is None else arguments.threshold
    return short_directions(landscape, point, [level], generator=derive(arguments.seed, "picture", "short directions"))


def beside(
    arguments: DirectedArguments,
    points: Float[Tensor, "checkpoint dim"],
    threshold: float,
    counted: float,
    error: float,
) -> Beside:
    """The same cut of the wedge model: points of its own of the checkpoints' norms, each on another wedge.

    The loss is the squared distance d^2 to the nearest of 10 wedges, each with the counted number s of short axes. A
    network of more than 10^6 weights is shown by a model of 10^6, s in proportion, so that s / dim is the same; norms,
    and hence distances, are the network's.

    Args:
        arguments: of the picture.
        points: the checkpoints, shape (checkpoint, dim).
        threshold: above which short directions were counted.
        counted: how many.
        error: their standard error.

    Raises:
        ValueError: a count that is not finite, or 0: no wedge is short in no direction.
    """
    dim = points.shape[1]
    if not counted >= 0.5:
        raise ValueError(
            f"{counted:.3g} directions are short above {threshold:g} at the first checkpoint, and a wedge needs at "
            "least 1: give a lower --threshold, or leave out --beside"
        )
    smaller = min(dim, LARGEST)
    short = min(max(1, round(counted * smaller / dim)), smaller - 1)
    landscape = WedgeLandscape(
        smaller, short, wedges=WEDGES, profile="squared", seed=arguments.seed, dtype=points.dtype, device=points.device
    )
    generator = derive(arguments.seed, "picture", "wedges")
    optima = torch.stack([_optimum(landscape, turn, point.norm(), generator) for turn, point in enumerate(points)])
    names = [f"optimum {turn + 1}" for turn in range(len(optima))]
    found = sections(
        arguments, landscape, optima, names,
        draw=lambda own, point, count, turn: as_long_as_point(own, point, count, turn, arguments.seed),
    )  # fmt: skip
    draws = {f"{LABEL}, {label}" if len(found.draws) > 1 else LABEL: one for label, one in found.draws.items()}
    scaled = "" if smaller == dim else f", in the place of {dim:,} with {counted:,.0f}"
    sentence = (
        f"Beside: a wedge model of {smaller:,} dimensions with {short:,} short ones{scaled}, as the network has "
        f"{counted:,.4g} ± {error:.2g} eigenvalues above {threshold:g} at the first checkpoint; {WEDGES} wedges, "
        "points of the same norm, random directions as long as these; its loss is the squared distance to the nearest "
        "wedge, in no units of the network's: compare shapes, not heights."
    )
    return Beside(landscape, draws, sentence)


def _optimum(landscape: WedgeLandscape, turn: int, length: Tensor, generator: Generator) -> Tensor:
    """A random point of one wedge, of a given norm."""
    point = normal((landscape.dim,), generator, dtype=landscape.dtype, device=landscape.device)
    axes = landscape.axes
    assert axes is not None  # wedges are sampled along axes
    point[axes[turn % len(axes)]] = 0
    return point / point.norm() * length
