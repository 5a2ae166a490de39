"""Fresh initialisations of a pytree, by the user's own function of a key."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jaxtyping import Float
from torch import Tensor

from nwedge.adapters.jax.bridge import precision
from nwedge.adapters.jax.classification import traced
from nwedge.adapters.jax.weights import Weights
from nwedge.adapters.jax.words import leaves_by_place

KEYS = 2**31
"""Seeds of keys lie below it: JAX takes no larger ones without float64."""


class Initial:
    """Points drawn by init(key) -> params, compiled once.

    They are drawn in the dtype of the given params, so that twins of another dtype start at the same points.

    Raises:
        ValueError: `init` returns other leaves than those of params.
    """

    def __init__(self, init: Callable[[Array], Any], weights: Weights) -> None:
        self._weights = weights
        with precision(weights.given), jax.default_device(weights.home):
            shapes = traced("init(key)", lambda key, _: init(key), jax.random.key(0), None, "initial")
            leaves = leaves_by_place(shapes, "params")
            weights.check_shapes({place: tuple(leaf.shape) for place, leaf in leaves}, "what init(key) returns")
        self._draw = jax.jit(init)

    def __call__(self, seed: int) -> Float[Tensor, " dim"]:
        """The point that a seed draws."""
        with precision(self._weights.given), jax.default_device(self._weights.home):
            params = self._draw(jax.random.key(seed % KEYS))
        return self._weights.point(params)
