"""The filters of a pytree: which axis of each leaf counts its outputs, by the names that libraries give to leaves."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from nwedge.geometry.filters import Filters, along, none

HEADS = ("query", "key", "value")
"""Layers of Flax's attention whose outputs are heads x features of a head."""
ATTENTION = 3
"""Axes of their kernels."""


def find_filters(shapes: Mapping[str, tuple[int, ...]], device: torch.device) -> Filters:
    """The filters of the leaves of a pytree of Flax or Equinox, in the order of a point.

    Flax: `kernel` has its outputs last, `embedding` a row for each. Equinox: `weight` has its outputs first. Leaves
    with one axis or none, and those called `bias` or `scale`, are no filters.

    Args:
        shapes: of the leaves by place, such as `leaf ['Dense_0']['kernel'] of params`.
        device: where points are.

    Raises:
        ValueError: a leaf of another name, whose layout is not known.
    """
    labels = [_labels(place, shape) for place, shape in shapes.items()]
    return Filters.of(labels, [False] * len(labels), device)


def _labels(place: str, shape: tuple[int, ...]) -> Tensor:
    words = re.findall(r"\w+", place.removesuffix(" of params"))
    own, layer = words[-1], words[-2]
    if own == "value" and len(words) > 2:  # of Flax's nnx, where a leaf is the value of a parameter
        own, layer = words[-2], words[-3]
    if len(shape) < 2 or own in ("bias", "scale"):
        return none(shape)
    if own == "kernel":
        return along(shape, -2, -1) if layer in HEADS and len(shape) == ATTENTION else along(shape, -1)
    if own in ("embedding", "weight"):
        return along(shape, 0)
    raise ValueError(
        f"which weights of {place} make one output is not known by its name: call it 'kernel' (outputs last) or "
        "'weight' (outputs first), or use nwedge.geometry.random"
    )
