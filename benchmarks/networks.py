"""Network losses over many points: against a plain loop over the user's own module, and the matrix products alone."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.timing import Goal, Timing, compare
from nwedge import NetworkLandscape, evaluate, gradient
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data

SIDE = 21
DIGITS_FLOPS = 2 * (64 * 50 + 50 * 50 + 50 * 10)
IMAGES, IMAGE_POINTS = 2000, 3
CNN_FLOPS = 2 * 9 * (28**2 * 16 + 14**2 * 16 * 32 + 7**2 * 32 * 32) + 2 * 288 * 10
"""Of the layers' matrix products, for one example in one forward pass."""


def timings() -> Iterator[Timing]:
    """A 21 x 21 plane of the digits MLP, a few points of SimpleCNN, and the gradients of points of both.

    Both are torch's own layers, as a user would write them: SimpleCNN is convolution, tanh, pooling; the naive version
    evaluates that same module.
    The floor of losses is their multiplications in large matrix products; that of a gradient is three times its loss.
    """
    train, _ = data.load("digits")
    model = architectures.mlp(64, 10)
    landscape = NetworkLandscape(model, train)
    points = landscape.initial(1, derive(0)) + 0.1 * torch.randn(SIDE**2, landscape.dim, generator=derive(1))
    yield compare(
        "digits MLP, 21 x 21 plane, 1,400 examples",
        lambda: evaluate(landscape, points),
        lambda: plain(model, points, train),
        lambda: products(len(points) * len(train[0]) * DIGITS_FLOPS),
        goal=Goal(floors=2.5),
    )
    vectorised = NetworkLandscape(model, train, strategy="vmap")
    yield compare(
        "the same by products of stacked weights; naive: by torch.vmap",
        lambda: evaluate(landscape, points),
        lambda: evaluate(vectorised, points),
        rounds=3,
    )
    yield _gradients("digits MLP", landscape, model, points[:32], train)

    (images, labels), _ = data.load("fashion-mnist")
    some = images[:IMAGES], labels[:IMAGES]
    cnn = architectures.simple_cnn_for(some)
    convolving = NetworkLandscape(cnn, some)
    starts = convolving.initial(IMAGE_POINTS, derive(2))
    yield compare(
        f"SimpleCNN of nn.Conv2d, nn.Tanh, nn.MaxPool2d, {IMAGE_POINTS} points, {IMAGES:,} examples of Fashion-MNIST",
        lambda: evaluate(convolving, starts),
        lambda: plain(cnn, starts, some),
        lambda: products(len(starts) * IMAGES * CNN_FLOPS),
        goal=Goal(floors=2.5),
    )
    yield _gradients("SimpleCNN", convolving, cnn, starts, some)


def _gradients(
    name: str, landscape: NetworkLandscape, model: nn.Module, points: Tensor, batch: tuple[Tensor, Tensor]
) -> Timing:
    def backward() -> None:
        for point in points:
            module = module_at(model, point)
            module.zero_grad()
            nn.functional.cross_entropy(module(batch[0]), batch[1]).backward()

    def floor() -> None:
        for _ in range(3):
            evaluate(landscape, points)

    work = f"{name}, losses and gradients of {len(points)} points, {len(batch[0]):,} examples"
    return compare(work, lambda: gradient(landscape, points), backward, floor, goal=Goal(floors=1))


def plain(model: nn.Module, points: Tensor, batch: tuple[Tensor, Tensor]) -> list[float]:
    """The losses of points on one batch, one after another, by the user's own module."""
    with torch.no_grad():
        return [nn.functional.cross_entropy(module_at(model, point)(batch[0]), batch[1]).item() for point in points]


def module_at(model: nn.Module, point: Tensor) -> nn.Module:
    """The model with the weights of a point, set in place as a user would."""
    nn.utils.vector_to_parameters(point, model.parameters())
    return model


def products(flops: int) -> None:
    """So many multiplications and additions in large square matrix products."""
    square = torch.ones(512, 512)
    for _ in range(round(flops / (2 * 512**3))):
        torch.mm(square, square)
