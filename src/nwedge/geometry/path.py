"""Paths between two points that bend at vertices: polygonal chains and Bezier curves."""

import math
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_integer, check_points
from nwedge._random import uniform

Kind = TypeVar("Kind", bound="_Curve")


class _Curve:
    """What the curves share: a first and a last vertex that are fixed, free ones between, and t in [0, 1]."""

    dim = 1
    displaces = False

    def __init__(self, vertices: Float[Tensor, "vertex ambient"]) -> None:
        if vertices.ndim != 2 or len(vertices) < 2:
            raise ValueError(f"vertices must have shape (at least 2, dim); got {tuple(vertices.shape)}")
        self.vertices = vertices
        self.free = tuple(range(1, len(vertices) - 1))
        self.ambient, self.dtype, self.device = vertices.shape[1], vertices.dtype, vertices.device

    @classmethod
    def straight(cls: type[Kind], a: Float[Tensor, " ambient"], b: Float[Tensor, " ambient"], bends: int) -> Kind:
        """The straight line from a to b with `bends` free vertices evenly spaced on it."""
        check_integer("bends", bends, 0)
        t = torch.linspace(0, 1, bends + 2, dtype=a.dtype, device=a.device)[:, None]
        return cls((1 - t) * a + t * b)

    def moved(self: Kind, vertices: Float[Tensor, "vertex ambient"]) -> Kind:
        """The same kind of curve with other vertices."""
        return type(self)(vertices)

    def weights(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch vertex"]:
        """How much each vertex counts at each position."""
        raise NotImplementedError

    def embed(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch ambient"]:
        """The points at positions t in [0, 1], shape (batch, ambient)."""
        check_points(self, coords, "coords")
        return self.weights(coords) @ self.vertices

    def coordinates(self, count: int, generator: Generator) -> Float[Tensor, "count 1"]:
        """Uniform positions in [0, 1]."""
        return uniform((count, 1), generator, dtype=self.dtype, device=self.device)

    def length(self, pieces: int = 840) -> float:
        """The Euclidean length of the polygon through `pieces` + 1 even positions; 840 meet most bends exactly."""
        t = torch.linspace(0, 1, pieces + 1, dtype=self.dtype, device=self.device)[:, None]
        steps = self.weights(t).diff(dim=0)
        relative = self.vertices - self.vertices[0]  # rows of `steps` sum to 0, so the shift changes nothing
        squares = (steps @ (relative @ relative.T) * steps).sum(1)
        return squares.clamp(min=0).sqrt().sum().item()


class Path(_Curve):
    """The polygonal chain through vertices, each segment taking an equal share of t in [0, 1].

    embed(t) = sum_j max(0, 1 - |t (K - 1) - j|) V_j for K vertices; t outside [0, 1] is clamped.

    Args:
        vertices: shape (at least 2, ambient); the first and the last are fixed, the others free.

    Raises:
        ValueError: fewer than 2 vertices.
    """

    def weights(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch vertex"]:
        """Hat functions, shape (batch, vertex)."""
        places = torch.arange(len(self.vertices), dtype=self.dtype, device=self.device)
        return (1 - (coords.clamp(0, 1) * (len(places) - 1) - places).abs()).clamp(min=0)


class Bezier(_Curve):
    """The Bezier curve of degree n = K - 1 with K control points, as in Garipov et al. 2018 (arXiv 1802.10026).

    embed(t) = sum_j C(n, j) (1 - t)^(n - j) t^j V_j.

    Args:
        vertices: the control points, shape (at least 2, ambient); the first and the last are fixed, the others free.

    Raises:
        ValueError: fewer than 2 vertices.
    """

    def weights(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch vertex"]:
        """Bernstein polynomials, shape (batch, vertex)."""
        degree = len(self.vertices) - 1
        terms = [math.comb(degree, j) * (1 - coords) ** (degree - j) * coords**j for j in range(degree + 1)]
        return torch.cat(terms, dim=1)
