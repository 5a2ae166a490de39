"""The largest eigenvalues of a Hessian with their eigenvectors."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Generator, Tensor

from nwedge._random import normal
from nwedge.methods.curvature import SmoothedHessian
from nwedge.methods.lanczos import check_finite

WHOLE = 64
"""The dimension up to which the whole matrix is taken."""


class Eigenvectors(NamedTuple):
    """Eigenvalues in decreasing order, shape (count,), and their eigenvectors of norm 1, shape (count, dim)."""

    values: Float64[Tensor, " count"]
    vectors: Float[Tensor, "count dim"]


def largest_eigenvectors(
    hessian: SmoothedHessian, count: int, *, tolerance: float, generator: Generator
) -> Eigenvectors:
    """The `count` algebraically largest eigenvalues, by implicitly restarted Lanczos iterations (ARPACK).

    Args:
        hessian: the matrix, by its products with vectors.
        count: below its dimension.
        tolerance: the relative accuracy of the values; 0 is that of the machine.
        generator: of the first vector.

    Raises:
        FloatingPointError: a product that is not finite.
        ValueError: a Hessian that is 0, or whose largest eigenvalues lie too close together to be found.

    Source: Lehoucq, Sorensen and Yang 1998, ARPACK Users' Guide.
    """
    landscape = hessian.landscape
    if hessian.dim <= WHOLE:
        values, vectors = torch.linalg.eigh(hessian.matrix())
        return Eigenvectors(values.flip(0)[:count], vectors.T.flip(0)[:count].to(landscape.device, landscape.dtype))

    def product(vector: np.ndarray) -> np.ndarray:
        row = torch.from_numpy(np.ascontiguousarray(vector.reshape(1, -1))).to(landscape.device, landscape.dtype)
        found = hessian.products(row)[0].double().cpu()
        check_finite(found)
        return found.numpy()

    operator = LinearOperator((hessian.dim, hessian.dim), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    start = normal((hessian.dim,), generator, dtype=torch.float64, device=torch.device("cpu")).numpy()
    try:
        values, vectors = eigsh(operator, k=count, which="LA", v0=start, tol=tolerance)  # pyright: ignore
    except ArpackError as error:
        raise ValueError(
            f"the {count} largest eigenvalues of the Hessian cannot be told apart from others at this point, where it "
            "may be 0: take other directions, such as random ones"
        ) from error
    order = np.argsort(values)[::-1]
    rows = torch.from_numpy(np.ascontiguousarray(vectors.T[order])).to(landscape.device, landscape.dtype)
    return Eigenvectors(torch.from_numpy(values[order].copy()).to(landscape.device), rows)
