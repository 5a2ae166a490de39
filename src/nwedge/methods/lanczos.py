"""Counting eigenvalues above a threshold from products alone: Lanczos quadrature whose probes deflate one another."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from nwedge._random import normal

BLOCKS = 2
"""Blocks of probes: what each one finds of the spectrum deflates the other's."""
NEGLIGIBLE = 1e-2
"""Values below this share of a threshold are taken for it where logarithms are interpolated."""
LEAK = 0.25
"""A Ritz vector counts as found where |residual| <= LEAK (its value - threshold): at most LEAK^2 of it lies below."""
EXHAUSTED = 100
"""A residual of this many rounding errors is none: a new random vector takes its place."""
ROUNDING = 10
"""Rounding errors of the largest value that each residual is taken to have at least: closer to a threshold nothing is
found."""


@dataclass(frozen=True)
class Quadrature:
    """What two blocks of orthonormal probes see of a symmetric matrix.

    Attributes:
        dim: the size of the matrix.
        values: the Ritz values of each block, in decreasing order, shape (2, node).
        residuals: |H y - value y| of each Ritz vector y, at least its rounding error, shape (2, node).
        weights: (u.y)^2 for each probe u and the Ritz vectors y of its own block, shape (2, probe, node).
        overlaps: the same with the Ritz vectors of the other block, shape (2, probe, node).
    """

    dim: int
    values: Float64[Tensor, "2 node"]
    residuals: Float64[Tensor, "2 node"]
    weights: Float64[Tensor, "2 probe node"]
    overlaps: Float64[Tensor, "2 probe node"]

    def count_above(self, threshold: float) -> tuple[float, float]:
        """The number of eigenvalues above a positive threshold and its standard error.

        A block takes the k Ritz vectors V that the other block found above the threshold as eigenvectors, and its
        probes u without their part in V as probes of the rest, so that it estimates

            k + c, c = (dim - k) mean over u of [w(u) - |V u|^2] / [1 - |V u|^2],

        w(u) being the weight of its nodes above the threshold. V is independent of u, hence no bias where eigenvalues
        coincide. The result is the mean of the two blocks.

        The two nodes next to the threshold, with weights a and b, bound the weight above it: w - a and w + b
        (Chebyshev, Markov and Stieltjes; a theorem for one probe a block, an estimate for more), unless they stand for
        eigenvectors that are found. Between the middles of the bounds at the two nodes the weight is interpolated in
        log value.

        The variance is that of a uniform distribution within the bounds, (dim - k)^2 mean(a + b)^2 / 12, plus that of
        the probes, 2 c (N - c) (N - p) / (p (N - 1) (N + 2)) with N = dim - k: the variance of the overlap of a
        c-dimensional subspace with a random p-dimensional one; halved for the two blocks. Where a node next to the
        threshold is not found, an eigenvalue is in doubt: c is then taken as at least 1, and the 1/4 of a fair coin is
        added. Where rounding or the leaks of found vectors make c < 0 or > N, the magnitudes of c and N - c count.

        Source: stochastic Lanczos quadrature, Ubaru, Chen and Saad 2017, doi 10.1137/16M1104974; probes that deflate
        one another as in XTrace, Epperly, Tropp and Webber 2024, arXiv 2301.07825.
        """
        above = self.values > threshold
        sharp = self.residuals <= LEAK * (self.values - threshold).abs()
        found = (above & sharp).flip(0)
        known = found.sum(1)
        rest = self.dim - known
        taken = (self.overlaps * found[:, None]).sum(2)
        inside, bounds, in_doubt = self._weight_above(threshold, above, sharp)
        estimate = rest * ((inside - taken) / (1 - taken)).mean(1)
        resolution = (rest * (bounds / (1 - taken)).mean(1)).mean().square() / 12
        probes = self.weights.shape[1]
        c = estimate.abs().clamp(min=float(in_doubt))
        sampling = 2 * c * (rest - c).abs() * (rest - probes) / (probes * (rest - 1).clamp(min=1) * (rest + 2))
        error = (resolution + sampling.sum() / BLOCKS**2 + in_doubt / 4).sqrt()
        return (known + estimate).mean().item(), error.item()

    def _weight_above(self, threshold: float, above: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor, bool]:
        """The interpolated weight above the threshold and the distance of its bounds, each of shape (2, probe).

        The last value says whether a node next to the threshold is no eigenvector that is found.
        """
        count = above.sum(1, keepdim=True)
        neighbours = torch.cat([count - 1, count], 1).clamp(0, above.shape[1] - 1)
        side = torch.tensor([True, False], device=above.device)
        blurred = (above.gather(1, neighbours) == side) & ~sharp.gather(1, neighbours)
        weights = self.weights.gather(2, neighbours[:, None].expand(-1, self.weights.shape[1], -1)) * blurred[:, None]
        upper, lower = (self.values.gather(1, neighbours) / threshold).clamp(min=NEGLIGIBLE).log().unbind(1)
        position = (upper / (upper - lower).clamp(min=NEGLIGIBLE)).clamp(0, 1)
        a, b = weights.unbind(2)
        inside = (self.weights * above[:, None]).sum(2) - a / 2 + position[:, None] * (a + b) / 2
        return inside, a + b, bool(blurred.any())

    def top(self, tolerance: float) -> Float64[Tensor, " known"]:
        """The largest eigenvalues in decreasing order, up to the first whose residual exceeds tolerance * value.

        A multiple eigenvalue appears at most as often as a block has probes.
        """
        runs = (self.residuals <= tolerance * self.values).long().cumprod(1).sum(1)
        longest = int(runs.argmax())
        return self.values[longest, : int(runs[longest])]


