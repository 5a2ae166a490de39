"""Data in TensorFlow's memory: inputs and targets, each a tensor or nested containers of tensors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import torch

from nwedge.adapters.tensorflow.bridge import DTYPES, device_name, length, to_tensorflow


@dataclass(frozen=True)
class Examples:
    """Inputs and targets with a common first axis, in the user's own structure."""

    inputs: Any
    targets: Any

    @property
    def count(self) -> int:
        """How many examples there are."""
        return length(tf.nest.flatten(self.inputs)[0])

    @property
    def pair(self) -> tuple[Any, Any]:
        """Inputs and targets."""
        return self.inputs, self.targets

    @property
    def specification(self) -> tuple[Any, Any]:
        """The shapes and dtypes of inputs and targets, for any number of examples."""
        return tf.nest.map_structure(lambda leaf: tf.TensorSpec((None, *leaf.shape[1:]), leaf.dtype), self.pair)

    def part(self, start: int, stop: int) -> tuple[Any, Any]:
        """Inputs and targets of consecutive examples."""
        if start <= 0 and stop >= self.count:
            return self.pair
        return tf.nest.map_structure(lambda leaf: leaf[start:stop], self.pair)

    def take(self, indices: tf.Tensor) -> "Examples":
        """Some of the examples, in the order of the indices."""
        return Examples(*gathered(self.pair, indices))


def gathered(pair: tuple[Any, Any], indices: tf.Tensor) -> tuple[Any, Any]:
    """The examples of the given indices."""
    return tf.nest.map_structure(lambda leaf: tf.gather(leaf, indices), pair)


def hold(data: Any, name: str, dtype: torch.dtype) -> Examples:
    """Hold data (x, y) on TensorFlow's current device; floating arrays take `dtype`, others keep theirs.

    Args:
        data: (x, y), each an array or tensor of NumPy, TensorFlow or torch, or nested containers of them.
        name: "training" or "held-out", for the errors.
        dtype: of the floating arrays.

    Raises:
        TypeError: data that are no pair, or something in them that is no array of numbers.
        ValueError: no examples, arrays of unequal length, NaN or infinity, or a tensor on a device that TensorFlow does
            not see.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        came = f"{len(data)} elements" if isinstance(data, tuple | list) else type(data).__name__
        raise TypeError(f"the {name} data must be a pair of arrays (x, y); got {came}: read a tf.data.Dataset first")
    inputs, targets = (tf.nest.map_structure(lambda leaf: _tensor(leaf, name, dtype), part) for part in data)
    lengths = [int(leaf.shape[0]) for leaf in tf.nest.flatten((inputs, targets))]
    if not lengths or len(set(lengths)) > 1:
        raise ValueError(
            f"the arrays of the {name} data must have one length, the number of examples; got lengths {lengths}"
        )
    if not lengths[0]:
        raise ValueError(f"the {name} data hold no examples")
    return Examples(inputs, targets)


def describe(values: Any) -> str:
    """Tensors in words: (float32 (8, 64), int64 (8,))."""
    if isinstance(values, dict):
        return "{" + ", ".join(f"{key!r}: {describe(value)}" for key, value in values.items()) + "}"
    if isinstance(values, tuple | list):
        return "(" + ", ".join(map(describe, values)) + ")"
    if hasattr(values, "shape") and hasattr(values, "dtype"):
        return f"{tf.as_dtype(values.dtype).name} {tuple(values.shape)}"
    return type(values).__name__


def _tensor(leaf: Any, name: str, dtype: torch.dtype) -> tf.Tensor:
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        raise TypeError(
            f"the {name} data must be arrays of numbers, or tuples, lists or dicts of them; got {type(leaf).__name__}: "
            "convert it with np.asarray"
        )
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "biuf":
        raise TypeError(f"the {name} data must be arrays of numbers; got an array of dtype {leaf.dtype}")
    if isinstance(leaf, torch.Tensor):
        device_name(leaf.device)  # refuses one that TensorFlow does not see
        leaf = to_tensorflow(leaf)
    tensor = tf.convert_to_tensor(leaf)
    if not tensor.shape.rank:
        raise ValueError(f"the {name} data must have examples along the first axis of every array; one has no axis")
    if not tensor.dtype.is_floating:
        return tf.identity(tensor)
    if not bool(tf.reduce_all(tf.math.is_finite(tensor))):
        raise ValueError(f"the {name} data hold NaN or infinity: leave these examples out or fill them")
    return tf.cast(tensor, DTYPES[dtype])
