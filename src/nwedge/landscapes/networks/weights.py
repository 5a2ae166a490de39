"""Weights that come from outside, checked name by name."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

NAMED = 3
"""Names that an error lists; the rest is counted."""


def check_model(model: Any) -> None:
    """Refuse what has no weight space.

    Raises:
        TypeError: no module, or parameters that are not floating.
        ValueError: no parameters, lazy ones, or NaN or infinity in one.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError(f"the model ({type(model).__name__}) has no parameters, so it has no landscape")
    for name, parameter in parameters.items():
        if isinstance(parameter, UninitializedParameter):
            raise ValueError(f"parameter '{name}' is lazy and has no shape yet: pass one batch through the model first")
        if not parameter.is_floating_point():
            raise TypeError(f"parameter '{name}' has dtype {parameter.dtype}; the weights must be floating")
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(
                f"parameter '{name}' must be finite; got NaN or infinity: was its training stopped in time?"
            )


def private(model: nn.Module) -> nn.Module:
    """A copy of the model without gradients."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.grad = None
    return model


def place(
    model: nn.Module, dtype: torch.dtype | None, device: torch.device | str | None
) -> tuple[torch.dtype, torch.device]:
    """The dtype and device that are asked for or, where none are, those of the parameters.

    Raises:
        ValueError: parameters of several dtypes and none that is asked for.
        TypeError: a dtype that is not floating.
    """
    dtypes = {parameter.dtype for parameter in model.parameters()}
    if dtype is None and len(dtypes) > 1:
        raise ValueError(f"the parameters must have one dtype; got {', '.join(sorted(map(str, dtypes)))}: give dtype=")
    dtype = dtype or dtypes.pop()
    if not dtype.is_floating_point:
        raise TypeError(f"dtype must be floating; got {dtype}")
    return dtype, torch.device(device or next(model.parameters()).device)


def read_weights(model: nn.Module, given: nn.Module | Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights for a model from another module or a state dict, by the names of the model's parameters.

    Buffers may be there and are left out; tied weights may go by any of their names.

    Args:
        model: whose names and shapes they must have.
        given: a module or a state dict.

    Raises:
        TypeError: something else.
        ValueError: missing or unexpected names, other shapes, NaN or infinity, or tied weights that differ.
    """
    if isinstance(given, nn.Module):
        given = dict(given.named_parameters(remove_duplicate=False))
    if not isinstance(given, Mapping):
        raise TypeError(f"weights must come as a module or a state dict; got {type(given).__name__}")
    names = tied_names(model)
    known = {alias for aliases in names.values() for alias in aliases}
    known |= set(model.state_dict()) | {name for name, _ in model.named_buffers(remove_duplicate=False)}
    missing = [name for name, aliases in names.items() if not any(alias in given for alias in aliases)]
    unexpected = [name for name in given if name not in known]
    if missing or unexpected:
        parts = [f"{some(keys)} {what}" for keys, what in ((missing, "missing"), (unexpected, "unexpected")) if keys]
        raise ValueError(f"the weights must have the names of the model's parameters; got {' and '.join(parts)}")
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    return {name: _read(given, aliases, shapes[name]) for name, aliases in names.items()}


def tied_names(model: nn.Module) -> dict[str, list[str]]:
    """All names of each parameter, under the one that stands in the point."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    names: dict[str, list[str]] = {name: [] for name in first.values()}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names[first[id(parameter)]].append(name)
    return names


def _read(given: Mapping[str, Any], aliases: list[str], shape: torch.Size) -> Tensor:
    there = [alias for alias in aliases if alias in given]
    weights = [torch.as_tensor(given[alias]).detach() for alias in there]
    for name, weight in zip(there, weights, strict=True):
        if weight.shape != shape:
            raise ValueError(f"'{name}' must have shape {tuple(shape)}; got {tuple(weight.shape)}")
        if not bool(torch.isfinite(weight).all()):
            raise ValueError(f"'{name}' must be finite; got NaN or infinity: was its training stopped in time?")
        if not torch.equal(weight, weights[0]):
            raise ValueError(f"'{there[0]}' and '{name}' are tied in the model; got weights that differ")
    return weights[0]


def some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + rest
