"""A network of the user's, from functions that are named as "package.module:function"."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.networks.sources import Source, load
from nwedge.specs.references import call, find


def own_network(
    network: str,
    data: Source,
    *,
    arguments: Mapping[str, Any] = {},
    loss: str | None = None,
    predict: str | None = None,
    **options: Any,
) -> NetworkLandscape:
    """The landscape of a module on data; of one in half precision, unless `dtype` is given, in float32.

    Args:
        network: names a function that returns a `torch.nn.Module`.
        data: names a function that returns (training data, held-out data or None), with its arguments.
        arguments: of the first function, by name.
        loss: names a function of (model, batch) -> mean over the batch; None: the cross-entropy.
        predict: names a function of (model, batch) -> probabilities.
        options: the others of `NetworkLandscape`.

    Raises:
        ValueError, TypeError: a function that is not to be found or takes other arguments, what they return is no
            module or no pair, or what `NetworkLandscape` refuses.
    """
    model = call(network, arguments)
    if not isinstance(model, nn.Module):
        raise TypeError(f"{network!r} must return a torch.nn.Module; got {type(model).__name__}")
    train, held_out = load(data)
    functions = {name: find(given) for name, given in (("loss", loss), ("predict", predict)) if given is not None}
    if all(torch.finfo(one.dtype).bits < 32 for one in model.parameters() if one.is_floating_point()):
        options = {"dtype": torch.float32} | options
    return NetworkLandscape(model, train, held_out, **functions, **options)
