"""Fresh initialisations of a model, by the methods with which its layers initialise themselves."""

import copy
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from nwedge._random import draw_seeds
from nwedge.landscapes.networks.random_state import forked


def draw_initial(model: nn.Module, count: int, generator: Generator) -> Tensor:
    """`count` points, drawn by each layer's own `reset_parameters` or `_reset_parameters`, shape (count, dim).

    Inner layers are reset before outer ones. Parameters of layers without such a method keep their values. All is drawn
    on the CPU in the model's own dtype, so that its float64 or CUDA twin starts at the same points.

    Raises:
        ValueError: no layer has such a method, or a layer is parametrized, so that the method has no effect.
    """
    model = copy.deepcopy(model).cpu()
    if not any(_reset_of(layer) for layer in model.modules()):
        raise ValueError(
            "no layer of the model has a reset_parameters method: draw initial points yourself, with .point"
        )
    for name, layer in model.named_modules():
        if is_parametrized(layer):
            raise ValueError(
                f"layer '{name}' ({type(layer).__name__}) is parametrized, so that its reset_parameters has no effect: "
                "draw initial points yourself, with .point"
            )
    points = []
    for seed in draw_seeds(generator, count):
        with forked(seed, torch.device("cpu")):
            model.apply(_reset)
        points.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    return torch.stack(points)


def _reset_of(layer: nn.Module) -> Callable[[], None] | None:
    return getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)


def _reset(layer: nn.Module) -> None:
    reset = _reset_of(layer)
    if reset is not None:
        reset()
