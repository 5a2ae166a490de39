"""The edge of stability: the learning rate from which gradient descent cannot stay at a point."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from nwedge._checks import check_point, check_positive
from nwedge._random import derive, normal
from nwedge.landscape import Landscape, hvp


def edge_of_stability(
    landscape: Landscape, point: Float[Tensor, " dim"], momentum: float = 0.0, *, tolerance: float = 1e-3
) -> float:
    """The learning rate from which gradient descent is unstable at a point: 2 (1 + momentum) / lambda_max.

    lambda_max is the largest eigenvalue of the Hessian, by Lanczos iteration (ARPACK, on the CPU) on products with it.
    Weight decay adds its coefficient to lambda_max, which is left to the caller. Cohen et al. 2021, arXiv 2103.00065.

    Args:
        landscape: any landscape that is twice differentiable at the point.
        point: shape (dim,).
        momentum: beta of SGD, in [0, 1).
        tolerance: the relative accuracy of lambda_max.

    Returns:
        The rate; infinite where no eigenvalue is positive.

    Raises:
        ValueError, TypeError: a point that is not the landscape's or where the Hessian is not finite, or numbers out of
            range.
    """
    check_point(landscape, point)
    check_positive("tolerance", tolerance)
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1; got {momentum}")
    top = _largest_eigenvalue(landscape, point, tolerance)
    return 2 * (1 + momentum) / top if top > 0 else math.inf


def _largest_eigenvalue(landscape: Landscape, point: Tensor, tolerance: float) -> float:
    def product(vector: np.ndarray) -> np.ndarray:
        given = torch.as_tensor(vector, dtype=point.dtype, device=point.device).view(1, -1)
        found = hvp(landscape, point[None], given)[0].cpu().numpy()
        if not np.isfinite(found).all():
            raise ValueError("the Hessian is not finite at the point: take one where the loss is")
        return found

    generator = derive(0, "edge-of-stability", landscape.dim)
    start = normal((landscape.dim,), generator, dtype=point.dtype, device=generator.device).numpy()
    image = product(start)
    if not image.any():  # no curvature along a random direction: none at all, on which ARPACK cannot start
        return 0.0
    if landscape.dim == 1:
        return float(image[0] / start[0])
    operator = LinearOperator((landscape.dim, landscape.dim), matvec=product, dtype=start.dtype)  # pyright: ignore
    top = eigsh(operator, k=1, which="LA", v0=start, tol=tolerance, return_eigenvectors=False)  # pyright: ignore
    return float(top[0])
