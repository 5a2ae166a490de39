"""The filters of a torch module: which axis of each parameter counts its outputs."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from nwedge.geometry.filters import Filters, along, none, of_transposed

NORMALISATION = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAGNITUDES = ("weight_g", "original0")
"""The lengths of filters that weight normalisation (torch.nn.utils) keeps beside their directions."""


def find_filters(model: nn.Module, device: torch.device) -> Filters:
    """The filters of a model's parameters, tied ones once, in the order of `named_parameters`.

    The first axis counts the outputs, in transposed convolutions the groups and the second. Vectors, biases and the
    parameters of normalisation layers are no filters. A weight that layers share belongs to the first of them. Frozen
    weights (`requires_grad` is False) stay where they are, unless the whole model is frozen.
    """
    layers = dict(model.named_modules())
    named = list(model.named_parameters())
    labels = [_labels(layers, name, parameter) for name, parameter in named]
    frozen = [not parameter.requires_grad for _, parameter in named]
    return Filters.of(labels, [kept and not all(frozen) for kept in frozen], device)


def _labels(layers: dict[str, nn.Module], name: str, parameter: Tensor) -> Tensor:
    path, _, own = name.rpartition(".")
    layer = layers[path.partition("parametrizations")[0].rstrip(".")]
    beside = own.startswith("bias") or own in MAGNITUDES or isinstance(layer, NORMALISATION)
    if parameter.ndim < 2 or beside:
        return none(parameter.shape)
    if isinstance(layer, TRANSPOSED):
        return of_transposed(parameter.shape, layer.groups)
    return along(parameter.shape, 0)
