"""Orthonormal bases Q of random subspaces, of several planes at once: stored, or with one nonzero in each row."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import normal, signs, uniform


class Dense:
    """The orthonormal factor of a Gaussian matrix, stored: a uniform subspace (Li et al. 2018, arXiv 1804.08838).

    Args:
        dim: the dimension of weight space.
        d: the dimension of each plane.
        generators: of each plane.
        dtype: of Q.
        device: of Q.
    """

    def __init__(
        self, dim: int, d: int, generators: Sequence[Generator], *, dtype: torch.dtype, device: torch.device
    ) -> None:
        drawn = [normal((dim, d), generator, dtype=dtype, device=device) for generator in generators]
        self.matrices = torch.stack([torch.linalg.qr(gaussian).Q for gaussian in drawn])

    @staticmethod
    def bytes(dim: int, d: int, dtype: torch.dtype) -> int:
        """What one plane holds in memory."""
        return dim * d * dtype.itemsize

    def embed(self, coords: Float[Tensor, "planes rows coords"]) -> Float[Tensor, "planes rows ambient"]:
        """Q c in each plane."""
        return coords @ self.matrices.mT

    def transpose(self, vectors: Float[Tensor, "planes rows ambient"]) -> Float[Tensor, "planes rows coords"]:
        """Q^T v in each plane."""
        return vectors @ self.matrices


class Applied(ABC):
    """Bases that are applied to vectors and not stored: a kind gives the product and its adjoint."""

    def embed(self, coords: Float[Tensor, "planes rows coords"]) -> Float[Tensor, "planes rows ambient"]:
        """Q c in each plane."""
        return _Linear.apply(coords, self._embed, self._transpose)  # pyright: ignore[reportReturnType]

    def transpose(self, vectors: Float[Tensor, "planes rows ambient"]) -> Float[Tensor, "planes rows coords"]:
        """Q^T v in each plane."""
        return _Linear.apply(vectors, self._transpose, self._embed)  # pyright: ignore[reportReturnType]

    @abstractmethod
    def _embed(self, coords: Tensor) -> Tensor: ...

    @abstractmethod
    def _transpose(self, vectors: Tensor) -> Tensor: ...


class Sparse(Applied):
    """One nonzero in each row, orthonormal because columns share no row: Q[i, k(i)] = e(i) / sqrt(n(k(i))).

    The signs e are random, and n(k) is how many rows a column has. The weights are cut into stretches of d; in each of
    them k is a random permutation of the columns, so that n is dim / d rounded up or down and any two weights of
    different stretches share a column with probability 1 / d: the count sketch of Charikar, Chen and Farach-Colton
    2002, balanced. O(dim) time and memory.

    On CUDA the sums of the transpose are taken in no fixed order, unless torch is told to be deterministic.

    The arguments are those of `Dense`.
    """

    def __init__(
        self, dim: int, d: int, generators: Sequence[Generator], *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.d = d
        # column k with the sign -1 is column d + k of [Q, -Q]
        self.columns = torch.stack([_signed_columns(dim, d, generator).to(device) for generator in generators])
        counts = torch.stack([torch.bincount(one % d, minlength=d) for one in self.columns])
        self.scale = counts.to(dtype).rsqrt()[:, None]

    @staticmethod
    def bytes(dim: int, d: int, dtype: torch.dtype) -> int:
        """What one plane holds in memory: the column of each row, and the scale of each column."""
        return dim * torch.int64.itemsize + d * dtype.itemsize

    def _embed(self, coords: Tensor) -> Tensor:
        scaled = coords * self.scale
        return torch.cat([scaled, -scaled], 2).gather(2, self._columns_of(coords))

    def _transpose(self, vectors: Tensor) -> Tensor:
        sums = vectors.new_zeros(*vectors.shape[:2], 2 * self.d).scatter_add_(2, self._columns_of(vectors), vectors)
        return (sums[..., : self.d] - sums[..., self.d :]) * self.scale

    def _columns_of(self, rows: Tensor) -> Tensor:
        return self.columns[:, None].expand(-1, rows.shape[1], -1)


def _signed_columns(dim: int, d: int, generator: Generator) -> Tensor:
    """The column of each row in [Q, -Q], shape (dim,)."""
    stretches = -(-dim // d)
    order = uniform((stretches, d), generator, dtype=torch.float32, device=generator.device).argsort(stable=True, dim=1)
    flipped = signs((dim,), generator, dtype=torch.float32, device=generator.device) < 0
    return order.flatten()[:dim] + d * flipped


class _Linear(torch.autograd.Function):
    """there(x) of a linear map, whose derivative is its adjoint `back`, as often as it is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.maps = there, back
        return there(x)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        there, back = ctx.maps
        return _Linear.apply(slopes[0], back, there), None, None  # pyright: ignore[reportReturnType]
