"""The barycentric sheet: a deformed simplex that spans m optima at once."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer
from nwedge._random import uniform
from nwedge.geometry.combination import OfVertices, Terms

MOST_OPTIMA = 16
"""2^16 - 1 vertices; beyond that a sheet is larger than any set of runs would need."""


class Sheet(OfVertices):
    """The barycentric subdivision of the simplex over m optima, with a free vertex for every subset of 2 or more.

    A point of the flat simplex has weights l over the optima, its coordinates being l_2 .. l_m. Sorted downwards they
    give embed = sum_k k (l_(k) - l_(k+1)) V[the k optima of largest weight]. While every free vertex is the mean of
    its subset the sheet is the flat simplex. The m! faces are never listed.

    Args:
        optima: the fixed vertices, shape (m, ambient), 2 <= m <= 16.
        vertices: all 2^m - 1 vertices, that of a subset in row (sum of 2^i over its optima i) - 1; None puts each
            free vertex at the mean of its subset.

    Raises:
        ValueError: a wrong number of optima or vertices.
    """

    displaces = False

    def __init__(
        self, optima: Float[Tensor, "m ambient"], vertices: Float[Tensor, "vertex ambient"] | None = None
    ) -> None:
        m = len(optima)
        check_integer("the number of optima of a sheet", m, 2, MOST_OPTIMA)
        members = _members(m)
        if vertices is None:
            member = members.to(optima)
            vertices = (member / member.sum(1, keepdim=True)) @ optima
        if len(vertices) != len(members):
            raise ValueError(f"a sheet over {m} optima has {len(members)} vertices; got {len(vertices)}")
        self.optima, self.vertices = optima, vertices
        self.free = tuple(row for row, count in enumerate(members.sum(1).tolist()) if count > 1)
        self.dim, self.ambient = m - 1, optima.shape[1]
        self.dtype, self.device = optima.dtype, optima.device

    @property
    def center(self) -> Float[Tensor, " ambient"]:
        """The vertex of the subset of all optima, where the sheet is farthest from each, shape (ambient,)."""
        return self.vertices[-1]

    def moved(self, vertices: Float[Tensor, "vertex ambient"]) -> "Sheet":
        """The sheet over the same optima with other vertices."""
        return Sheet(self.optima, vertices)

    def terms(self, coords: Float[Tensor, "batch coords"]) -> Terms:
        """The m vertices of the face that a point of the simplex (all coordinates >= 0, sum <= 1) lies on."""
        share = torch.cat([1 - coords.sum(1, keepdim=True), coords], dim=1)
        share, order = share.sort(dim=1, descending=True, stable=True)
        rank = torch.arange(1, self.dim + 2, dtype=self.dtype, device=self.device)
        below = torch.cat([share[:, 1:], torch.zeros_like(share[:, :1])], dim=1)
        return (2**order).cumsum(1) - 1, rank * (share - below)

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count coords"]:
        """Uniform over the simplex: weights from Dirichlet(1, ..., 1)."""
        draws = -torch.log1p(-uniform((count, self.dim + 1), generator, dtype=self.dtype, device=self.device))
        return (draws / draws.sum(1, keepdim=True))[:, 1:]

    def sample(self, count: int, generator: Generator) -> Float[Tensor, "count ambient"]:
        """Points at uniform places of the sheet, shape (count, ambient)."""
        return self.embed(self.coordinates(count, generator))


def _members(m: int) -> Tensor:
    """Row k says which optima belong to the subset whose bits are k + 1, shape (2^m - 1, m)."""
    subsets = torch.arange(1, 2**m)
    return (subsets[:, None] >> torch.arange(m)) & 1
