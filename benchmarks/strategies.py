"""The table behind the rule of strategies: the time of each strategy and chunk, and the rule's choice and the best.

python -m benchmarks.strategies [--device cuda]
"""

import argparse
from collections.abc import Callable, Iterator

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.timing import compare
from nwedge import NetworkLandscape, evaluate, gradient
from nwedge._random import derive
from nwedge.autotune import CANDIDATES
from nwedge.landscapes.networks.architectures import mlp, simple_cnn

Work = Callable[[NetworkLandscape, Tensor], Tensor]
WORKS: dict[str, Work] = {"losses": evaluate, "gradients": gradient}
ROUNDS = 3


def networks() -> Iterator[tuple[str, nn.Module, tuple[int, ...], int, int]]:
    """The name of each network, itself, the shape of an example, how many examples, and points."""
    yield "MLP 64-50-50-10", mlp(64, 10), (64,), 1400, 32
    yield "MLP 784-300-100-10", mlp(784, 10, (300, 100)), (784,), 2048, 8
    yield "MLP 784-1000-1000-10", mlp(784, 10, (1000, 1000)), (784,), 1024, 4
    yield "SimpleCNN 1 x 28 x 28", simple_cnn(1, 28, 10), (1, 28, 28), 1024, 2
    yield "SimpleCNN 3 x 8 x 8", simple_cnn(3, 8, 10), (3, 8, 8), 1024, 8


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    torch.set_num_threads(1)
    table = Table(title=f"torch {torch.__version__}, {device}: ms a point")
    for heading in ("network", "strategy", "chunk", *WORKS, ""):
        table.add_column(heading)
    for name, model, shape, examples, points in networks():
        data = torch.randn(examples, *shape, generator=derive(0)), torch.arange(examples) % 10
        chosen = NetworkLandscape(model, data, device=device)
        found: dict[tuple[str, int], list[float]] = {}
        for candidate in dict.fromkeys([*CANDIDATES, (chosen.strategy, chosen.chunk)]):
            if (times := _times(model, data, candidate, points, device)) is not None:
                found[candidate] = times
        best = min(found, key=lambda candidate: sum(found[candidate]))
        for candidate, times in sorted(found.items(), key=lambda one: sum(one[1])):
            marks = {"rule": (chosen.strategy, chosen.chunk), "best": best}
            told = ", ".join(mark for mark, marked in marks.items() if marked == candidate)
            table.add_row(name, candidate[0], str(candidate[1]), *(f"{time * 1e3:.2f}" for time in times), told)
        table.add_section()
    Console(width=110).print(table)


def _times(
    model: nn.Module, data: tuple[Tensor, Tensor], candidate: tuple[str, int], points: int, device: str
) -> list[float] | None:
    """Seconds a point of each work; None where the network cannot be evaluated like this."""
    strategy, chunk = candidate
    if chunk > 2 * len(data[0]):
        return None
    try:
        landscape = NetworkLandscape(model, data, strategy=strategy, chunk=chunk, device=device)
    except ValueError:
        return None
    at = landscape.initial(points, derive(1))
    timings = [
        compare("", lambda work=work: work(landscape, at).sum().item(), rounds=ROUNDS) for work in WORKS.values()
    ]
    return [timing.this / points for timing in timings]


if __name__ == "__main__":
    main()
