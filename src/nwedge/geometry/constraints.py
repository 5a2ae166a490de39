"""Constraints: sets that a descent must not leave."""

from typing import Protocol, runtime_checkable

import torch
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


class NormalSpace:
    """For each row its own affine subspace {P : (P - through) . v = 0 for every direction v}, normal to all of them.

    With one direction it is the `Hyperplane`.

    Args:
        through: a point of each row's subspace, shape (batch, dim).
        directions: their common normal directions, of any lengths and angles, shape (direction, dim). Those that
            depend on the others, to rounding, count once.

    Raises:
        ValueError: directions of another dimension, dtype or device, or all zero.
    """

    def __init__(self, through: Float[Tensor, "batch dim"], directions: Float[Tensor, "direction dim"]) -> None:
        for direction in directions:
            check_same_shape(through[0], direction, "each direction of a normal space")
        if not directions.any():
            raise ValueError("the directions of a normal space must not all be zero: give one of positive norm")
        _, sizes, rows = torch.linalg.svd(directions, full_matrices=False)
        rounding = max(directions.shape) * torch.finfo(directions.dtype).eps
        self.through, self.basis = through, rows[sizes > rounding * sizes[0]]

    def project(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """The points without the components of P - through along the directions, shape (batch, dim)."""
        return self.through + self.tangent(points, points - self.through)

    def tangent(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The vectors v - B^T B v with B an orthonormal basis of the directions, shape (batch, dim)."""
        return vectors - (vectors @ self.basis.T) @ self.basis
