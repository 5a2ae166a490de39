"""Directions that the loss itself points out: the steepest and the sharpest."""

from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer, check_point
from nwedge.landscape import Landscape, gradient
from nwedge.methods.curvature import SmoothedHessian
from nwedge.methods.eigenvectors import Eigenvectors, largest_eigenvectors

ACCURACY = 1e-4
"""The relative accuracy of the eigenvalues."""


def steepest(landscape: Landscape, point: Float[Tensor, " dim"]) -> Float[Tensor, "1 dim"]:
    """The gradient dL/dP, along which the loss rises fastest, shape (1, dim); not normalised.

    Args:
        landscape: any landscape.
        point: shape (dim,).

    Raises:
        ValueError, TypeError: a point that is not the landscape's, or one at which the gradient is 0.
        FloatingPointError: a gradient that is not finite.
    """
    check_point(landscape, point)
    slope = gradient(landscape, point[None])
    if not bool(slope.isfinite().all()):
        raise FloatingPointError("the gradient at this point is not finite, so it is no direction")
    if not bool(slope.any()):
        raise ValueError("the gradient at this point is 0, so it is no direction: use nwedge.geometry.random")
    return slope


def sharpest(landscape: Landscape, point: Float[Tensor, " dim"], count: int, generator: Generator) -> Eigenvectors:
    """The directions of largest curvature: the eigenvectors of the Hessian with the largest eigenvalues.

    Products with the Hessian are computed on the landscape's device in its dtype, the iteration (ARPACK) on the CPU in
    float64: every product takes its vector to the device and back.

    Args:
        landscape: one that is twice differentiable almost everywhere.
        point: shape (dim,).
        count: how many, below the dimension.
        generator: of the first vector of the iteration.

    Returns:
        The eigenvalues in decreasing order, shape (count,), to a relative accuracy of 1e-4, and the eigenvectors, of
        norm 1, shape (count, dim). Of equal eigenvalues the directions are arbitrary, and so is each one's sign.

    Raises:
        ValueError, TypeError: a point that is not the landscape's or not finite, or a count outside [1, dim - 1].
        FloatingPointError: a Hessian that is not finite.
    """
    check_integer("count", count, 1, landscape.dim - 1)
    hessian = SmoothedHessian(landscape, point, generator=generator)
    return largest_eigenvectors(hessian, count, tolerance=ACCURACY, generator=generator)
