"""The wedge model, written in JAX."""

import copy
from collections.abc import Callable
from functools import cached_property, partial, update_wrapper
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import torch
from jax import Array
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from nwedge.adapters.foreign import ForeignLandscape
from nwedge.adapters.jax.bridge import check_device, precision, to_jax, to_torch
from nwedge.adapters.jax.selection import squares_of
from nwedge.landscapes.families import Sampled
from nwedge.landscapes.wedges import WedgeLandscape


class Wedges(NamedTuple):
    """The wedges as arrays: what the compiled functions are given.

    Attributes:
        bases: the rows with which points are multiplied, shape (axes, dim); None: points are their own coordinates.
        sets: the short coordinates of each sampled wedge, shape (wedges, most), padded with the number of axes; None
            for the complete family.
        short: the number of short coordinates of the complete family, shape ().
        thickness: of every wedge, shape ().
        width: at which "saturating" levels off, shape ().
    """

    bases: Array | None
    sets: Array | None
    short: Array
    thickness: Array
    width: Array


@final
class JaxWedges(ForeignLandscape, WedgeLandscape):
    """The wedge model of FJ19 in JAX: L(P) = profile(max(0, min over S of |P_S| - thickness)).

    The arguments, attributes and wedges are those of `WedgeLandscape`. Loss, gradient and distance are compiled by JAX,
    and the Hessian-vector product is forward-over-reverse; all derivatives are 0 at distance 0. Functions are compiled
    once for each size of a batch, which is rounded up to m 2^e, m = 4 ... 7, so that there are four sizes an octave;
    landscapes that differ in seed, short, thickness or width share them.

    Raises:
        TypeError, ValueError: as `WedgeLandscape`; a device that JAX does not see.

    Source: Fort and Jastrzebski, NeurIPS 2019, arXiv 1906.04724 (FJ19).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_device(torch.device(kwargs.get("device", "cpu")))
        super().__init__(*args, **kwargs)

    update_wrapper(__init__, WedgeLandscape.__init__)  # its signature

    def distance(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The distance of each point to the nearest wedge, whatever the profile, shape (batch,); differentiable.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        other = copy.copy(self)
        other.profile = "distance"
        return other.loss(points)

    def _losses(self, points: Tensor) -> Tensor:
        return self._computed(losses, points)

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self._computed(losses_and_gradients, points)

    def _products(self, points: Tensor, vectors: Tensor) -> Tensor:
        return self._computed(products, points, vectors)

    def _computed(self, function: Callable[..., Any], *rows: Tensor) -> Any:
        """The function of all rows, a chunk at a time, each padded with zeros to one of few sizes."""
        results = []
        with precision(self.dtype):
            for part in zip(*(tensor.split(self._chunk) for tensor in rows), strict=True):
                count = len(part[0])
                full = [to_jax(_padded(tensor)) for tensor in part]
                values = function(self._wedges, *full, profile=self.profile, thick=self.thickness > 0)
                results.append(jax.tree.map(lambda array, count=count: to_torch(array)[:count], values))
        return results[0] if len(results) == 1 else jax.tree.map(lambda *parts: torch.cat(parts), *results)

    @cached_property
    def _wedges(self) -> Wedges:
        sets = None
        if isinstance(self._family, Sampled):
            axes = self.dim if self.bases is None else len(self.bases)
            sets = to_jax(torch.where(self._family.sets < 0, axes, self._family.sets).int())
        short = self.short if isinstance(self.short, int) else 0  # of the complete family alone
        scalars = (self.thickness, self.width)
        return Wedges(
            None if self.bases is None else to_jax(self.bases),
            sets,
            to_jax(torch.tensor(short, dtype=torch.int32, device=self.device)),
            *(to_jax(torch.tensor(scalar, dtype=self.dtype, device=self.device)) for scalar in scalars),
        )


def _losses_of(wedges: Wedges, points: Array, *, profile: str, thick: bool) -> Array:
    coordinates = points
    if wedges.bases is not None:
        coordinates = jnp.matmul(points, wedges.bases.T, precision="highest")  # no TF32
    squares = squares_of(coordinates, wedges.sets, wedges.short)
    return profile_loss(squares, profile, wedges.thickness if thick else None, wedges.width)


def profile_loss(squares: Array, profile: str, thickness: Array | None, width: Array) -> Array:
    """The loss at distance d = max(0, sqrt(squares) - thickness): d, d^2 or 1 - exp(-d^2 / (2 width^2)).

    The last two are computed without a root where the thickness is None, so that their second derivatives are exact on
    the wedge.
    """
    if profile == "distance":
        return _distance(squares, thickness)
    if thickness is not None:
        squares = jnp.square(_distance(squares, thickness))
    return squares if profile == "squared" else -jnp.expm1(squares / (-2 * width**2))


def _distance(squares: Array, thickness: Array | None) -> Array:
    """The root, whose derivatives are 0 at 0, less the thickness; roots whose second derivative overflows are 0."""
    zero = squares <= float(jnp.finfo(squares.dtype).tiny) ** (2 / 3)
    root = jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squares)))
    return root if thickness is None else jax.nn.relu(root - thickness)


def _losses_and_gradients_of(wedges: Wedges, points: Array, **form: Any) -> tuple[Array, Array]:
    losses, pulled = jax.vjp(lambda rows: _losses_of(wedges, rows, **form), points)
    return losses, pulled(jnp.ones_like(losses))[0]


def _products_of(wedges: Wedges, points: Array, vectors: Array, **form: Any) -> Array:
    return jax.jvp(lambda rows: _losses_and_gradients_of(wedges, rows, **form)[1], (points,), (vectors,))[1]


_compiled = partial(jax.jit, static_argnames=("profile", "thick"))
losses, losses_and_gradients, products = map(_compiled, (_losses_of, _losses_and_gradients_of, _products_of))


def _padded(rows: Tensor) -> Tensor:
    """The rows, and zeros up to the next number m 2^e with m = 4 ... 7: at most a quarter more."""
    step = 1 << max(0, len(rows).bit_length() - 3)
    more = -len(rows) % step
    return pad(rows, (0, 0, 0, more)) if more else rows
