"""The curvature of the wedge model in closed form against double backward passes."""

from typing import Any

import pytest
import torch

from nwedge._random import derive
from nwedge.landscape import hvp
from nwedge.landscapes.profiles import PROFILES
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.curvature import SmoothedHessian

F64 = torch.float64

FAMILIES: dict[str, dict[str, Any]] = {
    "complete-axes": {"short": 4},
    "complete-random": {"short": 4, "oriented": "random"},
    "sampled-axes": {"short": 4, "wedges": 5},
    "sampled-random": {"short": 4, "wedges": 5, "oriented": "random"},
    "unequal-axes": {"short": (4, 1, 0, 3), "wedges": 4},
    "unequal-random": {"short": (4, 1, 9, 3), "wedges": 4, "oriented": "random"},
    "nothing-short": {"short": 0},
}


def anew(landscape, points, vectors):
    """The products by a double backward pass for each point and vector, summed over the points."""
    found = [hvp(landscape, point.expand(len(vectors), -1).contiguous(), vectors) for point in points]
    return torch.stack(found).sum(0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("thickness", [0.0, 0.4])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_the_sum_of_the_hessians_is_that_of_double_backward_passes(family, profile, thickness, dtype):
    for seed in range(3):
        landscape = WedgeLandscape(
            9, **FAMILIES[family], profile=profile, thickness=thickness, width=0.8, seed=seed, dtype=dtype
        )
        points, vectors = landscape.initial(6, derive(seed, "points")), landscape.initial(5, derive(seed, "vectors"))
        points = torch.cat([points, torch.zeros_like(points[:1])])  # where derivatives do not exist
        product = landscape.hessian_sum(points)(vectors)
        tolerance = {} if dtype == F64 else {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(product, anew(landscape, points, vectors), **tolerance)
        assert torch.equal(landscape.hessian_sum(points, held=0)(vectors), product)


def test_chunks_change_nothing(monkeypatch):
    monkeypatch.setattr("nwedge.landscapes.wedges.ELEMENTS_AT_ONCE", 40)
    landscape = WedgeLandscape(9, 4, dtype=F64)
    points, vectors = landscape.initial(13, derive(0)), landscape.initial(2, derive(1))
    torch.testing.assert_close(landscape.hessian_sum(points)(vectors), anew(landscape, points, vectors))


def test_the_nearest_wedges_are_sought_once_where_what_they_leave_is_held(monkeypatch):
    landscape, sought = WedgeLandscape(9, 4, dtype=F64), []
    find = landscape._family.find
    monkeypatch.setattr(landscape._family, "find", lambda some: sought.append(len(some)) or find(some))
    points = landscape.initial(13, derive(0))
    size = (2 * 13 + 1) * 9 * 8
    for held, times in ((size, 1), (size - 1, 3)):
        sought.clear()
        products = landscape.hessian_sum(points, held=held)
        for _ in range(3):
            products(points[:1])
        assert sought == [13] * times


@pytest.mark.parametrize("more", [{}, {"wedges": 20}, {"wedges": 20, "oriented": "random"}])
def test_the_hessian_averaged_over_a_ball_takes_it_from_there(more, monkeypatch):
    landscape = WedgeLandscape(40, 6, **more, dtype=F64)
    point = landscape.initial(1, derive(0))[0]
    hessian = SmoothedHessian(landscape, point, radius=0.1, generator=derive(1))
    slow = hessian._anew(torch.eye(40, dtype=F64)) / hessian.draws
    monkeypatch.setattr(WedgeLandscape, "loss", None)
    torch.testing.assert_close(hessian.matrix(), slow)


def test_nan_stays_nan():
    landscape = WedgeLandscape(9, 4, wedges=5)
    points = landscape.initial(3, derive(0))
    points[1] = torch.nan
    assert landscape.hessian_sum(points)(points[:1]).isnan().any()
