"""Random linear subspaces of weight space."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points
from nwedge._random import derive
from nwedge.geometry.bases import Dense, Sparse
from nwedge.geometry.hadamard import Hadamard

DENSE_BYTES = 2 * 2**30
"""The largest basis that is stored: 2 GiB."""
KINDS = {"dense": Dense, "hadamard": Hadamard, "sparse": Sparse}


class RandomSubspaces:
    """Random d-dimensional subspaces side by side, embed(c)_p = Q_p c_p, each Q_p having orthonormal columns.

    Args:
        dim: the dimension of weight space.
        d: the dimension of the subspaces, 1 <= d <= dim.
        kind: "dense" stores Q, drawn uniformly; "hadamard" mixes all coordinates into all weights by fast transforms
            in O(dim log d) time and O(dim) memory; "sparse" lets each weight follow one coordinate, in O(dim).
        seeds: the draw of each subspace, which does not depend on the others.
        dtype: of the coordinates and the displacements.
        device: of the coordinates and the displacements.

    Raises:
        ValueError, TypeError: d outside [1, dim], an unknown kind, no seed, or a dense basis of more than 2 GiB.

    Source: Li et al. 2018, arXiv 1804.08838; `nwedge.geometry.bases` and `nwedge.geometry.hadamard` give the formulas.
    """

    def __init__(
        self,
        dim: int,
        d: int,
        kind: str = "dense",
        *,
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        check_choice("kind", kind, KINDS)
        check_integer("dim", dim, 1)
        check_integer("d", d, 1, dim)
        if len(seeds) == 0:
            raise ValueError("seeds must hold at least one integer: each draws one subspace")
        if kind == "dense":
            check_dense(dim, d, dtype, "take a smaller d, or kind='hadamard' or 'sparse', which store none")
        self.dim, self.ambient, self.planes = d, dim, len(seeds)
        self.dtype, self.device = dtype, torch.device(device)
        streams = [derive(seed, "subspace", dim, d) for seed in seeds]
        self._bases = KINDS[kind](dim, d, streams, dtype=dtype, device=self.device)

    def embed(self, coords: Float[Tensor, "planes rows coords"]) -> Float[Tensor, "planes rows ambient"]:
        """Q_p c for each row of each subspace p, shape (planes, rows, ambient); its derivative costs one transpose."""
        self._check(self, coords, "coords")
        return self._bases.embed(coords)

    def transpose(self, vectors: Float[Tensor, "planes rows ambient"]) -> Float[Tensor, "planes rows coords"]:
        """Q_p^T v for each row of each subspace p, shape (planes, rows, coords): the adjoint of `embed`."""
        self._check(_Whole(self.ambient, self.dtype, self.device), vectors, "vectors")
        return self._bases.transpose(vectors)

    def matrices(self) -> Float[Tensor, "planes ambient coords"]:
        """Q of each subspace, which the kinds that store none write out here.

        Raises:
            ValueError: a matrix of more than 2 GiB.
        """
        if isinstance(self._bases, Dense):
            return self._bases.matrices
        check_dense(self.ambient, self.dim, self.dtype, "use embed and transpose, which need none")
        identity = torch.eye(self.dim, dtype=self.dtype, device=self.device)
        return self.embed(identity.expand(self.planes, -1, -1)).mT

    def _check(self, space: "RandomSubspaces | _Whole", rows: Tensor, name: str) -> None:
        if not isinstance(rows, Tensor) or rows.ndim != 3 or len(rows) != self.planes:
            came = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise ValueError(f"{name} must be a tensor of shape ({self.planes}, rows, {space.dim}); got {came}")
        check_points(space, rows[0], f"{name} of a subspace")


class RandomSubspace:
    """The displacements embed(c) = Q c in a random d-dimensional subspace, Q having orthonormal columns.

    Args:
        dim: the dimension of weight space.
        d: the dimension of the subspace, 1 <= d <= dim.
        kind: "dense" stores Q, the orthonormal factor of a Gaussian matrix, so the subspace is uniform; "hadamard"
            mixes all coordinates into all weights by fast transforms in O(dim log d) time and O(dim) memory; "sparse"
            lets each weight follow one coordinate, in O(dim).
        seed: the draw.
        dtype: of the coordinates and the displacements.
        device: of the coordinates and the displacements.

    Raises:
        ValueError: d outside [1, dim], an unknown kind, or a dense basis of more than 2 GiB.

    Source: Li et al. 2018, arXiv 1804.08838; `nwedge.geometry.bases` and `nwedge.geometry.hadamard` give the formulas.
    """

    displaces = True

    def __init__(
        self,
        dim: int,
        d: int,
        kind: str = "dense",
        seed: int = 0,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._one = RandomSubspaces(dim, d, kind, seeds=(seed,), dtype=dtype, device=device)
        self.dim, self.ambient, self.seed = d, dim, seed
        self.dtype, self.device = dtype, self._one.device

    @property
    def basis(self) -> Float[Tensor, "ambient coords"]:
        """Q, which the kinds that store none write out here.

        Raises:
            ValueError: a matrix of more than 2 GiB.
        """
        return self._one.matrices()[0]

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """Q c, shape (batch, ambient); its derivative costs one transpose."""
        check_points(self, coords, "coords")
        return self._one.embed(coords[None])[0]

    def transpose(self, vectors: Float[Tensor, "batch ambient"]) -> Float[Tensor, "batch coords"]:
        """Q^T v, shape (batch, coords): the adjoint of `embed`, which takes a gradient to that in the subspace."""
        check_points(_Whole(self.ambient, self.dtype, self.device), vectors, "vectors")
        return self._one.transpose(vectors[None])[0]

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Zeros: a subspace is entered at its origin."""
        return torch.zeros(count, self.dim, dtype=self.dtype, device=self.device)


@dataclass
class _Whole:
    """Weight space, as what vectors must match."""

    dim: int
    dtype: torch.dtype
    device: torch.device


def check_dense(dim: int, d: int, dtype: torch.dtype, instead: str) -> None:
    """Refuse a dense basis of more than 2 GiB (ValueError), saying what to do instead."""
    size = Dense.bytes(dim, d, dtype)
    if size > DENSE_BYTES:
        raise ValueError(
            f"a dense basis of {dim} x {d} takes {size / 2**30:.1f} GiB, over the {DENSE_BYTES / 2**30:.0f} GiB "
            f"that are stored: {instead}"
        )


def stored_bytes(kind: str, dim: int, d: int, dtype: torch.dtype) -> int:
    """What one subspace of a kind holds in memory.

    Raises:
        ValueError: an unknown kind.
    """
    check_choice("kind", kind, KINDS)
    return KINDS[kind].bytes(dim, d, dtype)
