"""Losses and accuracies of many points, each on examples of its own where all examples would cost too much."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import choose
from nwedge.landscape import Landscape, Separable, evaluate


def sampled(landscape: Landscape, examples: int | None, generator: Generator) -> Landscape:
    """A network of any framework on so many of its examples; any other landscape, and every one for None, as it is."""
    if examples is None or not isinstance(landscape, Separable):
        return landscape
    return landscape.take(choose(landscape.examples, examples, generator))


def on_samples(
    landscape: Landscape,
    points: Float[Tensor, "batch dim"],
    examples: int | None,
    generator: Generator,
    function: Callable[[Landscape, Tensor], Tensor] = evaluate,
) -> Float[Tensor, " batch"]:
    """A function of the landscape at each point, on examples drawn anew for every point, shape (batch,).

    So the standard error over points of their mean holds both errors, that of the points and that of the examples.

    Args:
        landscape: any landscape; without data, or for `examples` None, all points see all of it.
        points: shape (batch, dim).
        examples: how many each point sees.
        generator: of the examples.
        function: from a landscape and a batch of points to their values; the default is the loss.
    """
    if sampled(landscape, examples, generator) is landscape:
        return function(landscape, points)
    return torch.cat([function(sampled(landscape, examples, generator), point[None]) for point in points])
