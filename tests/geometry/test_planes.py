"""Planes through points: against numpy's singular values, and what spans none."""

import numpy as np
import pytest
import torch

from nwedge._random import derive
from nwedge.geometry import NoPlaneError, plane_through, principal_plane
from nwedge.geometry import planes as module


def points_of(seed: int, count: int, dim: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, dim, generator=derive(seed, count, dim), dtype=dtype)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_three_points_lie_where_their_distances_say(seed, dtype):
    a, b, c = points_of(seed, 3, 40, dtype)
    plane = plane_through(a, b, c)
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2, dtype=dtype), rtol=0, atol=1e-6)
    places = torch.stack([b - a, c - a]) @ plane.axes.T
    torch.testing.assert_close(a + plane.embed(places), torch.stack([b, c]))
    assert places[0, 0] == pytest.approx((b - a).norm().item())
    assert places[0, 1].abs() < 1e-5
    assert places[1, 1] > 0


def test_points_on_one_line_span_no_plane():
    a, b, _ = points_of(0, 3, 40)
    for three in [(a, b, a + 3 * (b - a)), (a, a, b), (a, b, a), (a, b, b), (a, a, a)]:
        with pytest.raises(NoPlaneError, match="three points on one line span no plane: give another point"):
            plane_through(*three)
    for name, place in (("a", 0), ("b", 1), ("c", 2)):
        three = [a, b, a + b]
        three[place] = three[place] * torch.nan
        with pytest.raises(ValueError, match=f"^{name} must be finite; got NaN or infinity"):
            plane_through(*three)
    with pytest.raises(ValueError, match="a and c must have the same dtype"):
        plane_through(a, b, b.float())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "dim"), [(7, 50), (50, 7), (2, 30)])
def test_the_principal_plane_is_that_of_the_singular_values(seed, count, dim, monkeypatch):
    monkeypatch.setattr(module, "COLUMNS_AT_ONCE", 3 * count)  # several parts
    points, center = points_of(seed, count, dim), points_of(seed, 1, dim)[0]
    found = principal_plane(points, center)
    x = (points - center).numpy()
    left, values, right = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(found.explained, values**2 / (values**2).sum(), atol=1e-12)
    about = x - x.mean(0)
    shadows = ((about @ right[:2].T) ** 2).sum(0)
    np.testing.assert_allclose(found.variance, shadows / (about**2).sum(), rtol=1e-9)
    overlaps = np.abs((found.plane.axes.numpy() * right[:2]).sum(1))
    np.testing.assert_allclose(overlaps, 1)
    np.testing.assert_allclose(found.positions.abs(), np.abs(left[:, :2] * values[:2]), atol=1e-10)
    rest = x - found.positions.numpy() @ found.plane.axes.numpy()
    np.testing.assert_allclose(found.off_plane, np.linalg.norm(rest, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.distances, np.linalg.norm(x, axis=1))
    farthest = found.positions.abs().argmax(0)
    assert (found.positions.gather(0, farthest[None]) > 0).all()


def test_what_spans_no_principal_plane_is_refused():
    a, b = points_of(0, 2, 40, torch.float32)
    line = a + torch.linspace(0, 1, 9)[:, None] * (b - a)
    for points in (line, line.double(), a.double() + torch.linspace(0, 1, 9).double()[:, None] * (b - a).double()):
        with pytest.raises(NoPlaneError, match="the points lie on one line"):
            principal_plane(points, points[-1])
    with pytest.raises(NoPlaneError, match="the points are equal to the center"):
        principal_plane(a.expand(3, -1), a)
    with pytest.raises(ValueError, match=r"at least 2 points, shape \(point, dim\); got \(1, 40\)"):
        principal_plane(a[None], a)
    with pytest.raises(ValueError, match="points must be finite"):
        principal_plane(torch.stack([a, b * torch.nan]), a)
    with pytest.raises(ValueError, match="center must have the dtype of the points"):
        principal_plane(line, a.double())
