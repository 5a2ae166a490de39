"""Tunnels between two optima at equal work, against the Bezier curve of Garipov et al. (2018) as one would write it."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.timing import Timing, compare
from nwedge import NetworkLandscape, descend, evaluate, tunnel
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.tunnels import barrier

WORKS = (300, 1000)
"""Gradients of the loss on minibatches of 128."""
RATE, NAIVE_RATE = 0.1, 0.03
"""The learning rate relative to the optima's root mean square difference, and the best absolute one of plain Adam."""
POINTS, REPEATS = 121, 5


def timings() -> Iterator[Timing]:
    """A tunnel between two digits networks, trained on minibatches by this code and by a plain loop over one model."""
    landscape, (a, b) = _optima()
    for steps in WORKS:
        yield compare(
            f"digits MLP, a Bezier tunnel, {steps:,} gradients",
            lambda steps=steps: _ours(landscape, a, b, steps, "bezier", 0),
            lambda steps=steps: _naive(a, b, steps, 0),
            rounds=3,
        )


def counts() -> Iterator[str]:
    """One line for each work: the barriers of this code's whole-path tunnels and of the naive curve."""
    landscape, (a, b) = _optima()
    straight = torch.lerp(a, b, torch.linspace(0, 1, POINTS)[:, None])
    yield f"digits MLP, the straight line between two optima: barrier {_barrier(landscape, straight):.4f}"
    for steps in WORKS:
        found = {
            f"this, {method}": [_ours(landscape, a, b, steps, method, repeat) for repeat in range(REPEATS)]
            for method in ("bezier", "sheet")
        }
        found["naive"] = [_barrier(landscape, _naive(a, b, steps, repeat)) for repeat in range(REPEATS)]
        told = "; ".join(f"{name} {_median(values)}" for name, values in found.items())
        yield f"digits MLP, tunnels by {steps:,} gradients, barriers of {REPEATS} generators, median (worst): {told}"


def _ours(landscape: NetworkLandscape, a: Tensor, b: Tensor, steps: int, method: str, repeat: int) -> float:
    found = tunnel(
        landscape, a, b, method=method, rate=RATE, steps=steps, samples=1, points=POINTS, generator=derive(1, repeat)
    )
    return found.barrier


def _naive(a: Tensor, b: Tensor, steps: int, repeat: int) -> Tensor:
    """Points along the curve (1-t)^2 a + 2t(1-t) bend + t^2 b, whose bend plain Adam trained at one t a step."""
    model, (x, y) = architectures.mlp(64, 10), data.load("digits")[0]
    bend = ((a + b) / 2).requires_grad_()
    trainer, generator = torch.optim.Adam([bend], lr=NAIVE_RATE), derive(2, repeat)
    names = [(name, weight.shape, weight.numel()) for name, weight in model.named_parameters()]

    def curve(t: Tensor) -> Tensor:
        return (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b

    for _ in range(steps):
        batch = torch.randperm(len(x), generator=generator)[:128]
        pieces = curve(torch.rand((), generator=generator)).split([size for _, _, size in names])
        weights = {name: piece.view(shape) for (name, shape, _), piece in zip(names, pieces, strict=True)}
        trainer.zero_grad()
        nn.functional.cross_entropy(functional_call(model, weights, x[batch]), y[batch]).backward()
        trainer.step()
    return curve(torch.linspace(0, 1, POINTS)[:, None]).detach()


def _barrier(landscape: NetworkLandscape, points: Tensor) -> float:
    return barrier(evaluate(landscape, points)[None]).item()


def _median(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.5f} ({max(values):.5f})"


def _optima() -> tuple[NetworkLandscape, Tensor]:
    landscape = NetworkLandscape(architectures.mlp(64, 10), data.load("digits")[0])
    start = landscape.initial(2, derive(0, "start"))
    return landscape, descend(landscape, start, lr=0.1, momentum=0.9, steps=600, generator=derive(0)).points