def lanczos(
    products: Callable[[Float[Tensor, "vector dim"]], Float[Tensor, "vector dim"]],
    dim: int,
    *,
    probes: int,
    steps: int,
    generator: Generator,
    dtype: torch.dtype,
    device: torch.device,
) -> Quadrature:
    """Two block Lanczos runs with full reorthogonalisation, all vectors of a step in one call of `products`.

    Args:
        products: H v for each row v of a matrix, H symmetric.
        dim: the size of H.
        probes: random orthonormal probes in each block.
        steps: calls of `products`, fewer where both blocks have become invariant; 2 probes steps <= dim.
        generator: of the probes.
        dtype: of the vectors; the small matrices are float64.
        device: of the vectors.

    Raises:
        FloatingPointError: a product that is not finite.
    """

    def draw() -> Tensor:
        return normal((BLOCKS, probes, dim), generator, dtype=dtype, device=device)

    room = torch.empty(BLOCKS, steps * probes, dim, dtype=dtype, device=device)
    basis, rows = room[:, :0], []
    block = _orthonormal(draw(), basis)
    residual = torch.zeros_like(block)
    for step in range(steps):
        room[:, step * probes : (step + 1) * probes] = block
        basis = room[:, : (step + 1) * probes]
        image = products(block.flatten(0, 1)).view_as(block)
        rows.append(image @ basis.mT)
        residual = image - rows[-1] @ basis
        residual = residual - (residual @ basis.mT) @ basis
        scale = torch.stack([row.abs().max() for row in rows]).max()
        lengths = residual.norm(dim=2, keepdim=True)
        goes_on = lengths > EXHAUSTED * torch.finfo(dtype).eps * scale  # which no NaN does
        if step == steps - 1 or not bool(goes_on.any()):
            break
        block = _orthonormal(torch.where(goes_on, residual / lengths, draw()), basis)

    size = basis.shape[1]
    projected = torch.zeros(BLOCKS, size, size, dtype=torch.float64, device=device)
    for step, row in enumerate(rows):
        own = slice(step * probes, (step + 1) * probes)
        projected[:, own, : row.shape[2]] = row.double()
    check_finite(projected)
    values, vectors = torch.linalg.eigh(projected)  # of its lower triangle
    values, vectors = values.flip(1), vectors.flip(2)
    residuals = (torch.linalg.qr(residual.double().mT).R @ vectors[:, -probes:]).norm(dim=1)
    across = (basis[:, :probes] @ basis.flip(0).mT).double()
    return Quadrature(
        dim=dim,
        values=values,
        residuals=residuals.clamp(min=ROUNDING * torch.finfo(dtype).eps * values.abs().max().item()),
        weights=vectors[:, :probes].square(),
        overlaps=(across @ vectors.flip(0)).square(),
    )


def check_finite(products: Tensor) -> None:
    """Refuse products with a Hessian that are not finite, or what was made of them (FloatingPointError)."""
    if not bool(products.isfinite().all()):
        raise FloatingPointError("a Hessian-vector product is not finite: the loss has no curvature at this point")


def _orthonormal(block: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal rows that span the part of a block's rows outside the basis; projected twice, which is enough."""
    for _ in range(2):
        block = torch.linalg.qr((block - (block @ basis.mT) @ basis).mT).Q.mT
    return block
