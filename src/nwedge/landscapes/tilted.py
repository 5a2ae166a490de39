"""A landscape with a random linear tilt: the minibatch noise of landscapes that have no data."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points, check_positive
from nwedge._random import normal
from nwedge.landscape import Landscape, attached_loss, loss_and_gradient


class TiltedLandscape:
    """A landscape plus a tilt that is linear in the point: loss'(P) = loss(P) + sigma xi.P, with xi ~ N(0, I).

    The tilt is drawn once, so two calls agree, and its mean over draws is 0. The minibatch of a view is the view.

    Args:
        landscape: the landscape that is tilted.
        sigma: the standard deviation of the tilt's slope along each axis.
        generator: one generator draws one xi for all points; a sequence draws one xi for each row of a batch, which
            must then have as many rows.

    Raises:
        ValueError: `sigma` is negative or not finite.
    """

    def __init__(self, landscape: Landscape, sigma: float, generator: Generator | Sequence[Generator]) -> None:
        check_positive("sigma", sigma, zero=True)
        self.landscape = landscape
        self.dim, self.dtype, self.device = landscape.dim, landscape.dtype, landscape.device
        self.rows = None if isinstance(generator, Generator) else len(generator)
        generators = [generator] if isinstance(generator, Generator) else generator
        self._slopes = torch.empty(len(generators), self.dim, dtype=self.dtype, device=self.device)
        for slope, own in zip(self._slopes, generators, strict=True):
            slope[:] = normal((self.dim,), own, dtype=self.dtype, device=self.device)
        self._slopes *= sigma

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The tilted losses, shape (batch,).

        Raises:
            ValueError, TypeError: points that do not belong to the landscape, or a batch of another length than the
                sequence of generators.
        """
        tilt = self._tilt(points)
        return attached_loss(self.landscape, points) + tilt

    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The tilted losses and their gradients, that of the landscape plus the slopes, detached.

        Raises:
            ValueError, TypeError: as `loss`.
        """
        tilt = self._tilt(points.detach())
        losses, slopes = loss_and_gradient(self.landscape, points)
        return losses + tilt, slopes + self._slopes

    def _tilt(self, points: Tensor) -> Tensor:
        check_points(self, points)
        if self.rows is None:
            return points @ self._slopes[0]
        if len(points) != self.rows:
            raise ValueError(
                f"this minibatch was drawn for a batch of {self.rows} points, one generator each; got {len(points)}: "
                "pass a single generator to show all points the same draw"
            )
        return torch.einsum("bd,bd->b", points, self._slopes)

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` initial points of the landscape, shape (count, dim)."""
        return self.landscape.initial(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "TiltedLandscape":
        """The view itself, which is deterministic."""
        return self
