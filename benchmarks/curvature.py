"""Products with one Hessian, against double backward passes, and counts of its eigenvalues, against the exact ones."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.timing import Goal, Timing, compare, judged
from nwedge import NetworkLandscape, descend, short_directions
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.curvature import SmoothedHessian

VECTORS, PRODUCTS, REPEATS = 32, 630, 100
OFF = {0.01: 0.05, 0.001: 0.08}
"""The goals: how far off, relative to the exact count above each threshold, estimates may be, root mean square."""
HOLDING = 0.9
"""The goal: the share of intervals of 95 % that hold the exact count."""
PEER = 2.4
"""The goal: so many times as fast as double backward passes one after the other."""
STEPS, LOSS = 600, 0.01
"""Of training to an optimum, and the loss of a point on the way."""


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
            landscape, point, tuple(OFF), products=PRODUCTS, method="lanczos", generator=derive(3)
        ),
        lambda: [double_backward(vectors[0]) for _ in range(PRODUCTS)],
        rounds=3,
    )


def counts() -> Iterator[str]:
    """One line for each loss and threshold: the exact count, the estimates of several generators, and their goals."""
    landscape, points = _trained()
    thresholds = tuple(OFF)
    for point in points:
        exact = short_directions(landscape, point, thresholds, method="exact", generator=derive(4)).counts
        found = [
            short_directions(
                landscape, point, thresholds, products=PRODUCTS, method="lanczos", generator=derive(5, repeat)
            )
            for repeat in range(REPEATS)
        ]
        estimates = torch.stack([one.counts for one in found])
        errors = torch.stack([one.standard_errors for one in found])
        relative = (estimates / exact - 1).square().mean(0).sqrt()
        held = ((estimates - exact).abs() <= 1.96 * errors).double().mean(0)
        loss = landscape.loss(point[None]).item()
        for column, (threshold, off) in enumerate(OFF.items()):
            near = judged(f"<= {off:.0%}", bool(relative[column] <= off))
            holding = judged(f">= {HOLDING:.0%}", bool(held[column] >= HOLDING))
            yield (
                f"digits MLP at loss {loss:.2g}: {exact[column]:.0f} eigenvalues above {threshold:g}; "
                f"by {PRODUCTS} products {estimates[0, column]:.1f} +- {errors[0, column]:.1f}; over {REPEATS} "
                f"generators {100 * relative[column]:.1f} % off ({near}), "
                f"{held[column]:.0%} of intervals of 95 % hold it ({holding})"
            )


def _trained() -> tuple[NetworkLandscape, list[Tensor]]:
    """A digits network and its weights where its loss is nearest to a given one on the way, and at an optimum."""
    train, _ = data.load("digits")
    landscape = NetworkLandscape(architectures.mlp(64, 10), train)
    start = landscape.initial(1, derive(0))
    way = descend(landscape, start, lr=0.1, momentum=0.9, steps=STEPS, keep=range(STEPS), generator=derive(0))
    nearest = (way.trajectory_losses[0] - LOSS).abs().argmin()
    return landscape, [way.trajectory[0, nearest], way.points[0]]
