"""How a network is evaluated: the first strategy that gives what a plain loop gives, tried out on two points."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nwedge.landscapes.networks.classification import OfLogits
from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.functional import Function, Network
from nwedge.landscapes.networks.quick import quicken
from nwedge.landscapes.networks.stacked import Stacked
from nwedge.landscapes.networks.strategy import CHUNK, place, prefers_channels_last, rule


def choose_evaluation(
    model: nn.Module,
    network: Network,
    functions: Sequence[Function],
    point: Tensor,
    few: Any,
    strategy: str | None,
    chunk: int | None,
) -> Evaluation:
    """The evaluation that is asked for or, where none is, the first of the rule's that works.

    Args:
        model: as the network holds it; for "loop" it is changed to compute the same in less time (`quicken`).
        network: the network; images are laid out with their channels last where that works and pays.
        functions: what is evaluated: the loss first, and predictions of the user's own.
        point: where it is tried, shape (dim,).
        few: a batch to try it with.
        strategy: one of "stacked", "vmap" and "loop", or None.
        chunk: examples evaluated at once; None takes the strategy's own.

    Raises:
        ValueError: a strategy that cannot work.
    """
    reason = ""
    for name in (strategy,) if strategy else rule(model):
        try:
            stacked = _stacked(model, functions[0]) if name == "stacked" else None
            evaluation = Evaluation(network, name, chunk or CHUNK[place(point.device)][name], stacked)
            if name != "loop":
                for function in functions:
                    _check(evaluation, function, point, few)
        except ValueError as error:
            reason = str(error)
            continue
        if name == "loop":
            quicken(model)
            if prefers_channels_last(model, point.device):
                network.channels_last = all(_channels_last_works(network, one, point, few) for one in functions)
        return evaluation
    raise ValueError(f"strategy={strategy!r} cannot evaluate this model or loss ({reason}): use strategy='loop'")


def _stacked(model: nn.Module, loss: Function) -> Stacked:
    if not isinstance(loss, OfLogits):
        raise ValueError("it knows the default loss alone")
    return Stacked(model)


def _check(evaluation: Evaluation, function: Function, point: Tensor, batch: Any) -> None:
    """Refuse (ValueError) a function that cannot be evaluated at many points at once as it is in a loop."""
    try:
        values = _values(evaluation, function, point, batch)
    except Exception as error:  # whatever a user's function does under vmap
        raise ValueError(str(error).partition("\n")[0]) from error
    if not _agree(values, _looped(evaluation.network, function, point, batch)):
        raise ValueError("its values differ from those of a loop")


def _channels_last_works(network: Network, function: Function, point: Tensor, batch: Any) -> bool:
    """Whether a function has the same values with images laid out with their channels last."""
    plain = _looped(network, function, point, batch)
    network.channels_last = True
    try:
        return _agree(_looped(network, function, point, batch), plain)
    except RuntimeError:  # a view that needs another layout
        return False
    finally:
        network.channels_last = False


def _looped(network: Network, function: Function, point: Tensor, batch: Any) -> Tensor:
    return _values(Evaluation(network, "loop", 1), function, point, batch)


def _values(evaluation: Evaluation, function: Function, point: Tensor, batch: Any) -> Tensor:
    with torch.no_grad():
        return evaluation.values(function, torch.stack([point, point / 2]), None, batch)


def _agree(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, rtol=1e-2, atol=1e-5, equal_nan=True)
