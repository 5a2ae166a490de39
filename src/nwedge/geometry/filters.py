"""Which filter of a network each weight of a point belongs to."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int32
from torch import Tensor


@dataclass(frozen=True)
class Filters:
    """The tensor and the filter that each weight belongs to, both numbered from 0 over the whole network.

    A filter is what makes one output: a slice of a convolution's kernel, a row of a dense layer's matrix.

    Attributes:
        filters: shape (dim,); -1 for what is no part of a filter, biases and parameters of normalisation.
        tensors: shape (dim,); -1 for weights that are frozen.
    """

    filters: Int32[Tensor, " dim"]
    tensors: Int32[Tensor, " dim"]

    @classmethod
    def of(cls, labels: Sequence[Int32[Tensor, "..."]], frozen: Sequence[bool], device: torch.device) -> "Filters":
        """The filters of tensors one after another.

        Args:
            labels: for each tensor, in its shape, the filter within it that each weight belongs to, or -1.
            frozen: which of the tensors keep their weights.
            device: where points are.
        """
        counts = [int(own.max()) + 1 if own.numel() else 0 for own in labels]
        starts = [0, *itertools.accumulate(counts)]
        filters = [
            torch.where((own < 0) | kept, -1, own + start).flatten()
            for own, kept, start in zip(labels, map(torch.tensor, frozen), starts, strict=False)
        ]
        tensors = [
            torch.full((own.numel(),), -1 if kept else number, dtype=torch.int32)
            for number, (own, kept) in enumerate(zip(labels, frozen, strict=True))
        ]
        return cls(torch.cat(filters).to(device), torch.cat(tensors).to(device))

    @property
    def layers(self) -> Int32[Tensor, " dim"]:
        """The tensor of each weight, shape (dim,); -1 for what is no part of a filter."""
        return torch.where(self.filters < 0, -1, self.tensors)

    def with_others(self, groups: Int32[Tensor, " dim"]) -> Int32[Tensor, " dim"]:
        """The groups, and beside them each tensor of others (biases, normalisation) as one more, shape (dim,)."""
        others = (self.filters < 0) & (self.tensors >= 0)
        return torch.where(others, groups.max() + 1 + self.tensors, groups)


def along(shape: Sequence[int], *axes: int) -> Int32[Tensor, "..."]:
    """Labels of a tensor each of whose filters is what lies at one place of some axes."""
    chosen = {axis % len(shape) for axis in axes}
    sizes = [size if axis in chosen else 1 for axis, size in enumerate(shape)]
    return torch.arange(math.prod(sizes), dtype=torch.int32).view(sizes).expand(tuple(shape))


def of_transposed(shape: Sequence[int], groups: int) -> Int32[Tensor, "..."]:
    """Labels of a transposed convolution's kernel, (inputs, outputs of a group, *), by the output of its group."""
    inputs, outputs = shape[:2]
    group = torch.arange(inputs, dtype=torch.int32) // (inputs // groups)
    labels = group[:, None] * outputs + torch.arange(outputs, dtype=torch.int32)
    return labels.view(inputs, outputs, *[1] * (len(shape) - 2)).expand(tuple(shape))


def none(shape: Sequence[int]) -> Int32[Tensor, "..."]:
    """Labels of a tensor without filters: a bias, a parameter of normalisation."""
    return torch.full(tuple(shape), -1, dtype=torch.int32)
