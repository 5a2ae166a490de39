"""Planes as pictures take them: against a plain loop over the user's own module, and the matrix products alone."""

from collections.abc import Iterator

import torch

from benchmarks.networks import CNN_FLOPS, DIGITS_FLOPS, SIDE, plain, products
from benchmarks.timing import Goal, Timing, compare
from nwedge import NetworkLandscape, descend
from nwedge._random import derive
from nwedge.geometry import Plane, filter_normalised
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.cutting import cut

IMAGES, FEW, STEPS, TOLERANCE = 10_000, 3, 300, 0.02
TENTH = 0.1
"""The share of the example evaluations that the plane may take, where the full one takes more than 2.5 floors."""
AXIS = torch.linspace(-1, 1, SIDE)


def timings() -> Iterator[Timing]:
    """The plane of the digits MLP and a few points of that of SimpleCNN; the floor is that of their multiplications."""
    train, _ = data.load("digits")
    model = architectures.mlp(64, 10)
    yield _plane("digits MLP, 1,400 examples", model, train, AXIS, DIGITS_FLOPS, rounds=7)

    (images, labels), _ = data.load("fashion-mnist")
    some = images[:IMAGES], labels[:IMAGES]
    cnn = architectures.simple_cnn_for(some)
    few = torch.linspace(-1, 1, FEW)
    yield _plane(f"SimpleCNN, {IMAGES:,} examples of Fashion-MNIST", cnn, some, few, CNN_FLOPS, rounds=1)


def counts() -> Iterator[str]:
    """How many example evaluations the plane of SimpleCNN takes at 2 %, around a trained point."""
    (images, labels), _ = data.load("fashion-mnist")
    some = images[:IMAGES], labels[:IMAGES]
    landscape = NetworkLandscape(architectures.simple_cnn_for(some), some)
    start = landscape.initial(1, derive(0, "start"))
    found = descend(landscape, start, optimizer="adam", lr=3e-3, steps=STEPS, generator=derive(0, "train"))
    point = found.points[0]
    plane = Plane(*filter_normalised(landscape, point, 2, derive(0, "directions")))
    losses = cut(landscape, plane, [AXIS, AXIS], origin=point, tolerance=TOLERANCE)
    share = losses.loss_examples.mean().item() / IMAGES
    yield (
        f"SimpleCNN, {SIDE} x {SIDE} plane at {TOLERANCE:.0%}: {share:.3f} of {IMAGES:,} examples a "
        f"point, <= {TENTH:g} (or the full plane in 2.5 floors): {'met' if share <= TENTH else 'missed'}"
    )


def _plane(
    name: str,
    model: torch.nn.Sequential,
    batch: tuple[torch.Tensor, torch.Tensor],
    axis: torch.Tensor,
    flops: int,
    *,
    rounds: int,
) -> Timing:
    landscape = NetworkLandscape(model, batch)
    point = landscape.point(model)
    plane = Plane(*filter_normalised(landscape, point, 2, derive(0, "directions")))
    points = point + plane.embed(torch.cartesian_prod(axis, axis))
    return compare(
        f"{len(axis)} x {len(axis)} plane of {name}",
        lambda: cut(landscape, plane, [axis, axis], origin=point),
        lambda: plain(model, points, batch),
        lambda: products(len(points) * len(batch[0]) * flops),
        rounds=rounds,
        goal=Goal(floors=2.5),
    )
