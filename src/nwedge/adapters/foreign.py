"""What landscapes of other frameworks share: the loss is theirs, and so are its derivatives."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_points, check_same_shape
from nwedge.landscape import own_derivatives


class ForeignLandscape(ABC):
    """A landscape whose losses, gradients and Hessian-vector products another framework computes.

    A framework implements `_losses`, `_losses_and_gradients` and `_products`, which take and give detached torch
    tensors; its bridge makes them its own arrays by DLPack, without a copy where device and layout allow. Gradients
    cross through one `torch.autograd.Function`, so what wraps a landscape serves these, too; where one may be asked
    for, it is computed together with the loss.

    Attributes:
        dim: the number of weights.
        dtype: of points and losses.
        device: where points live.
    """

    dim: int
    dtype: torch.dtype
    device: torch.device
    hessian_sum = None  # products are the other framework's, whatever torch landscape a class also inherits from

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The loss of each point, shape (batch,); twice differentiable.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        if torch.is_grad_enabled() and points.requires_grad:
            return own_derivatives(self, points, *self._losses_and_gradients(points.detach()))
        return self._losses(points.detach())

    def gradient(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """The gradients dL/dP, shape (batch, dim), by the other framework.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        return self.loss_and_gradient(points)[1]

    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The losses and gradients in one pass of the other framework, shapes (batch,) and (batch, dim), detached.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        return self._losses_and_gradients(points.detach())

    def hvp(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The Hessian-vector products H(P) v, shape (batch, dim), by the other framework.

        Raises:
            ValueError, TypeError: points or vectors whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        check_same_shape(points, vectors)
        return self._products(points.detach(), vectors.detach())

    @abstractmethod
    def _losses(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]: ...

    @abstractmethod
    def _losses_and_gradients(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]: ...

    @abstractmethod
    def _products(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]: ...


def missing(framework: str, extra: str) -> str:
    """The sentence for a framework that is not installed: what to do about it."""
    return f"{framework} is not installed: pip install 'nwedge[{extra}]'"
