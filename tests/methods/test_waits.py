"""Steps that leave a GPU its queue: none of their operators makes the host wait for a number."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nwedge import NetworkLandscape, WedgeLandscape, descend, tunnel
from nwedge._random import derive
from nwedge.methods import descent
from nwedge.methods.curvature import SmoothedHessian

X, Y = torch.randn(40, 5, generator=derive(0)), torch.arange(40) % 3
WAITING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.repeat_interleave.Tensor,
    torch.ops.aten.nonzero.default,
}


class Waits(TorchDispatchMode):
    """The operators at which the host waits for a number or, as far as a CPU shows it, for a size."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in WAITING:
            self.seen.append(func)
        return func(*args, **(kwargs or {}))


def waits(run: Callable[[], Any]) -> list[Any]:
    """Those of a run."""
    with Waits() as mode:
        run()
    return mode.seen


def network(strategy: str, activation: type[nn.Module] = nn.Tanh) -> NetworkLandscape:
    model = nn.Sequential(nn.Linear(5, 6), activation(), nn.Linear(6, 3))
    return NetworkLandscape(model, (X, Y), strategy=strategy, batch_size=8)


LANDSCAPES = {
    "stacked": lambda: network("stacked"),
    "vmap": lambda: network("vmap"),
    "loop": lambda: network("loop"),
    "wedges": lambda: WedgeLandscape(30, 4, wedges=5),
}


def test_waits_are_seen() -> None:
    numbers = torch.arange(3)
    looks: Sequence[Callable[[], object]] = (
        lambda: bool(numbers.any()),
        lambda: numbers[0].item(),
        lambda: numbers.repeat_interleave(numbers),
        lambda: numbers.nonzero(),
    )
    assert all(len(waits(look)) == 1 for look in looks)


@pytest.mark.parametrize("name", LANDSCAPES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_of_training(name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "SEEN", ())
    landscape = LANDSCAPES[name]()
    start = landscape.initial(3, derive(1))

    def train(steps: int) -> None:
        descend(landscape, start, optimizer=optimizer, lr=0.1, weight_decay=0.1, steps=steps, generator=derive(2))

    assert waits(lambda: train(6)) == waits(lambda: train(2))


def test_a_look_at_who_is_alive_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = network("stacked")
    runs = []
    for seen in (("cpu",), ()):
        monkeypatch.setattr(descent, "SEEN", seen)
        runs.append(descend(landscape, landscape.initial(3, derive(1)), lr=0.1, steps=5, generator=derive(2)))
    assert torch.equal(runs[0].points, runs[1].points)


@pytest.mark.parametrize("name", LANDSCAPES)
@pytest.mark.parametrize("method", ["sheet", "bezier", "pointwise"])
def test_a_step_of_a_tunnel(name: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent, "SEEN", ())
    landscape = LANDSCAPES[name]()
    a, b = landscape.initial(2, derive(1))

    def train(steps: int) -> None:
        tunnel(landscape, a, b, method=method, bends=2, steps=steps, generator=derive(2))

    assert waits(lambda: train(6)) == waits(lambda: train(2))


@pytest.mark.parametrize("name", LANDSCAPES)
@pytest.mark.parametrize("way", ["held", "not held", "kept graph", "anew"])
def test_a_product_with_a_hessian(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nwedge.methods.curvature.HELD", 0 if way == "not held" else 2**28)
    landscape = LANDSCAPES[name]()
    hessian = SmoothedHessian(landscape, landscape.initial(1, derive(1))[0], radius=0.1, generator=derive(2))
    if way == "kept graph":
        hessian.__dict__["_summed"] = hessian._graph.products if hessian._graph else hessian._anew
    if way == "anew":
        hessian.__dict__["_summed"] = hessian._anew
    vectors = landscape.initial(2, derive(3))
    assert waits(lambda: hessian.products(vectors)) == []


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_the_passes_of_a_chain_of_dense_layers(activation: type[nn.Module]) -> None:
    landscape = network("stacked", activation)
    points = landscape.initial(2, derive(1))
    assert waits(lambda: landscape.hessian_sum(points, held=0)(points)) == []  # pyright: ignore[reportOptionalCall]
