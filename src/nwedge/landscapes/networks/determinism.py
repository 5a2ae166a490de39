"""The probe: two passes through a model must agree and leave it as it was, or the layer that breaks this is named."""

import copy
import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from nwedge.landscapes.networks.dropout import drops
from nwedge.landscapes.networks.examples import identical
from nwedge.landscapes.networks.functional import Function
from nwedge.landscapes.networks.random_state import forked


def check_modes(model: nn.Module) -> None:
    """Refuse a model with layers that are known to be random, or to change, in train mode.

    A BatchNorm layer without running statistics is refused, too: its output depends on the other examples of a chunk.

    Raises:
        ValueError: naming the first such layer.
    """
    for name, layer in model.named_modules():
        if drops(layer) and layer.training:
            raise ValueError(
                f"{_title(name, layer)} is in train mode and drops units at random: call model.eval() first"
            )
        if isinstance(layer, _BatchNorm) and layer.training:
            raise ValueError(
                f"{_title(name, layer)} is in train mode, where its statistics change with every pass: call "
                "model.eval() first, or use batch_norm='recompute'"
            )
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise ValueError(f"{_title(name, layer)} keeps no running statistics: use batch_norm='recompute'")


def check_deterministic(model: nn.Module, run: Function, batch: Any, device: torch.device) -> Any:
    """Pass a few examples twice through a copy of the model, in the mode it is in, and return what comes out.

    Args:
        model: any module; it is not changed.
        run: what a pass does with a model and a batch.
        batch: a few examples; they are not changed.
        device: where the model is.

    Raises:
        ValueError: the two passes differ, or a pass changes a buffer or its input; the layer to blame is named.
    """
    probed = copy.deepcopy(model)
    buffers = {name: buffer.clone() for name, buffer in probed.named_buffers()}
    recorder = _Recorder(probed)
    with forked(0, device), torch.no_grad():
        passed = pytree.tree_map(torch.clone, batch)
        result = run(probed, passed)
        _check_buffers(probed, buffers)
        if not identical(pytree.tree_leaves(batch), pytree.tree_leaves(passed)):
            raise ValueError("the model or its loss changes its input in place, which spoils the data: copy it first")
        first, recorder.calls = recorder.calls, []
        repeated = run(probed, passed)
    for one, other in zip(first, recorder.calls, strict=False):
        if identical(one.inputs, other.inputs) and not identical(one.outputs, other.outputs):
            mode = "is in train mode and " if one.layer.training else ""
            advice = "call model.eval() first" if one.layer.training else "a landscape must be deterministic"
            raise ValueError(f"{_title(one.name, one.layer)} {mode}gives other outputs in a second pass: {advice}")
    if not identical(pytree.tree_leaves(result), pytree.tree_leaves(repeated)):
        raise ValueError("the loss differs in a second pass, though no layer does: a landscape must be deterministic")
    return result


@dataclass(frozen=True)
class _Call:
    name: str
    layer: nn.Module
    inputs: list[Any]
    outputs: list[Any]


class _Recorder:
    """Records what goes into and comes out of every module, in the order in which they finish."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[_Call] = []
        self._entered: list[list[Any]] = []
        for name, layer in model.named_modules():
            layer.register_forward_pre_hook(self._enter, with_kwargs=True)
            layer.register_forward_hook(functools.partial(self._leave, name))

    def _enter(self, layer: nn.Module, arguments: tuple, keywords: dict) -> None:
        self._entered.append(_kept((arguments, keywords)))

    def _leave(self, name: str, layer: nn.Module, arguments: tuple, output: Any) -> None:
        self.calls.append(_Call(name, layer, self._entered.pop(), _kept(output)))


def _kept(values: Any) -> list[Any]:
    return [leaf.detach().clone() if isinstance(leaf, Tensor) else leaf for leaf in pytree.tree_leaves(values)]


def _check_buffers(model: nn.Module, before: dict[str, Tensor]) -> None:
    for name, buffer in model.named_buffers():
        if not identical([before.get(name)], [buffer]):
            owner, _, own = name.rpartition(".")
            layer = model.get_submodule(owner)
            advice = "call model.eval() first" if layer.training else "a landscape must be deterministic"
            raise ValueError(f"{_title(owner, layer)} changes its buffer '{own}' in a pass: {advice}")


def _title(name: str, layer: nn.Module) -> str:
    return f"layer '{name}' ({type(layer).__name__})" if name else f"the model ({type(layer).__name__})"
