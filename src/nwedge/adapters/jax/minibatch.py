"""A JAX landscape seen on some of its examples, as in a step of training."""

from collections.abc import Sequence
from typing import Any, final

from jaxtyping import Float
from torch import Generator, Tensor

from nwedge.adapters.foreign import ForeignLandscape


@final
class JaxMinibatch(ForeignLandscape):
    """The mean loss on drawn examples; they are drawn once, so two calls agree.

    Args:
        landscape: the `JaxLandscape` whose examples they are.
        indices: of the examples, shape (count,), the same for all points, or (batch, count), others for each.
    """

    def __init__(self, landscape: Any, indices: Tensor) -> None:
        self.dim, self.dtype, self.device = landscape.dim, landscape.dtype, landscape.device
        self._landscape, self._indices = landscape, indices

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` initial points of the landscape, shape (count, dim)."""
        return self._landscape.initial(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "JaxMinibatch":
        """The view itself, which is deterministic."""
        return self

    def _losses(self, points: Tensor) -> Tensor:
        return self._landscape._losses(points, self._seen(points))

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self._landscape._losses_and_gradients(points, self._seen(points))

    def _products(self, points: Tensor, vectors: Tensor) -> Tensor:
        return self._landscape._products(points, vectors, self._seen(points))

    def _seen(self, points: Tensor) -> Tensor:
        """The indices, refused (ValueError) where they were drawn for another number of points."""
        if self._indices.ndim == 2 and len(points) != len(self._indices):
            raise ValueError(
                f"this minibatch was drawn for {len(self._indices)} points, one generator each; got {len(points)}: "
                "pass a single generator to show all points the same draw"
            )
        return self._indices
