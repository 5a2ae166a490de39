"""Hyperplanes and normal spaces: projections stay on them, are idempotent, and leave tangent vectors alone."""

import pytest
import torch

from nwedge._random import derive
from nwedge.geometry import Hyperplane, NormalSpace


def test_projection_and_tangent() -> None:
    through, points, vectors = torch.randn(3, 4, 6, generator=derive(0), dtype=torch.float64)
    normal = torch.randn(6, generator=derive(1), dtype=torch.float64)
    plane = Hyperplane(through, normal)
    projected = plane.project(points)
    torch.testing.assert_close((projected - through) @ normal, torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(plane.project(projected), projected)
    along = plane.tangent(points, vectors)
    torch.testing.assert_close(along @ normal, torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(plane.project(projected + along), projected + along)


def test_a_hyperplane_needs_a_normal() -> None:
    with pytest.raises(ValueError, match="must not be zero"):
        Hyperplane(torch.ones(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="normal of a hyperplane must have the shape"):
        Hyperplane(torch.ones(2, 3), torch.ones(4))


def test_a_normal_space_is_the_meeting_of_hyperplanes() -> None:
    through, points, vectors = torch.randn(3, 4, 6, generator=derive(0), dtype=torch.float64)
    directions = torch.randn(3, 6, generator=derive(2), dtype=torch.float64)
    space = NormalSpace(through, directions)
    projected = space.project(points)
    torch.testing.assert_close((projected - through) @ directions.T, torch.zeros(4, 3, dtype=torch.float64))
    torch.testing.assert_close(space.project(projected), projected)
    moved = (points - projected).T  # in the span of the directions, so the projection is the orthogonal one
    torch.testing.assert_close(directions.T @ torch.linalg.lstsq(directions.T, moved).solution, moved)
    along = space.tangent(points, vectors)
    torch.testing.assert_close(along @ directions.T, torch.zeros(4, 3, dtype=torch.float64))
    torch.testing.assert_close(space.project(projected + along), projected + along)


def test_directions_that_depend_on_others_take_nothing_more_away() -> None:
    through, points = torch.randn(2, 4, 6, generator=derive(3), dtype=torch.float64)
    one, two = torch.randn(2, 6, generator=derive(4), dtype=torch.float64)
    doubled = NormalSpace(through, torch.stack([one, 3 * one, two, one + two]))
    torch.testing.assert_close(doubled.project(points), NormalSpace(through, torch.stack([one, two])).project(points))
    single = NormalSpace(through, one[None])
    torch.testing.assert_close(single.project(points), Hyperplane(through, one).project(points))


def test_a_normal_space_needs_directions() -> None:
    with pytest.raises(ValueError, match="must not all be zero: give one of positive norm"):
        NormalSpace(torch.ones(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="each direction of a normal space must have the dtype"):
        NormalSpace(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.float64))
