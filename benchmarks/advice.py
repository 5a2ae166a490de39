"""Is the advice of `nwedge diagnose` good, on trainings that it was not made for? `python -m benchmarks.advice`.

Each case trains checkpoints as practice brings them about, asks for advice, which is given by one half of the held-out
data, and scores every option on the other half. The advice is right where it is within .5 % of the best option.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from nwedge import NetworkLandscape, descend, diagnose
from nwedge._random import derive
from nwedge.diagnosis.advice import AVERAGE, MANY_PASSES, ONE_PASS, SINGLE, SOUP
from nwedge.landscapes.networks import data

NEAR = 0.005
"""The accuracy by which an advice may miss the best option."""
TRAIN, HELD_OUT, CLASSES = 4000, 10_000, 10
SIDE, BATCH = 14, 64
FIXED = (AVERAGE, SOUP, SINGLE)
"""Rules of one pass that do not look at the data: always the same option."""
COUNT = 5
"""Checkpoints of a case, where nothing else is said."""


Make = Callable[[int], tuple[NetworkLandscape, Tensor]]
"""Makes a network on its data and checkpoints of it, from a seed."""


@dataclass(frozen=True)
class Case:
    """Checkpoints as practice brings them about.

    Attributes:
        name: in words.
        make: from a seed, the network on its data and the checkpoints.
    """

    name: str
    make: Make


class Residual(nn.Module):
    """x + f(x), or a projection of x where f changes the channels."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()),
            *(nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)),
        )
        same = channels == out and stride == 1
        self.around = nn.Identity() if same else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of images, (examples, channels, height, width)."""
        return torch.relu(self.inner(x) + self.around(x))


class Rows(nn.Module):
    """A transformer encoder over the rows of an image."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(SIDE, width), nn.Parameter(0.02 * torch.randn(SIDE, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images, (examples, 1, rows, columns)."""
        return self.head(self.encoder(self.embed(x[:, 0]) + self.place).mean(1))


def mlp(width: int = 64) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(SIDE**2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()),
        nn.Linear(width, CLASSES),
    )


def cnn(width: int = 8) -> nn.Module:
    """Two convolutions."""
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2 * width * (SIDE // 4) ** 2, CLASSES)),
    )


