"""Whether a faster way of evaluating a network gives what the plain way gives, tried out on two points."""

from typing import Any

import torch
from torch import Tensor

from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.functional import Function, Network


def stacking_fails(network: Network, function: Function, point: Tensor, batch: Any) -> str | None:
    """Why a function cannot be evaluated with stacked weights, in words, or None if it can."""
    try:
        stacked = _values("vmap", network, function, point, batch)
    except Exception as error:  # whatever a user's function does under vmap
        return str(error).partition("\n")[0]
    agree = _agree(stacked, _values("loop", network, function, point, batch))
    return None if agree else "its values differ from those of a loop"


def channels_last_works(network: Network, function: Function, point: Tensor, batch: Any) -> bool:
    """Whether a function has the same values with images laid out with their channels last."""
    plain = _values("loop", network, function, point, batch)
    network.channels_last = True
    try:
        return _agree(_values("loop", network, function, point, batch), plain)
    except RuntimeError:  # a view that needs another layout
        return False
    finally:
        network.channels_last = False


def _values(strategy: str, network: Network, function: Function, point: Tensor, batch: Any) -> Tensor:
    with torch.no_grad():
        points = torch.stack([point, point / 2])
        return Evaluation(network, strategy, 1).values(function, points, None, batch)


def _agree(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, rtol=1e-2, atol=1e-5, equal_nan=True)
