"""A module as a pure function of a flat point: what a user's function sees is the module with the point's weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from nwedge.landscapes.networks.batch_norm import normalised_by, recomputed_layers, seen_statistics
from nwedge.landscapes.networks.dropout import drops

Function = Callable[[nn.Module, Any], Any]
"""What a user gives: from a module and a batch to a loss or to probabilities."""


class Network:
    """A private model, evaluated at any point: the flat concatenation of its named parameters, tied ones once.

    Args:
        model: a model that nobody else holds; it is left as it is, but for the moment of a call.

    Attributes:
        shapes: the shape of each parameter by name, in the order of the point.
        dim: how many weights.
        batch_norms: the layers that take their statistics as an input.
        dropouts: the layers that are random in train mode.
        channels_last: whether images, (examples, channels, height, width), are laid out with their channels last, and
            kernels alike: images of one channel have no layout of their own to go by.
    """

    def __init__(self, model: nn.Module) -> None:
        self.shell = Shell(model)
        self.shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        self.sizes = [parameter.numel() for parameter in model.parameters()]
        self.dim = sum(self.sizes)
        self._slots = slots(model)
        self.batch_norms = recomputed_layers(model)
        self.dropouts = [layer for layer in model.modules() if drops(layer)]
        self.channels_last = False

    def __call__(self, function: Function, point: Tensor, statistics: Tensor | None, batch: Any) -> Any:
        """function(model, batch) at a point (dim,), with the statistics (statistics,) or, for None, the batch's own."""
        with normalised_by(self.batch_norms, statistics):
            return self._call(function, point, batch)

    def statistics(self, function: Function, point: Tensor, batch: Any) -> Tensor:
        """What the BatchNorm layers see in function(model, batch) at a point (dim,), shape (statistics,)."""
        with normalised_by(self.batch_norms, None):
            self._call(function, point, batch)
            return seen_statistics(self.batch_norms, point)

    def unflatten(self, points: Tensor) -> dict[str, Tensor]:
        """The parameters of a point (dim,), or of points (rows, dim), by name: views of them."""
        pieces = zip(self.shapes.items(), points.split(self.sizes, -1), strict=True)
        return {name: piece.view((*points.shape[:-1], *shape)) for (name, shape), piece in pieces}

    def flatten(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The point (dim,) of weights by name."""
        return torch.cat([weights[name].detach().flatten() for name in self.shapes])

    def _call(self, function: Function, point: Tensor, batch: Any) -> Any:
        weights = self.unflatten(point)
        if self.channels_last:
            weights, batch = pytree.tree_map(_channels_last, (weights, batch))
        placed = {f"model.{slot}": weights[name] for slot, name in self._slots.items()}
        return functional_call(self.shell, placed, (function, batch), tie_weights=False)


class Shell(nn.Module):
    """Holds the model, so that `functional_call` can call a function of it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Function, batch: Any) -> Any:
        """function(model, batch)."""
        return function(self.model, batch)


def slots(model: nn.Module, *, buffers: bool = False) -> dict[str, str]:
    """For each place in a layer where a parameter (or buffer) stands, the name that it has in the model.

    A parameter that two layers share has two places, but a layer that stands in two places has one: told of both,
    `functional_call` would put a weight of the call back into the second.
    """

    def own(module: nn.Module, **how: Any) -> list[tuple[str, Tensor]]:
        return [*module.named_parameters(**how), *(module.named_buffers(**how) if buffers else ())]

    names = {id(tensor): name for name, tensor in own(model)}
    return {
        f"{path}.{name}" if path else name: names[id(tensor)]
        for path, layer in model.named_modules()
        for name, tensor in own(layer, recurse=False, remove_duplicate=False)
    }


def _channels_last(leaf: Tensor) -> Tensor:
    return leaf.to(memory_format=torch.channels_last) if leaf.ndim == 4 and leaf.is_floating_point() else leaf
