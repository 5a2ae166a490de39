"""What a network holds and computes, and what a task keeps of it: weights, operations and bytes."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.resnet import SHAPE, resnet18
from nwedge.landscapes.networks.architectures import ARCHITECTURES
from nwedge.specs.landscapes import ControlSpec, NetworkSpec, WedgeSpec
from nwedge.specs.tasks import GroupSpec, SheetSpec, TaskSpec

SHAPES = {"digits": (64,), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
"""Of one example of each data set."""
CLASSES = 10
COPIES = 5
"""Arrays that Adam holds of what it trains: the points, their gradient, the change, and two moments."""


@dataclass(frozen=True)
class Size:
    """A network: how many weights, and the floating-point operations of a forward pass on one example.

    A multiplication and an addition count as two operations; products of matrices and convolutions are counted.
    """

    weights: int
    flops: int


SizeOf = Callable[[NetworkSpec], Size]


def measured(model: nn.Module, shape: tuple[int, ...]) -> Size:
    """The size of a network on examples of a shape."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *shape))
    return Size(sum(weight.numel() for weight in model.parameters()), counter.get_total_flops())


def of_preset(landscape: NetworkSpec) -> Size:
    """The network of a landscape."""
    return _of_preset(landscape.architecture, landscape.data, landscape.width)


def of_resnet(landscape: NetworkSpec) -> Size:
    """A ResNet-18 of a landscape's width in the place of its network."""
    return _of_resnet(landscape.width)


def stored(task: TaskSpec, size_of: SizeOf) -> int:
    """The bytes of a task's weights file: kept points of runs, or optima and vertices of a sheet; 0 for a claim."""
    if isinstance(task, GroupSpec):
        return len(task.train.keep) * len(task.runs) * _point(task, size_of)
    if isinstance(task, SheetSpec):
        return (task.m + 2**task.m - 1) * _point(task, size_of)
    return 0


def trained(task: TaskSpec, size_of: SizeOf) -> int:
    """The bytes that Adam holds of what a task trains, and the points that a group keeps; 0 for a claim."""
    if isinstance(task, GroupSpec):
        return COPIES * len(task.runs) * _point(task, size_of) + stored(task, size_of)
    if isinstance(task, SheetSpec):
        return COPIES * (2**task.m - 1 - task.m) * _point(task, size_of)
    return 0


def _point(task: TaskSpec, size_of: SizeOf) -> int:
    """The bytes of one point."""
    own = task.landscape
    assert isinstance(own, NetworkSpec | WedgeSpec | ControlSpec)
    dim = size_of(own).weights if isinstance(own, NetworkSpec) else own.dim
    return dim * getattr(torch, own.dtype).itemsize


@functools.cache
def _of_preset(architecture: str, data: str, width: float) -> Size:
    shape = SHAPES[data]
    example = torch.zeros(1, *shape), torch.tensor([CLASSES - 1])
    return measured(ARCHITECTURES[architecture](example, width=width), shape)


@functools.cache
def _of_resnet(width: float) -> Size:
    return measured(resnet18(CLASSES, width=width), SHAPE)
