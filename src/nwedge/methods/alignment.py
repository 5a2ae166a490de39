"""Alignment: the units of one network are put in the order in which it is closest to another.

A network computes the same function when its hidden units change places, so two optima may be far apart, and walled
off on the straight line, only because their units stand in different orders. Which units can change places is found
from a pass through the network (`find_permutations`): those of dense and convolutional layers, of residual streams,
attention heads and the features in them, and more.
"""

import copy
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from nwedge._checks import check_choice, check_integer, check_points
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.networks.permutations import Permutations, find_permutations
from nwedge.landscapes.networks.tracing import Pass, Tensors
from nwedge.landscapes.networks.weights import check_model, read_weights
from nwedge.methods.matching import match_activations, match_weights

WEIGHTS, ACTIVATIONS = "weights", "activations"
METHODS = (WEIGHTS, ACTIVATIONS)
SEEN = 512
"""Examples on which activations are compared."""


def align(
    landscape: NetworkLandscape,
    reference: Float[Tensor, " dim"],
    other: Float[Tensor, " dim"],
    *,
    method: str = WEIGHTS,
    starts: int = 10,
    generator: Generator,
) -> Float[Tensor, " dim"]:
    """The point of `other` with its hidden units in the order that brings it closest to `reference`.

    Weight matching (Ainsworth et al. 2022, arXiv 2209.04836): the orders P_g of all groups of units minimise
    sum_w |w - P v|^2 over the weights w of the reference and v of the other, where P permutes each axis of v by its
    group's order; one group at a time, in random order of the groups, each an assignment problem that is solved
    exactly, until none improves. The function of the network is unchanged, and the distance to the reference never
    larger than before; it may be a local minimum, so several starts are tried: the units as they come, then in random
    orders. Activation matching instead takes the units whose values on 512 examples are most correlated; the distance
    may then grow.

    Args:
        landscape: of any network; `landscape.permutations` says what of it can change places.
        reference: shape (dim,); left as it is.
        other: shape (dim,).
        method: "weights" or "activations".
        starts: how many, of weight matching; the closest end is taken.
        generator: of the orders.

    Returns:
        The permuted copy of `other`, shape (dim,). With batch_norm="recompute" it computes the same function. With
        "keep", channels that are normalised by running statistics stay in their order, since a point does not hold
        these: `aligned_module` moves them along.

    Raises:
        ValueError: a landscape without such units, or points that are not its own or not finite.
        TypeError: points of another dtype, or a number of starts that is no integer.
    """
    _check(method, starts)
    if not isinstance(landscape, NetworkLandscape):
        raise ValueError(f"units can be matched in a NetworkLandscape; got {type(landscape).__name__}")
    for name, point in (("reference", reference), ("other", other)):
        check_points(landscape, point[None], name)
        if not bool(torch.isfinite(point).all()):
            raise ValueError(f"{name} must be finite; it holds NaN or infinity: load its weights anew")
    target, source = (_exact(_named(landscape, point)) for point in (reference, other))
    watched = landscape.pass_of(SEEN)
    permutations = landscape.permutations if method == WEIGHTS else find_permutations(watched, statistics=False)
    found = _matched(permutations, watched, target, source, method, starts, generator)
    return torch.cat([found[name].flatten() for name in landscape.parameter_shapes]).to(other)


def alignable(landscape: Any) -> TypeGuard[NetworkLandscape]:
    """Whether any hidden units of a landscape can change places, so that `align` can match them."""
    if not isinstance(landscape, NetworkLandscape):
        return False
    try:
        return bool(landscape.permutations.groups)
    except ValueError:  # no pass can be followed
        return False


def aligned_module(
    reference: nn.Module,
    other: nn.Module,
    batch: Any,
    *,
    method: str = WEIGHTS,
    starts: int = 10,
    generator: Generator,
) -> nn.Module:
    """A copy of `other` with its hidden units in the order that brings it closest to `reference`, as `align` finds it.

    The running statistics of BatchNorm move with their channels.

    Args:
        reference: in the mode in which it is to be evaluated; left as it is.
        other: with parameters of the same names and shapes; left as it is.
        batch: a few examples for a pass through the reference, several hundred to match activations: a tensor, a tuple
            of arguments, or a dict of them by name.
        method: "weights" or "activations".
        starts: how many, of weight matching; the closest end is taken.
        generator: of the orders.

    Raises:
        ValueError: a reference without such units or whose pass cannot be followed, or an `other` with other names or
            shapes, or NaN or infinity.
        TypeError: something else than modules, or a number of starts that is no integer.
    """
    _check(method, starts)
    check_model(reference)
    check_model(other)
    weights = read_weights(reference, other)
    target, source = _exact(dict(reference.named_parameters())), _exact({**weights, **dict(other.named_buffers())})
    watched = Pass(reference, batch)
    found = _matched(find_permutations(watched), watched, target, source, method, starts, generator)
    module = copy.deepcopy(other)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            tensor.copy_(found[name])
    return module


def _matched(
    permutations: Permutations,
    watched: Pass,
    target: Tensors,
    source: Tensors,
    method: str,
    starts: int,
    generator: Generator,
) -> Tensors:
    if not permutations.groups:
        raise ValueError(f"no units of {type(watched.model).__name__} can change places: {permutations}")
    if method == ACTIVATIONS:
        return match_activations(permutations, watched.exact(), target, source)
    return match_weights(permutations, target, source, starts=starts, generator=generator)


def _check(method: str, starts: int) -> None:
    check_choice("method", method, METHODS)
    check_integer("starts", starts, 1)


def _named(landscape: NetworkLandscape, point: Float[Tensor, " dim"]) -> dict[str, Tensor]:
    shapes = landscape.parameter_shapes
    pieces = point.split([torch.Size(shape).numel() for shape in shapes.values()])
    return {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}


def _exact(tensors: Tensors) -> dict[str, Tensor]:
    """Copies on the CPU, floating ones in float64."""
    return {
        name: tensor.detach().to("cpu", torch.float64 if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in tensors.items()
    }
