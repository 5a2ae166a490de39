"""The weights of a pure function: a pytree of floating arrays, and the same as a flat point."""

from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from torch import Tensor

from nwedge.adapters.jax.bridge import DTYPES, precision, to_jax, to_torch, torch_device
from nwedge.adapters.jax.words import is_array, leaves_by_place


class Weights:
    """How a pytree is a point: the leaves one after another, in the order of `jax.flatten_util.ravel_pytree`.

    Args:
        params: the pytree, whose leaves are floating arrays of JAX or NumPy on one device.
        dtype: of points; None takes the leaves'.

    Attributes:
        dim: how many weights.
        dtype: of points.
        home: the leaves' device, in JAX; JAX's default device for arrays of NumPy.
        device: the same in torch.
        shapes: of the leaves by their places in words.
        unravel: the pytree of a flat array (dim,), for functions that JAX transforms.

    Raises:
        TypeError: a leaf that is no floating array, named by its place, or leaves of no common dtype.
        ValueError: no leaves, NaN or infinity, or leaves on several devices.
    """

    def __init__(self, params: Any, dtype: torch.dtype | None = None) -> None:
        leaves = floating_leaves(params, "params")
        if not sum(leaf.size for _, leaf in leaves):
            raise ValueError(
                "params hold no weights: give the pytree that apply_fn or loss takes as its first argument"
            )
        self.dtype = dtype or _common_dtype(leaves)
        if self.dtype not in DTYPES:
            raise TypeError(f"dtype must be torch.float32 or torch.float64; got {self.dtype}")
        self.home = _one_device(leaves)
        self.device = torch_device(self.home)
        self.given = torch.float64 if any(leaf.dtype == jnp.float64 for _, leaf in leaves) else torch.float32
        self.shapes = {place: leaf.shape for place, leaf in leaves}
        with precision(self.dtype):
            flat, self.unravel = ravel_pytree(self.cast(params))
        self.dim: int = flat.size

    def cast(self, params: Any) -> Any:
        """The same pytree with leaves of the landscape's dtype, copied, on its device; under `precision`."""
        return jax.tree.map(
            lambda leaf: jax.device_put(jnp.array(leaf, dtype=DTYPES[self.dtype], copy=True), self.home), params
        )

    def point(self, params: Any) -> Float[Tensor, " dim"]:
        """The point of a pytree with the leaves of `params`, a tensor of its own memory.

        Raises:
            TypeError: a leaf that is no floating array.
            ValueError: missing or unexpected leaves, other shapes, NaN or infinity.
        """
        leaves = floating_leaves(params, "params")
        self.check_shapes({place: leaf.shape for place, leaf in leaves}, "params")
        with precision(self.dtype):
            return to_torch(ravel_pytree(self.cast(params))[0])

    def params(self, point: Float[Tensor, " dim"]) -> Any:
        """The pytree of a point, in arrays of their own memory."""
        with precision(self.dtype):
            return self.unravel(jnp.array(to_jax(point, self.home), copy=True))

    def check_shapes(self, shapes: dict[str, tuple[int, ...]], what: str) -> None:
        """Refuse leaves by place that are not those of `params` (ValueError)."""
        gone = [f"no {place}" for place in self.shapes if place not in shapes]
        more = [f"an unexpected {place}" for place in shapes if place not in self.shapes]
        if gone or more:
            raise ValueError(
                f"{what} must have the leaves of the params that the landscape was made with; got "
                f"{' and '.join(gone[:1] + more[:1])}"
            )
        for place, shape in shapes.items():
            if tuple(shape) != tuple(self.shapes[place]):
                raise ValueError(f"{place} must have shape {tuple(self.shapes[place])}; got {tuple(shape)}")


def floating_leaves(params: Any, what: str) -> list[tuple[str, Any]]:
    """The leaves of a pytree by place, all of them finite floating arrays.

    Raises:
        TypeError: a leaf that is none.
        ValueError: NaN or infinity.
    """
    leaves = leaves_by_place(params, what)
    for place, leaf in leaves:
        if not is_array(leaf):
            raise TypeError(
                f"{what} must hold floating arrays alone; {place} is a {type(leaf).__name__}: leave it to the "
                "function, for example by equinox.partition(model, equinox.is_inexact_array)"
            )
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"{what} must hold floating arrays alone; {place} has dtype {leaf.dtype}: leave it to the function, "
                "for example by functools.partial or equinox.partition(model, equinox.is_inexact_array)"
            )
        if not bool(jnp.isfinite(leaf).all()):
            raise ValueError(f"{place} holds NaN or infinity: load its weights anew")
    return leaves


def _common_dtype(leaves: list[tuple[str, Any]]) -> torch.dtype:
    names = {str(leaf.dtype) for _, leaf in leaves}
    if len(names) > 1 or not names <= {"float32", "float64"}:
        raise TypeError(
            f"params must have one dtype, float32 or float64; got {', '.join(sorted(names))}: give dtype=torch.float32 "
            "or dtype=torch.float64"
        )
    return getattr(torch, names.pop())


def _one_device(leaves: list[tuple[str, Any]]) -> jax.Device:  # pyright: ignore[reportInvalidTypeForm]
    """The device that all JAX arrays among the leaves are on."""
    placed = [(place, device) for place, leaf in leaves if isinstance(leaf, jax.Array) for device in leaf.devices()]
    if not placed:
        return next(iter(jnp.zeros(()).devices()))
    first, home = placed[0]
    for place, device in placed:
        if device != home:
            raise ValueError(
                f"params must be on one device; {first} is on {home} and {place} on {device}: move them with "
                "jax.device_put(params, device)"
            )
    return home
