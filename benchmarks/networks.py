"""Network losses over many points: against a plain loop over the user's own module, and the matrix products alone."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.timing import Timing, compare
from nwedge import NetworkLandscape, evaluate, gradient
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data

SIDE = 21


def timings() -> Iterator[Timing]:
    """A 21 x 21 plane of the digits MLP, and the gradients of 32 points."""
    train, _ = data.load("digits")
    model = architectures.mlp(64, 10)
    landscape = NetworkLandscape(model, train)
    points = landscape.initial(1, derive(0)) + 0.1 * torch.randn(SIDE**2, landscape.dim, generator=derive(1))

    def plain() -> list[float]:
        with torch.no_grad():
            return [nn.functional.cross_entropy(module_at(model, point)(train[0]), train[1]).item() for point in points]

    yield compare("digits MLP, 21 x 21 plane, 1,400 examples", lambda: evaluate(landscape, points), plain, _products)

    def plain_gradients() -> None:
        for point in points[:32]:
            module = module_at(model, point)
            module.zero_grad()
            nn.functional.cross_entropy(module(train[0]), train[1]).backward()

    yield compare(
        "digits MLP, gradients of 32 points, 1,400 examples",
        lambda: gradient(landscape, points[:32]),
        plain_gradients,
        lambda: evaluate(landscape, points[:32]),
    )


def module_at(model: nn.Module, point: Tensor) -> nn.Module:
    """The model with the weights of a point, set in place as a user would."""
    nn.utils.vector_to_parameters(point, model.parameters())
    return model


def _products() -> None:
    """As many multiplications as the plane's dense layers do, in large square matrix products."""
    flops = 2 * SIDE**2 * 1400 * (64 * 50 + 50 * 50 + 50 * 10)
    square = torch.ones(512, 512)
    for _ in range(round(flops / (2 * 512**3))):
        torch.mm(square, square)
