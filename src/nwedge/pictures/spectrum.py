"""The spectrum of the Hessian at a point, by stochastic Lanczos quadrature."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge.landscape import Landscape
from nwedge.methods.curvature import TOLERANCE, SmoothedHessian, allocate
from nwedge.methods.lanczos import BLOCKS, Quadrature, lanczos

TOP = 20
"""Largest eigenvalues that are named."""


def spectrum(
    landscape: Landscape,
    point: Float[Tensor, " dim"],
    thresholds: Sequence[float],
    *,
    products: int,
    generator: Generator,
    progress: Callable[[int, int], object] | None = None,
) -> xr.Dataset:
    """The spectral density of the Hessian H as nodes and weights, sum_k w_k f(x_k) ~ trace f(H), and counts.

    Args:
        landscape: one that is twice differentiable almost everywhere.
        point: shape (dim,).
        thresholds: above which eigenvalues are counted (`Quadrature.count_above`).
        products: of H and a vector, at most so many.
        generator: of the probes.
        progress: called with the number of products that are done and of all.

    Returns:
        Dims node: eigenvalue and weight, whose sum is dim; threshold: count and count_error, the standard error; top:
        the largest eigenvalues that are known, at most 20.

    Raises:
        ValueError: a point that does not fit.
        FloatingPointError: a Hessian that is not finite.

    Source: Ubaru, Chen and Saad 2017, doi 10.1137/16M1104974.
    """
    hessian = SmoothedHessian(landscape, point, generator=generator)
    probes, steps = allocate(products)
    probes = min(probes, hessian.dim - hessian.dim % BLOCKS)
    steps = min(steps, hessian.dim // probes)

    def multiplied(vectors: Tensor) -> Tensor:
        found = hessian.products(vectors)
        if progress is not None:
            progress(hessian.multiplied, probes * steps)
        return found

    found = lanczos(
        multiplied,
        hessian.dim,
        probes=probes // BLOCKS,
        steps=steps,
        generator=generator,
        dtype=landscape.dtype,
        device=landscape.device,
    )
    return _dataset(found, thresholds, hessian.multiplied, getattr(landscape, "units", "1"))


def _dataset(found: Quadrature, thresholds: Sequence[float], products: int, units: str) -> xr.Dataset:
    per_probe = found.weights.mean(1) / BLOCKS * found.dim
    values, weights = found.values.flatten(), per_probe.flatten()
    order = values.argsort()
    counts, errors = zip(*map(found.count_above, thresholds), strict=True)
    curvature = {"units": units}
    return xr.Dataset(
        {
            "eigenvalue": ("node", _array(values[order]), {"long_name": "eigenvalue of the Hessian", **curvature}),
            "weight": ("node", _array(weights[order]), {"long_name": "eigenvalues that the node stands for"}),
            "count": ("threshold", np.array(counts), {"long_name": "eigenvalues above the threshold"}),
            "count_error": ("threshold", np.array(errors), {"long_name": "standard error of the count"}),
            "top": ("top", _array(found.top(TOLERANCE)[:TOP]), {"long_name": "largest eigenvalues", **curvature}),
        },
        {"threshold": ("threshold", np.array(thresholds, dtype=float), curvature)},
        {"dim": found.dim, "products": products},
    )


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
