"""Products with one Hessian, against double backward passes, and counts of its eigenvalues, against the exact ones."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.timing import Goal, Timing, compare
from nwedge import NetworkLandscape, descend, short_directions
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.curvature import SmoothedHessian

VECTORS, PRODUCTS, REPEATS = 32, 630, 10
THRESHOLDS = (0.01, 0.001)
PEER = 2.4
"""The goal: so many times as fast as double backward passes one after the other."""
STEPS = (150, 600)
"""Of training: on the way to an optimum, and at it."""


def timings() -> Iterator[Timing]:
    """Products of the Hessian of a digits network with 32 vectors, and a whole count; the floor is their gradients."""
    landscape, (_, point) = _trained()
    vectors = torch.randn(VECTORS, landscape.dim, generator=derive(1))
    hessian = SmoothedHessian(landscape, point, generator=derive(2))
    smoothed = SmoothedHessian(landscape, point, radius=0.05, generator=derive(2))
    (x, y), _ = data.load("digits")
    model = architectures.mlp(64, 10)

    nn.utils.vector_to_parameters(point, model.parameters())
    weights = list(model.parameters())

    def slopes(*, create_graph: bool) -> Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        return nn.utils.parameters_to_vector(torch.autograd.grad(loss, weights, create_graph=create_graph))

    def double_backward(vector: Tensor) -> None:
        torch.autograd.grad(slopes(create_graph=True) @ vector, weights)

    def one_by_one() -> None:
        for vector in vectors:
            double_backward(vector)

    def gradients() -> None:
        for _ in vectors:
            slopes(create_graph=False)

    for work, this in (
        (f"digits MLP, {VECTORS} Hessian products", lambda: hessian.products(vectors)),
        (f"digits MLP, {VECTORS} averaged over a ball", lambda: smoothed.products(vectors)),
    ):
        yield compare(work, this, one_by_one, gradients, goal=Goal(faster=PEER))
    yield compare(
        f"digits MLP, a count by {PRODUCTS} products",
        lambda: short_directions(
            landscape, point, THRESHOLDS, products=PRODUCTS, method="lanczos", generator=derive(3)
        ),
        lambda: [double_backward(vectors[0]) for _ in range(PRODUCTS)],
        rounds=3,
    )


def counts() -> Iterator[str]:
    """One line for each loss and threshold: the exact count, and the estimates of several generators."""
    landscape, points = _trained()
    for point in points:
        exact = short_directions(landscape, point, THRESHOLDS, method="exact", generator=derive(4)).counts
        found = [
            short_directions(
                landscape, point, THRESHOLDS, products=PRODUCTS, method="lanczos", generator=derive(5, repeat)
            )
            for repeat in range(REPEATS)
        ]
        estimates = torch.stack([one.counts for one in found])
        errors = torch.stack([one.standard_errors for one in found])
        relative = (estimates / exact - 1).square().mean(0).sqrt()
        held = ((estimates - exact).abs() <= 1.96 * errors).sum(0)
        loss = landscape.loss(point[None]).item()
        for column, threshold in enumerate(THRESHOLDS):
            yield (
                f"digits MLP at loss {loss:.2g}: {exact[column]:.0f} eigenvalues above {threshold:g}; "
                f"by {PRODUCTS} products {estimates[0, column]:.1f} +- {errors[0, column]:.1f}; over {REPEATS} "
                f"generators {100 * relative[column]:.1f} % off, {held[column]} intervals of 95 % hold it"
            )


def _trained() -> tuple[NetworkLandscape, list[Tensor]]:
    """A digits network and its weights on the way to an optimum and at it."""
    train, _ = data.load("digits")
    landscape = NetworkLandscape(architectures.mlp(64, 10), train)
    point, points, done = landscape.initial(1, derive(0)), [], 0
    for steps in STEPS:
        descent = descend(landscape, point, lr=0.1, momentum=0.9, steps=steps - done, generator=derive(0, steps))
        point, done = descent.points, steps
        points.append(point[0])
    return landscape, points
