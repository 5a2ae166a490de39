"""A hyperplane: projections stay on it, are idempotent, and leave tangent vectors alone."""

import pytest
import torch

from nwedge._random import derive
from nwedge.geometry import Hyperplane


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
