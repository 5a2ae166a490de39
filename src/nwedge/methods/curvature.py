"""Curvature: the Hessian averaged over a small ball, and how many of its eigenvalues lie above a threshold."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points, check_positive
from nwedge._random import normal
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, hvp
from nwedge.methods.kept_graph import KeptGraph, keep_graph
from nwedge.methods.lanczos import BLOCKS, lanczos

METHODS = ("auto", "exact", "lanczos")
SMALL = 1500
"""The largest dimension for which "auto" takes the exact spectrum."""
LARGEST = 8192
"""The largest dimension of an exact spectrum: a matrix of 512 MiB."""
DRAWS, DRAWS_OF_WHOLE_DATA = 200, 10
"""Most points of the ball where none are asked for; the second where each costs a pass over all data."""
COLUMNS = 256
"""Columns of the Hessian computed at once."""
TOLERANCE = 0.01
"""The largest relative residual of a top eigenvalue that is called known."""


@dataclass(frozen=True)
class ShortDirections:
    """How many eigenvalues of the Hessian, averaged over a ball, lie above each threshold.

    The standard errors are those of the random probes and of the finite number of steps, for the given draws from the
    ball: 0 for "exact". Where a Hessian-vector product is not finite, counts and standard errors are NaN and `top` is
    empty.

    Attributes:
        thresholds: curvatures, in units of loss per squared unit of weight, shape (threshold,).
        counts: eigenvalues above each threshold, shape (threshold,); estimates need not be whole numbers.
        standard_errors: of the counts, shape (threshold,).
        top: the largest eigenvalues that are known, in decreasing order, shape (known,): all of them for "exact",
            those with a relative residual of at most 0.01 for "lanczos".
        method: "exact" or "lanczos".
        products: vectors that the averaged Hessian was multiplied with.
        radius: of the ball, relative to the root mean square coordinate of the point.
    """

    thresholds: Float64[Tensor, " threshold"]
    counts: Float64[Tensor, " threshold"]
    standard_errors: Float64[Tensor, " threshold"]
    top: Float64[Tensor, " known"]
    method: str
    products: int
    radius: float


class SmoothedHessian:
    """The Hessian averaged over a Gaussian ball, mean over k of H(P + sigma z_k), sigma = radius |P| / sqrt(dim).

    The z_k ~ N(0, I) are drawn once, so this is one fixed symmetric matrix. It averages the pointwise Hessians and is
    not the Hessian of the averaged loss, which also sees the kinks between two wedges.

    A landscape whose `epoch` partitions its data without bias is seen at another z_k on each block of the data, so that
    a product costs one pass over the data, or as many as it takes to use all draws.

    Args:
        landscape: any landscape that is twice differentiable almost everywhere.
        point: the centre P, shape (dim,).
        radius: relative to the root mean square coordinate of P; 0 takes the Hessian at P itself.
        draws: K, of no effect at radius 0. None takes one for each block of one pass over the data and at most 200; 200
            for landscapes without data; 10 where the blocks are biased (dropout, BatchNorm), each on all data.
        generator: of the draws and blocks.

    Attributes:
        dim: the dimension of the landscape.
        draws: K.
        multiplied: the number of vectors multiplied so far.

    Raises:
        ValueError, TypeError: a point that does not belong to the landscape or is not finite, a radius that is negative
            or not finite, a positive radius around the origin, or draws below 1.
    """

    def __init__(
        self,
        landscape: Landscape,
        point: Float[Tensor, " dim"],
        *,
        radius: float = 0.0,
        draws: int | None = None,
        generator: Generator,
    ) -> None:
        check_positive("radius", radius, zero=True)
        if draws is not None:
            check_integer("draws", draws, 1)
        _check_point(landscape, point)
        point = point.detach()
        self.landscape, self.dim, self.multiplied = landscape, landscape.dim, 0
        if radius == 0:
            self.draws, self._parts = 1, [(landscape, point[None])]
            return
        sigma = radius * point.square().mean().sqrt()
        if not sigma > 0:
            raise ValueError("a relative radius means nothing around the origin, where the point is 0: use radius=0")
        views = _blocks(landscape, generator)
        if draws is None:
            enough = DRAWS_OF_WHOLE_DATA if not views and hasattr(landscape, "epoch") else DRAWS
            draws = min(len(views) or enough, DRAWS)
        self.draws = draws
        noise = normal((draws, self.dim), generator, dtype=landscape.dtype, device=landscape.device)
        centres = point + sigma * noise
        while views and len(views) < draws:
            views += _blocks(landscape, generator)
        self._parts = [(view, centres[k % draws, None]) for k, view in enumerate(views)] or [(landscape, centres)]

    def products(self, vectors: Float[Tensor, "vector dim"]) -> Float[Tensor, "vector dim"]:
        """H v for each row v, shape (vector, dim), as many rows at once as hold 2^22 coordinates.

        By the landscape's own `hessian_sum`. Else, where the landscape allows, by one backward pass on a graph of the
        gradient that is kept (see `keep_graph`), of at most 1 GiB; else by the landscape's own `hvp` or by
        differentiating its gradient anew.

        Raises:
            ValueError, TypeError: vectors that do not belong to the landscape.
            FloatingPointError: a product that is not finite.
        """
        check_points(self.landscape, vectors, "vectors")
        rows = vectors.split(max(1, ELEMENTS_AT_ONCE // self.dim))
        total = torch.cat([self._summed(some) for some in rows])
        self.multiplied += len(vectors)
        if not bool(total.isfinite().all()):
            raise FloatingPointError("a Hessian-vector product is not finite: the loss has no curvature at this point")
        return total / sum(len(centres) for _, centres in self._parts)

    def matrix(self) -> Float64[Tensor, "dim dim"]:
        """The whole matrix, column by column, symmetrised, in float64.

        Raises:
            ValueError: more than 8192 dimensions.
        """
        if self.dim > LARGEST:
            raise ValueError(
                f"an exact spectrum is computed up to {LARGEST} dimensions; got {self.dim}: use method='lanczos'"
            )
        columns = torch.empty(self.dim, self.dim, dtype=torch.float64, device=self.landscape.device)
        for rows in torch.arange(self.dim, device=columns.device).split(COLUMNS):
            units = torch.zeros(len(rows), self.dim, dtype=self.landscape.dtype, device=columns.device)
            columns[rows] = self.products(units.scatter_(1, rows[:, None], 1.0)).double()
        return (columns + columns.T) / 2

    @functools.cached_property
    def _summed(self) -> Callable[[Tensor], Tensor]:
        """The products summed over all centres."""
        known = [(getattr(view, "hessian_sum", None), centres) for view, centres in self._parts]
        sums = [own(centres) for own, centres in known if own is not None]
        if len(sums) == len(self._parts):
            return lambda vectors: sum((one(vectors) for one in sums), torch.zeros_like(vectors))
        return self._anew if self._graph is None else self._graph.products

    @functools.cached_property
    def _graph(self) -> KeptGraph | None:
        return keep_graph(self._parts)

    def _anew(self, vectors: Tensor) -> Tensor:
        """The products summed over all centres, each from its own gradient."""
        total = torch.zeros_like(vectors)
        together = max(1, ELEMENTS_AT_ONCE // max(1, vectors.numel()))
        for view, centres in self._parts:
            for some in centres.split(together):
                points = some.repeat_interleave(len(vectors), 0)
                total += hvp(view, points, vectors.repeat(len(some), 1)).view(len(some), *vectors.shape).sum(0)
        return total


def short_directions(
    landscape: Landscape,
    point: Float[Tensor, " dim"],
    thresholds: Sequence[float],
    *,
    radius: float = 0.0,
    draws: int | None = None,
    method: str = "auto",
    probes: int = 4,
    steps: int = 30,
    products: int | None = None,
    generator: Generator,
) -> ShortDirections:
    """Count the short directions at a point: the eigenvalues of its Hessian, averaged over a ball, above thresholds.

    Methods:
        "exact": the whole matrix and its spectrum; dim products.
        "lanczos": Lanczos quadrature, probes * steps products, fewer where dim is smaller or the spectrum has few
            different values. Where k eigenvalues were found and c more estimated, the standard error of the count is
            about sqrt(2 c / probes) for c << dim. It needs a basis of probes * steps vectors in memory. Standard errors
            are too small where there are fewer steps than probes.
        "auto": "exact" up to 1500 dimensions, else "lanczos".

    Args:
        landscape: any landscape that is twice differentiable almost everywhere.
        point: shape (dim,).
        thresholds: positive curvatures.
        radius: of the ball, relative to the root mean square coordinate; see `SmoothedHessian`.
        draws: points of the ball; see `SmoothedHessian`.
        method: "auto", "exact" or "lanczos".
        probes: of "lanczos", an even number.
        steps: of "lanczos", for each probe.
        products: of "lanczos", at most so many, shared out in place of `probes` and `steps`: see `allocate`.
        generator: of the ball and the probes.

    Raises:
        ValueError, TypeError: thresholds that are none, not positive or not finite, an unknown method, a point that
            does not fit or is not finite, numbers out of range, or more than 8192 dimensions for "exact".
    """
    check_choice("method", method, METHODS)
    if not len(thresholds):
        raise ValueError("thresholds must be at least one positive curvature; got none")
    for threshold in thresholds:
        check_positive("each threshold", threshold)
    if products is not None:
        check_integer("products", products, BLOCKS)
        probes, steps = allocate(products)
    check_integer("steps", steps, 1)
    check_integer("probes", probes, BLOCKS)
    if probes % BLOCKS:
        raise ValueError(f"probes must be even, since one half of them deflates the other; got {probes}")
    hessian = SmoothedHessian(landscape, point, radius=radius, draws=draws, generator=generator)
    if method == "auto":
        method = "exact" if hessian.dim <= SMALL else "lanczos"
    if method == "lanczos" and probes > hessian.dim:
        raise ValueError(f"probes must be at most the dimension, {hessian.dim}; got {probes}: use method='exact'")
    levels = [float(threshold) for threshold in thresholds]
    try:
        found, top = (
            _exact(hessian, levels) if method == "exact" else _lanczos(hessian, levels, probes, steps, generator)
        )
    except FloatingPointError:
        found, top = [(float("nan"), float("nan"))] * len(levels), torch.empty(0, dtype=torch.float64)
    counts, errors = zip(*found, strict=True)
    return ShortDirections(
        thresholds=torch.tensor(levels, dtype=torch.float64),
        counts=torch.tensor(counts, dtype=torch.float64),
        standard_errors=torch.tensor(errors, dtype=torch.float64),
        top=top,
        method=method,
        products=hessian.multiplied,
        radius=radius,
    )


def allocate(products: int) -> tuple[int, int]:
    """The probes and steps that share out a number of products: about sqrt(products) / 2.5 probes, an even number.

    120 products: 4 probes, 30 steps; 630: 10 and 63. With more probes steps resolve less around the threshold, with
    fewer the probes' own spread is larger; on spectra of small networks the errors are nearly flat between the two.
    """
    probes = BLOCKS * max(1, math.isqrt(products) // 5)
    return probes, products // probes


Found = tuple[list[tuple[float, float]], Tensor]
"""The count and its standard error for each threshold, and the top eigenvalues."""


def _exact(hessian: SmoothedHessian, thresholds: list[float]) -> Found:
    top = torch.linalg.eigvalsh(hessian.matrix()).flip(0).cpu()
    return [(float((top > threshold).sum()), 0.0) for threshold in thresholds], top


def _lanczos(hessian: SmoothedHessian, thresholds: list[float], probes: int, steps: int, generator: Generator) -> Found:
    landscape = hessian.landscape
    quadrature = lanczos(
        hessian.products,
        hessian.dim,
        probes=probes // BLOCKS,
        steps=min(steps, hessian.dim // probes),
        generator=generator,
        dtype=landscape.dtype,
        device=landscape.device,
    )
    return [quadrature.count_above(threshold) for threshold in thresholds], quadrature.top(TOLERANCE).cpu()


def _blocks(landscape: Landscape, generator: Generator) -> list[Landscape]:
    """Views on equal blocks of the data whose mean is the loss; none without data or where the views are biased."""
    epoch = getattr(landscape, "epoch", None)
    views = [] if epoch is None else list(epoch(generator))
    return views if all(getattr(view, "unbiased", True) is not False for view in views) else []


def _check_point(landscape: Landscape, point: Tensor) -> None:
    if not isinstance(point, Tensor) or point.ndim != 1:
        came = tuple(point.shape) if isinstance(point, Tensor) else type(point).__name__
        raise ValueError(f"point must be a tensor of shape ({landscape.dim},), without a batch axis; got {came}")
    check_points(landscape, point[None], "point")
    if not bool(point.isfinite().all()):
        raise ValueError("point must be finite; it holds NaN or infinity: load its weights anew")
