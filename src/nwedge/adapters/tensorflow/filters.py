"""The filters of a Keras model: which axes of each weight count its outputs."""

from typing import Any

import torch
from keras import layers
from torch import Tensor

from nwedge.adapters.tensorflow.initial import layers_of
from nwedge.adapters.tensorflow.network import KerasNetwork
from nwedge.geometry.filters import Filters, along, none

BESIDE = ("bias", "gamma", "beta")
"""Names of weights that are no filters."""
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)


def find_filters(network: KerasNetwork, device: torch.device) -> Filters:
    """The filters of a model's trainable weights, in the order of a point.

    Kernels have their outputs last; transposed convolutions before their inputs, depthwise ones in the last two axes,
    einsum layers where their equation says so; embeddings have a row for each. Vectors, biases and the parameters of
    normalisation are no filters.

    Raises:
        ValueError: a weight of another name, whose layout is not known.
    """
    owners = {id(weight): layer for layer in layers_of(network.model) for weight in layer._trainable_variables}
    labels = [_labels(owners.get(id(weight)), weight) for weight in network.variables]
    return Filters.of(labels, [False] * len(labels), device)


def _labels(layer: Any, weight: Any) -> Tensor:
    shape, name = tuple(weight.shape), weight.name
    if len(shape) < 2 or name in BESIDE:
        return none(shape)
    if name == "embeddings":
        return along(shape, 0)
    if name == "kernel" and hasattr(layer, "equation"):
        inputs, _, outputs = layer.equation.partition("->")
        own = inputs.split(",")[1]
        return along(shape, *(axis for axis, letter in enumerate(own) if letter in outputs))
    if name == "depthwise_kernel" or isinstance(layer, DEPTHWISE):
        return along(shape, -2, -1)
    if isinstance(layer, TRANSPOSED):
        return along(shape, -2)
    if name.endswith("kernel"):
        return along(shape, -1)
    raise ValueError(
        f"which weights of '{weight.path}' make one output is not known by its name: call it 'kernel' (outputs last), "
        "or use nwedge.geometry.random"
    )