def resnet(width: int = 8) -> nn.Module:
    """Two residual blocks with BatchNorm."""
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
        *(Residual(width, width, 1), Residual(width, 2 * width, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(2 * width, CLASSES),
    )


def landscape(build: Callable[[], nn.Module], seed: int, *, noise: float = 0.0) -> NetworkLandscape:
    """A network on Fashion-MNIST at half its resolution; `noise` is the share of training labels drawn at random."""
    (x, y), (held_x, held_y) = data.load("fashion-mnist", examples=TRAIN)
    random = torch.randint(CLASSES, y.shape, generator=derive(seed, "labels"))
    y = torch.where(torch.rand(y.shape, generator=derive(seed, "noise")) < noise, random, y)
    small = nn.AvgPool2d(2)
    torch.manual_seed(seed)
    model = build().eval()
    train, held_out = (small(x), y), (small(held_x[:HELD_OUT]), held_y[:HELD_OUT])
    return NetworkLandscape(model, train, held_out, batch_norm="recompute", batch_size=BATCH)


def train(
    network: NetworkLandscape,
    start: Tensor,
    steps: int,
    lr: float | Tensor,
    *,
    seed: int,
    stream: int = 0,
    keep: Sequence[int] = (),
) -> Tensor:
    """The ends of training, shape (rows, dim); with `keep` the points of one row at these steps, shape (steps, dim)."""
    found = descend(
        network,
        start,
        optimizer="adam",
        lr=lr,
        steps=steps,
        keep=list(keep) or None,
        generator=[derive(seed, stream, row) for row in range(len(start))],
    )
    return found.trajectory[0] if keep else found.points


def seeds(build: Callable[[], nn.Module], steps: int = 600, lr: float = 3e-3) -> Make:
    """Trainings from independent starts."""

    def make(seed: int) -> tuple[NetworkLandscape, Tensor]:
        network = landscape(build, seed)
        return network, train(network, network.initial(COUNT, derive(seed, "start")), steps, lr, seed=seed)

    return make


def snapshots(build: Callable[[], nn.Module], lr: float, every: int, *, warm: int = 600, noise: float = 0.0) -> Make:
    """Points of one training at a constant rate, `every` steps apart, after a training at 3e-3."""

    def make(seed: int) -> tuple[NetworkLandscape, Tensor]:
        network = landscape(build, seed, noise=noise)
        start = train(network, network.initial(1, derive(seed, "start")), warm, 3e-3, seed=seed)
        keep = [every * place for place in range(1, COUNT + 1)]
        return network, train(network, start, keep[-1], lr, seed=seed, stream=1, keep=keep)

    return make


def fine_tunes(build: Callable[[], nn.Module], rates: Sequence[float], steps: int = 300) -> Make:
    """Trainings from one start that was trained for a while, each with its own rate and order of the examples."""

    def make(seed: int) -> tuple[NetworkLandscape, Tensor]:
        network = landscape(build, seed)
        start = train(network, network.initial(1, derive(seed, "start")), 300, 3e-3, seed=seed)
        rows = start.expand(len(rates), -1)
        return network, train(network, rows, steps, torch.tensor(rates), seed=seed, stream=2)

    return make


def permuted(make_ordered: Make) -> Make:
    """The same checkpoints, each with its hidden units in a new order."""

    def make(seed: int) -> tuple[NetworkLandscape, Tensor]:
        network, points = make_ordered(seed)
        return network, torch.stack(
            [shuffled(network, point, derive(seed, "order", row)) for row, point in enumerate(points)]
        )

    return make


def shuffled(network: NetworkLandscape, point: Tensor, generator: torch.Generator) -> Tensor:
    """The same function with the hidden units of a chain of dense layers in another order."""
    module = network.module(point)
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, after in pairwise(layers):
            order = torch.randperm(layer.out_features, generator=generator)
            layer.weight.copy_(layer.weight[order])
            layer.bias.copy_(layer.bias[order])
            after.weight.copy_(after.weight[:, order])
    return network.point(module)


CASES = (
    Case("MLP, 5 seeds", seeds(mlp)),
    Case("MLP, snapshots at a low rate", snapshots(mlp, 3e-4, 60)),
    Case("MLP, snapshots at a high rate", snapshots(mlp, 1e-2, 300)),
    Case("MLP, noisy labels, snapshots", snapshots(mlp, 3e-3, 100, noise=0.4)),
    Case("MLP, permuted fine-tunes", permuted(fine_tunes(mlp, [1e-3] * COUNT))),
    Case("MLP, permuted snapshots at a high rate", permuted(snapshots(mlp, 1e-2, 300))),
    Case("MLP, noisy labels, permuted snapshots", permuted(snapshots(mlp, 3e-3, 100, noise=0.4))),
    Case("MLP, fine-tunes, one at a ruinous rate", fine_tunes(mlp, [3e-4, 1e-3, 1e-3, 3e-3, 0.3])),
    Case("MLP, snapshots from the very start", snapshots(mlp, 3e-3, 100, warm=1)),
    Case("CNN, 5 seeds", seeds(cnn)),
    Case("CNN, fine-tunes", fine_tunes(cnn, [1e-3] * COUNT)),
    Case("CNN, snapshots at a high rate", snapshots(cnn, 1e-2, 200)),
    Case("ResNet with BatchNorm, 5 seeds", seeds(resnet, 400)),
    Case("ResNet with BatchNorm, snapshots", snapshots(resnet, 1e-3, 60, warm=400)),
    Case("transformer, 5 seeds", seeds(Rows, 500)),
    Case("transformer, fine-tunes", fine_tunes(Rows, [1e-3] * COUNT)),
)


def main() -> None:
    """One line for each case, and the means over the cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("--cases", type=int, nargs="*", help="their numbers from 0 on; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the starts, the batches and the noise; default 0")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"accuracy on the scoring half, %, seed {args.seed}")
    for head in ("case", *ONE_PASS, *MANY_PASSES, "advice, one pass", "misses", "advice, k passes", "misses", "s"):
        table.add_column(head)
    chosen = range(len(CASES)) if args.cases is None else args.cases
    rows = [_row(CASES[place], args.seed) for place in track(chosen, description="cases")]
    for row in rows:
        table.add_row(*row.cells())
    console = Console(width=220)
    console.print(table)
    for line in _means(rows):
        console.print(line)


@dataclass(frozen=True)
class Row:
    """A case: accuracies and passes by option, the advice, and the seconds of the diagnosis."""

    name: str
    accuracy: dict[str, float]
    passes: dict[str, int]
    one_pass: str
    k_passes: str
    seconds: float

    @property
    def best(self) -> float:
        """The accuracy of the best option of one pass."""
        return max(self.accuracy[name] for name in ONE_PASS if name in self.accuracy)

    @property
    def misses(self) -> tuple[float, float]:
        """By how much the advice misses the best option of its budget."""
        return self.best - self.accuracy[self.one_pass], max(self.accuracy.values()) - self.accuracy[self.k_passes]

    @property
    def kinds(self) -> dict[str, bool]:
        """Which fixed rules miss by more than NEAR, and whether many passes gain nothing that is worth them."""
        wrong = {f"the {name} is wrong": self.best - self.accuracy[name] > NEAR for name in FIXED}
        return wrong | {"the ensemble is not worth its passes": self.accuracy["ensemble"] - self.best <= NEAR}

    def cells(self) -> list[str]:
        """What the table shows."""
        shown = [
            f"{100 * self.accuracy[name]:.2f}" if name in self.accuracy else "-" for name in ONE_PASS + MANY_PASSES
        ]
        one, many = (f"{100 * miss:.2f}" for miss in self.misses)
        return [self.name, *shown, self.one_pass, one, self.k_passes, many, f"{self.seconds:.0f}"]


def _row(case: Case, seed: int) -> Row:
    network, points = case.make(seed)
    begun = time.perf_counter()
    found = diagnose(network, points)
    seconds = time.perf_counter() - begun
    accuracy = {name: option.scores.accuracy.value for name, option in found.options.items()}
    passes = {name: option.passes for name, option in found.options.items()}
    advice = found.recommendation
    return Row(case.name, accuracy, passes, advice.one_pass.option, advice.k_passes.option, seconds)


def _means(rows: Sequence[Row]) -> list[str]:
    """How often the advice is right, and its mean accuracy beside that of fixed rules."""

    def mean(name: str) -> str:
        return f"{100 * fmean(row.accuracy[name] for row in rows):.2f} %"

    near = [[miss <= NEAR for miss in row.misses] for row in rows]
    one = 100 * fmean(row.accuracy[row.one_pass] for row in rows)
    many = 100 * fmean(row.accuracy[row.k_passes] for row in rows)
    cost, most = (fmean(row.passes[name(row)] for row in rows) for name in (lambda r: r.k_passes, lambda r: "ensemble"))
    fixed = ", ".join(f"always {name} {mean(name)}" for name in FIXED)
    right = [sum(budget) for budget in zip(*near, strict=True)]
    counts = (f"{kind} in {sum(row.kinds[kind] for row in rows)}" for kind in rows[0].kinds)
    return [
        f"of {len(rows)} cases (by more than {NEAR:.1%}): {', '.join(counts)}",
        f"one pass: within {NEAR:.1%} of the best in {right[0]} of {len(rows)} cases; on average {one:.2f} %, {fixed}",
        f"k passes: within {NEAR:.1%} of the best in {right[1]} of {len(rows)} cases; on average {many:.2f} % at "
        f"{cost:.2g} passes, always ensemble {mean('ensemble')} at {most:.2g}",
    ]


if __name__ == "__main__":
    main()
