"""Dropout layers: off in a loss, on in a minibatch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from nwedge.landscapes.networks.random_state import forked


def drops(layer: nn.Module) -> bool:
    """Whether a layer zeroes units at random in train mode; a function called with `self.training` is not seen."""
    if isinstance(layer, _DropoutNd):
        return layer.p > 0
    return isinstance(layer, nn.MultiheadAttention | nn.RNNBase) and layer.dropout > 0


@contextmanager
def dropping(layers: Sequence[nn.Module], seed: int, device: torch.device) -> Iterator[None]:
    """Put dropout layers into train mode, with their random state from `seed`, and back into eval mode."""
    try:
        for layer in layers:
            layer.training = True
        with forked(seed, device):
            yield
    finally:
        for layer in layers:
            layer.training = False
