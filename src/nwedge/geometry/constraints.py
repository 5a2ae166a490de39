"""Constraints: sets that a descent must not leave."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_same_shape


@runtime_checkable
class Constraint(Protocol):
    """A set with a projection onto it, and one onto its tangent space, row by row."""

    def project(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """The nearest points of the set."""
        ...

    def tangent(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The parts of the vectors along the set at these points."""
        ...


class Hyperplane:
    """For each row its own hyperplane {P : (P - through) . normal = 0}, all with one normal.

    Args:
        through: a point of each row's hyperplane, shape (batch, dim).
        normal: their common normal, of any positive length, shape (dim,).

    Raises:
        ValueError: a normal of another shape or of zero norm.
    """

    def __init__(self, through: Float[Tensor, "batch dim"], normal: Tensor) -> None:
        check_same_shape(through[0], normal, "the normal of a hyperplane")
        if not normal.any():
            raise ValueError("the normal of a hyperplane must not be zero: give a direction of positive norm")
        self.through, self.normal = through, normal / normal.norm()

    def project(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """P - ((P - through) . normal) normal, shape (batch, dim)."""
        return self.through + self.tangent(points, points - self.through)

    def tangent(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The vectors v - (v . normal) normal, the same at every point, shape (batch, dim)."""
        return vectors - (vectors @ self.normal)[:, None] * self.normal
