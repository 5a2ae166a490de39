"""Random linear subspaces of weight space."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points
from nwedge._random import derive, normal

DENSE_BYTES = 2 * 2**30
"""The largest basis that is stored: 2 GiB."""


class RandomSubspace:
    """The displacements embed(c) = Q c in a random d-dimensional subspace, Q having orthonormal columns.

    Q is the orthonormal factor of a Gaussian matrix, so the subspace is uniform (Li et al. 2018, arXiv 1804.08838).

    Args:
        dim: the dimension of weight space.
        d: the dimension of the subspace, 1 <= d <= dim.
        kind: "dense" stores Q.
        seed: the draw.
        dtype: of the coordinates and the displacements.
        device: of the coordinates and the displacements.

    Raises:
        ValueError: d outside [1, dim], an unknown kind, or a basis of more than 2 GiB.
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
        check_choice("kind", kind, ("dense",))
        check_integer("dim", dim, 1)
        check_integer("d", d, 1, dim)
        size = dim * d * dtype.itemsize
        if size > DENSE_BYTES:
            raise ValueError(
                f"a dense basis of {dim} x {d} takes {size / 2**30:.1f} GiB, over the {DENSE_BYTES / 2**30:.0f} GiB "
                "that are stored: take a smaller d"
            )
        self.dim, self.ambient, self.seed = d, dim, seed
        self.dtype, self.device = dtype, torch.device(device)
        gaussian = normal((dim, d), derive(seed, "subspace", dim, d), dtype=dtype, device=self.device)
        self.basis = torch.linalg.qr(gaussian).Q

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """Q c, shape (batch, ambient)."""
        check_points(self, coords, "coords")
        return coords @ self.basis.T

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Zeros: a subspace is entered at its origin."""
        return torch.zeros(count, self.dim, dtype=self.dtype, device=self.device)
