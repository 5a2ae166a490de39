"""Data as examples in memory: a pytree of arrays with a common first axis."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax import Array
from torch import Tensor

from nwedge.adapters.jax.bridge import DTYPES, check_device, to_jax
from nwedge.adapters.jax.words import is_array, leaves_by_place


@dataclass(frozen=True)
class Examples:
    """All examples of a data set, in the user's own structure.

    Attributes:
        data: the pytree of arrays, each of shape (count, *).
        count: how many examples there are.
    """

    data: Any
    count: int

    def take(self, indices: Array) -> "Examples":
        """Some of the examples, in the order of the indices."""
        return Examples(jax.tree.map(lambda leaf: leaf[indices], self.data), len(indices))

    def shapes(self, count: int) -> Any:
        """The shapes and dtypes of the first examples, at most `count` of them: what JAX traces a function with."""
        size = min(count, self.count)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), self.data)


def hold(data: Any, name: str, *, dtype: torch.dtype, home: jax.Device) -> Examples:  # pyright: ignore[reportInvalidTypeForm]
    """A copy of the data, moved to a device; floating arrays take `dtype`, others keep theirs; under `precision`.

    Args:
        data: an array of JAX, NumPy or torch, or a pytree of them.
        name: "training" or "held-out", for the errors.
        dtype: of floating arrays.
        home: the device.

    Raises:
        TypeError: something in the data that is no array.
        ValueError: no examples, arrays of unequal length, NaN or infinity, integers that JAX would cut off, or a tensor
            on a device that JAX does not see.
    """
    leaves = leaves_by_place(data, f"the {name} data")
    if not leaves:
        raise ValueError(f"the {name} data hold no array")
    for place, leaf in leaves:
        if not (is_array(leaf) or isinstance(leaf, Tensor)):
            raise TypeError(
                f"the {name} data must be arrays of JAX, NumPy or torch in tuples, lists or dicts; {place} is a "
                f"{type(leaf).__name__}: convert it with numpy.asarray"
            )
        if not leaf.ndim:
            raise ValueError(f"the {name} data must have examples along the first axis; {place} has no axis")
    first, count = leaves[0][0], len(leaves[0][1])
    for place, leaf in leaves:
        if isinstance(leaf, Tensor):
            check_device(leaf.device)
        _check_fits(place, leaf, dtype)
        if len(leaf) != count:
            raise ValueError(
                f"the arrays of the {name} data must have one length, the number of examples; got {count} in {first} "
                f"and {len(leaf)} in {place}"
            )
    if not count:
        raise ValueError(f"the {name} data hold no examples")
    held = jax.tree.map(lambda leaf: jax.device_put(_own(leaf, dtype), home), data)
    for place, leaf in leaves_by_place(held, f"the {name} data"):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.isfinite(leaf).all()):
            raise ValueError(f"{place} holds NaN or infinity: leave these examples out or fill them")
    return Examples(held, count)


def _check_fits(place: str, leaf: Any, dtype: torch.dtype) -> None:
    """Refuse integers of more than 32 bits where JAX computes in float32 and so has none (ValueError)."""
    if dtype == torch.float64 or not len(leaf) or str(leaf.dtype).removeprefix("torch.") not in ("int64", "uint64"):
        return
    if not -(2**31) <= int(leaf.min()) <= int(leaf.max()) < 2**31:
        raise ValueError(f"{place} holds integers of more than 32 bits, which need dtype=torch.float64")


def _own(leaf: Any, dtype: torch.dtype) -> Array:
    """The leaf as an array of its own memory."""
    leaf = to_jax(leaf) if isinstance(leaf, Tensor) else leaf
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.array(leaf, dtype=DTYPES[dtype] if floating else None, copy=True)
