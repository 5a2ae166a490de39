"""Alignment: the hidden units of one network are put in the order in which its weights are closest to another's.

A network computes the same function when its hidden units change places, so two optima may be far apart, and walled
off on the straight line, only because their units stand in different orders.
"""

from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn

from nwedge._checks import check_integer
from nwedge.landscapes.networks.layers import HalvingPool, Tanh
from nwedge.landscapes.networks.network import NetworkLandscape

POOLING = (HalvingPool, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
UNIT_BY_UNIT = (
    *(nn.Identity, nn.Dropout, nn.Dropout2d, Tanh, nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Softsign, nn.Softplus),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
)
"""Layers without weights that treat every unit alike."""
INPUT, CHANNELS, PIXELS, UNITS = "input", "channels", "pixels", "units"
"""What the axis after the examples holds: anything; channels of images; these flattened; units of a dense layer."""
AFTER: dict[type[nn.Module], dict[str, str]] = {
    nn.Conv2d: {INPUT: CHANNELS, CHANNELS: CHANNELS},
    nn.Linear: {INPUT: UNITS, PIXELS: UNITS, UNITS: UNITS},
    nn.Flatten: {INPUT: INPUT, CHANNELS: PIXELS, PIXELS: PIXELS, UNITS: UNITS},
    **{kind: {INPUT: INPUT, CHANNELS: CHANNELS} for kind in POOLING},
    **{kind: {state: state for state in (INPUT, CHANNELS, PIXELS, UNITS)} for kind in UNIT_BY_UNIT},
}
"""What it holds after each layer, where that is known."""
GAIN = 1e-12
"""A new order must add so much to the inner product of the weights, relative to its terms; less is rounding."""


def align(
    landscape: NetworkLandscape,
    reference: Float[Tensor, " dim"],
    other: Float[Tensor, " dim"],
    *,
    starts: int = 10,
    generator: Generator,
) -> Float[Tensor, " dim"]:
    """The point of `other` with its hidden units in the order that brings its weights closest to `reference`.

    Weight matching (Ainsworth et al. 2022, arXiv 2209.04836): the order P_l of each layer's units minimises
    sum_l |W_l - P_l V_l P_(l-1)^T|^2 + |b_l - P_l c_l|^2, one layer at a time, in random order of the layers, each an
    assignment problem that is solved exactly, until no layer improves. The channels of a convolution move with their
    kernels, and with all their pixels where they are flattened. The function of the network is unchanged, and the
    distance to the reference never larger than before; it may be a local minimum, so several starts are tried: the
    units as they come, then in random orders.

    Args:
        landscape: of a network that `alignable` accepts.
        reference: shape (dim,); left as it is.
        other: shape (dim,).
        starts: how many; the closest end is taken.
        generator: of the orders.

    Returns:
        The permuted copy of `other`, shape (dim,).

    Raises:
        ValueError: a landscape that is not alignable, or points that are not its own or not finite.
        TypeError: points of another dtype, or a number of starts that is no integer.
    """
    if not alignable(landscape):
        raise ValueError(
            "hidden units can be matched in an nn.Sequential of Linear and ungrouped Conv2d layers with elementwise "
            "activations, pooling, dropout and Flatten between them, none of them tied; this landscape is another"
        )
    check_integer("starts", starts, 1)
    for name, point in (("reference", reference), ("other", other)):
        if not bool(torch.isfinite(point).all()):
            raise ValueError(f"{name} must be finite; it holds NaN or infinity: load its weights anew")
    module = landscape.module(other)
    target, source = _stack(landscape.module(reference)), _stack(module)
    ends = []
    for start in range(starts):
        stack = source if start == 0 else _shuffled(source, generator)
        while (swept := _sweep(target, stack, generator)) is not stack:
            stack = swept
        ends.append(stack)
    closest = min(ends, key=lambda stack: stack.distance(target))
    with torch.no_grad():
        for layer, weight, bias in zip(_layers(module), closest.weights, closest.biases, strict=True):
            layer.weight.copy_(weight.view_as(layer.weight))
            if layer.bias is not None:
                layer.bias.copy_(bias)
    return landscape.point(module)


def alignable(landscape: Any) -> TypeGuard[NetworkLandscape]:
    """Whether the orders of a landscape's hidden units are plain, so that `align` can match them."""
    if not isinstance(landscape, NetworkLandscape):
        return False
    nowhere = torch.zeros(landscape.dim, dtype=landscape.dtype, device=landscape.device)
    return _is_plain(landscape.module(nowhere))


@dataclass(frozen=True)
class _Stack:
    """The layers with weights, in float64.

    Attributes:
        weights: of each layer, shape (units, units before, weights between two units); one unit before the first.
        biases: of each layer, shape (units,); 0 where it has none.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @property
    def hidden(self) -> int:
        """How many layers of hidden units there are."""
        return len(self.weights) - 1

    def ordered(self, layer: int, order: Int[Tensor, " units"]) -> "_Stack":
        """The same function with a hidden layer's units in another order."""
        weights, biases = list(self.weights), list(self.biases)
        weights[layer], biases[layer] = weights[layer][order], biases[layer][order]
        weights[layer + 1] = weights[layer + 1][:, order]
        return _Stack(tuple(weights), tuple(biases))

    def units(self, layer: int) -> Float[Tensor, "units weights"]:
        """All weights into and out of each unit of a hidden layer."""
        into, out = self.weights[layer].flatten(1), self.weights[layer + 1].transpose(0, 1).flatten(1)
        return torch.cat([into, self.biases[layer][:, None], out], dim=1)

    def distance(self, other: "_Stack") -> float:
        """The squared Euclidean distance of the weights."""
        pairs = zip((*self.weights, *self.biases), (*other.weights, *other.biases), strict=True)
        return sum((own - its).square().sum().item() for own, its in pairs)


def _sweep(target: _Stack, stack: _Stack, generator: Generator) -> _Stack:
    """Every hidden layer once, in random order, in the best order given the others; the stack itself if none gains."""
    for layer in torch.randperm(stack.hidden, generator=generator).tolist():
        similar = target.units(layer) @ stack.units(layer).T
        rows, order = linear_sum_assignment(similar.numpy(), maximize=True)
        if similar[rows, order].sum() - similar.trace() > GAIN * similar.abs().sum():
            stack = stack.ordered(layer, torch.from_numpy(order))
    return stack


def _shuffled(stack: _Stack, generator: Generator) -> _Stack:
    for layer in range(stack.hidden):
        stack = stack.ordered(layer, torch.randperm(len(stack.biases[layer]), generator=generator))
    return stack


def _stack(module: nn.Module) -> _Stack:
    weights, biases, before = [], [], 1
    for layer in _layers(module):
        weight = layer.weight.detach().to("cpu", torch.float64)
        weights.append(weight.reshape(len(weight), before, -1))
        biases.append(weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().to(weight))
        before = len(weight)
    return _Stack(tuple(weights), tuple(biases))


def _layers(module: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def _is_plain(module: nn.Module) -> bool:
    """Whether it is known, from each layer with weights to the next, which inputs come from which unit."""
    if type(module) is not nn.Sequential:
        return False
    state, units, weights = INPUT, None, 0
    for layer in module:
        before, state = state, AFTER.get(type(layer), {}).get(state)
        if state is None:
            return False
        if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) != (1, -1):
            return False
        if isinstance(layer, nn.Conv2d):
            if layer.groups != 1:
                return False
            units = layer.out_channels
        if isinstance(layer, nn.Linear):
            if before == UNITS and layer.in_features != units:  # further axes were flattened
                return False
            units = layer.out_features
        weights += len(list(layer.parameters()))
    return weights == len(list(module.parameters()))  # there each tied one counts once
