"""Tunnels between two optima at equal work, against the Bezier curve of Garipov et al. (2018) as one would write it."""

import statistics
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.timing import Timing, compare, judged
from nwedge import NetworkLandscape, descend, evaluate
from nwedge._random import derive
from nwedge.geometry import Bezier, Path
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.tunnels import barrier, connect

WORKS = {300: 0.0013, 1000: 0.0002}
"""Gradients of the loss on minibatches of 128, and the goals: the median barriers that they must reach."""
RATE, NAIVE_RATES = 0.05, (0.01, 0.03)
"""The constant rate relative to the optima's root mean square difference, and the absolute ones of plain Adam."""
POINTS, REPEATS = 121, 5


def timings() -> Iterator[Timing]:
    """A tunnel between two digits networks, trained on minibatches by this code and by a plain loop over one model."""
    landscape, (a, b) = _optima()
    plain = Plain(a, b)
    for steps in WORKS:
        yield compare(
            f"digits MLP, a Bezier tunnel, {steps:,} gradients",
            lambda steps=steps: _ours(landscape, a, b, steps, "bezier", 0),
            lambda steps=steps: plain.curve(steps, NAIVE_RATES[0], 0),
            rounds=3,
        )


def counts() -> Iterator[str]:
    """One line for each work: the barriers of our tunnels, held to goals, and of the naive curve at its best."""
    landscape, (a, b) = _optima()
    plain, t = Plain(a, b), torch.linspace(0, 1, POINTS)[:, None]
    straight = torch.lerp(a, b, t)
    yield f"digits MLP, the straight line between two optima: barrier {_barrier(landscape, straight):.4f}"
    for steps, goal in WORKS.items():
        ours = {
            method: [
                _barrier(landscape, _ours(landscape, a, b, steps, method, repeat).embed(t)) for repeat in range(REPEATS)
            ]
            for method in ("bezier", "sheet")
        }
        naive = {
            rate: [_barrier(landscape, plain.curve(steps, rate, repeat)) for repeat in range(REPEATS)]
            for rate in NAIVE_RATES
        }
        best = min(naive, key=lambda rate: statistics.median(naive[rate]))
        told = [f"{name} {_told(values)}, {_reached(values, goal)}" for name, values in ours.items()]
        told.append(f"naive, Adam at {best:g} {_told(naive[best])}")
        yield (
            f"digits MLP, tunnels by {steps:,} gradients, barriers of {REPEATS} generators, median (worst): "
            + "; ".join(told)
        )


def _ours(landscape: NetworkLandscape, a: Tensor, b: Tensor, steps: int, method: str, repeat: int) -> Path | Bezier:
    return connect(
        landscape,
        a,
        b,
        method=method,
        rate=RATE,
        schedule="constant",
        steps=steps,
        samples=1,
        generator=derive(1, repeat),
    )


class Plain:
    """The curve (1-t)^2 a + 2t(1-t) bend + t^2 b, whose bend plain Adam trains at one t a step."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self.a, self.b, self.model = a, b, architectures.mlp(64, 10)
        self.x, self.y = data.load("digits")[0]
        self.pieces = [(name, weight.shape, weight.numel()) for name, weight in self.model.named_parameters()]

    def curve(self, steps: int, rate: float, repeat: int) -> Tensor:
        """Points along the curve."""
        bend = ((self.a + self.b) / 2).requires_grad_()
        trainer, generator = torch.optim.Adam([bend], lr=rate), derive(2, repeat)
        for _ in range(steps):
            batch = torch.randperm(len(self.x), generator=generator)[:128]
            point = self._at(bend, torch.rand((), generator=generator))
            parts = zip(self.pieces, point.split([size for _, _, size in self.pieces]), strict=True)
            weights = {name: part.view(shape) for (name, shape, _), part in parts}
            trainer.zero_grad()
            logits = functional_call(self.model, weights, self.x[batch])
            nn.functional.cross_entropy(logits, self.y[batch]).backward()
            trainer.step()
        return self._at(bend.detach(), torch.linspace(0, 1, POINTS)[:, None])

    def _at(self, bend: Tensor, t: Tensor) -> Tensor:
        return (1 - t) ** 2 * self.a + 2 * t * (1 - t) * bend + t**2 * self.b


def _barrier(landscape: NetworkLandscape, points: Tensor) -> float:
    return barrier(evaluate(landscape, points)[None]).item()


def _told(values: list[float]) -> str:
    return f"{statistics.median(values):.5f} ({max(values):.5f})"


def _reached(values: list[float], goal: float) -> str:
    return judged(f"<= {goal:g}", statistics.median(values) <= goal)


def _optima() -> tuple[NetworkLandscape, Tensor]:
    landscape = NetworkLandscape(architectures.mlp(64, 10), data.load("digits")[0])
    start = landscape.initial(2, derive(0, "start"))
    return landscape, descend(landscape, start, lr=0.1, momentum=0.9, steps=600, generator=derive(0)).points
