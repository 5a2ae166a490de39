"""The cost of a gradient and of a Hessian-vector product in relation to the loss, on three sizes of networks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.resnet import SHAPE, resnet18
from benchmarks.sizes import CLASSES, Size, measured
from benchmarks.timing import Timing, compare
from nwedge import NetworkLandscape, evaluate, gradient, hvp
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.curvature import SmoothedHessian

BATCH = 128
"""Examples of a step of training."""
IMAGES, FEW_IMAGES = 512, 16
"""Random images that SimpleCNN and the ResNet are timed on."""


@dataclass(frozen=True)
class Products:
    """One point of a network.

    Attributes:
        name: of the network.
        size: its weights and the operations of a pass.
        examples: that all is evaluated on.
        timing: median seconds of a Hessian-vector product (`this`), a gradient (`naive`) and a loss (`floor`).
        kept: those of a product of `short_directions` (`this`), by passes that move along the vector for the digits MLP
            and on a graph that is kept for the others, and of a loss (`floor`).
        operators: that torch runs for a gradient on a minibatch: at least one kernel each on a GPU; views are left out.
    """

    name: str
    size: Size
    examples: int
    timing: Timing
    kept: Timing
    operators: int


def products() -> Iterator[Products]:
    """The digits MLP, SimpleCNN on images of Fashion-MNIST's shape, and a ResNet-18 on images of CIFAR-10's.

    BatchNorm is in eval mode. The images are random, and so are their labels: they do not matter for the time.
    """
    (x, y), _ = data.load("digits")
    yield _of("digits MLP", architectures.mlp(x.shape[1], CLASSES), x, y)
    images = torch.randn(IMAGES, 1, 28, 28, generator=derive(0, "images"))
    labels = torch.arange(IMAGES) % CLASSES
    yield _of("SimpleCNN", architectures.simple_cnn(1, 28, CLASSES), images, labels)
    images = torch.randn(BATCH, *SHAPE, generator=derive(0, "images"))
    yield _of("ResNet-18", resnet18(CLASSES), images, labels[:BATCH], few=FEW_IMAGES)


def _of(name: str, model: nn.Module, x: torch.Tensor, y: torch.Tensor, few: int | None = None) -> Products:
    """What one point costs, timed on the first `few` examples, or on all."""
    whole = NetworkLandscape(model, (x, y), batch_size=BATCH)
    landscape = NetworkLandscape(model, (x[:few], y[:few]))
    point = landscape.initial(1, derive(1))
    vector = torch.randn(1, landscape.dim, generator=derive(2))
    timing = compare(
        name,
        lambda: hvp(landscape, point, vector),
        lambda: gradient(landscape, point),
        lambda: evaluate(landscape, point),
        rounds=5,
    )
    hessian = SmoothedHessian(landscape, point[0], generator=derive(4))
    kept = compare(name, lambda: hessian.products(vector), floor=lambda: evaluate(landscape, point), rounds=5)
    batch = whole.minibatch(derive(3))
    with _Operators() as seen:
        gradient(batch, point)
    return Products(name, measured(model, tuple(x.shape[1:])), landscape.examples, timing, kept, seen.count)


class _Operators(TorchDispatchMode):
    """Counts the operators of torch that run, but for views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))
