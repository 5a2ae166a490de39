"""Sheets over optima: the meetings of wedges are found, pointwise vertices keep their subspaces, walls stay walls."""

import math

import pytest
import torch
from torch import Tensor

from nwedge import WedgeLandscape, descend, evaluate
from nwedge._random import derive
from nwedge.geometry import Sheet
from nwedge.landscapes.controls import IsolatedMinima
from nwedge.methods.sheets import m_tunnel
from nwedge.methods.tunnels import connect

F64 = torch.float64
SMALL = 1e-3


def sampled(seed: int, noise: float = 0.0) -> WedgeLandscape:
    return WedgeLandscape(300, 15, wedges=40, profile="squared", noise=noise, seed=seed, dtype=F64)


def optima(landscape: WedgeLandscape | IsolatedMinima, m: int, seed: int) -> Tensor:
    start = landscape.initial(m, derive(seed, "optima", m))
    return descend(landscape, start, lr=0.1, steps=100, generator=derive(seed)).points


def apart(landscape: WedgeLandscape, m: int, seed: int) -> Tensor:
    """Optima on m different wedges, redrawn until they are."""
    for attempt in range(100):
        points = optima(landscape, m, 1000 * seed + attempt)
        if landscape.nearest_wedge(points).unique().numel() == m:
            return points
    raise AssertionError("no draw has its optima on different wedges")


def small(point: Tensor) -> Tensor:
    return (point.abs() < SMALL).nonzero().flatten()


@pytest.mark.parametrize(("m", "seed"), [(2, 0), (3, 1), (4, 2)])
def test_a_whole_sheet_is_trained_into_the_meeting_of_the_wedges_of_its_optima(m: int, seed: int) -> None:
    landscape = sampled(seed)
    points = apart(landscape, m, seed)
    sheet = m_tunnel(landscape, points, steps=400, generator=derive(seed, "sheet"))
    places = sheet.coordinates(1000, derive(seed, "places"))
    flat = Sheet(points)
    assert landscape.distance(sheet.embed(places)).max() < 1e-2
    assert landscape.distance(flat.embed(places)).max() > 1

    wedges = landscape.nearest_wedge(points).sort().values
    assert landscape.containing(sheet.center[None], 1e-2)[0].nonzero().flatten().tolist() == wedges.tolist()
    union = set(landscape.nearest(points).unique().tolist())
    zeroed = set(small(sheet.center).tolist())
    assert union <= zeroed
    by_chance = zeroed - union
    assert by_chance <= set(small(flat.center).tolist()), "only the union is zeroed; others were that small before"
    assert len(by_chance) <= 3
    torch.testing.assert_close(sheet.optima, points)


def test_a_sheet_over_ten_optima_is_lowered_as_one() -> None:
    landscape = sampled(0)
    points = apart(landscape, 10, 0)
    sheet = m_tunnel(landscape, points, steps=100, generator=derive(3))
    places = sheet.coordinates(500, derive(4))
    assert len(sheet.free) == 1013
    low, high = evaluate(landscape, sheet.embed(places)).mean(), evaluate(landscape, Sheet(points).embed(places)).mean()
    assert low < 0.3 * high


@pytest.mark.parametrize("m", [2, 4])
def test_pointwise_vertices_stay_normal_to_the_simplex_and_land_on_third_wedges(m: int) -> None:
    landscape = WedgeLandscape(300, 15, profile="squared", dtype=F64)
    points = optima(landscape, m, 0)
    sheet = m_tunnel(landscape, points, method="pointwise", steps=250, generator=derive(1))
    flat = Sheet(points)
    moved = sheet.vertices - flat.vertices
    free = list(sheet.free)
    edges = points[1:] - points[0]
    torch.testing.assert_close(moved @ edges.T, torch.zeros(len(moved), m - 1, dtype=F64), atol=1e-9, rtol=0)
    assert (moved[free].norm(dim=1) > 0.1).all()
    torch.testing.assert_close(sheet.optima, points)
    assert (evaluate(landscape, sheet.vertices[free]) < 0.05 * evaluate(landscape, flat.vertices[free])).all()
    zeroed = (sheet.vertices[free].abs() < SMALL).sum(1)
    assert ((zeroed >= 15) & (zeroed <= 18)).all(), "s short directions at every vertex, not m s"


def test_pointwise_vertices_do_not_depend_on_how_they_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = sampled(2, noise=0.1)
    points = optima(landscape, 4, 2)
    whole = m_tunnel(landscape, points, method="pointwise", steps=20, generator=derive(2))
    monkeypatch.setattr("nwedge.methods.sheets.ELEMENTS_AT_ONCE", 900)  # 3 vertices of 300 coordinates
    split = m_tunnel(landscape, points, method="pointwise", steps=20, generator=derive(2))
    torch.testing.assert_close(split.vertices, whole.vertices, rtol=0, atol=1e-12)


def test_a_pointwise_sheet_over_two_optima_is_the_tunnel_with_one_bend() -> None:
    landscape = sampled(0)
    a, b = points = apart(landscape, 2, 0)
    settings = {"steps": 50, "rate": 0.02}
    sheet = m_tunnel(landscape, points, method="pointwise", generator=derive(5), **settings)
    path = connect(landscape, a, b, method="pointwise", bends=1, samples=8, generator=derive(5), **settings)
    torch.testing.assert_close(sheet.center, path.vertices[1], rtol=0, atol=1e-9)


def test_a_step_averages_over_one_point_for_every_eight_vertices_and_at_least_eight() -> None:
    landscape = sampled(0)
    for m, samples in ((2, 8), (7, 16)):
        points = optima(landscape, m, 4)
        found = [m_tunnel(landscape, points, steps=2, samples=count, generator=derive(4)) for count in (None, samples)]
        assert torch.equal(found[0].vertices, found[1].vertices)


def test_the_rate_is_relative_to_the_scale_of_the_optima() -> None:
    landscape = sampled(0)
    points = apart(landscape, 3, 0)
    one = m_tunnel(landscape, points, steps=50, generator=derive(6))
    other = m_tunnel(landscape, 100 * points, steps=50, generator=derive(6))
    torch.testing.assert_close(other.vertices / 100, one.vertices, rtol=0, atol=1e-3)  # Adam's epsilon has a scale


def test_isolated_minima_have_no_low_sheet() -> None:
    landscape = IsolatedMinima(50, seed=1, dtype=F64)
    points = optima(landscape, 3, 1)
    for method in ("sheet", "pointwise"):
        sheet = m_tunnel(landscape, points, method=method, steps=150, generator=derive(3))
        places = sheet.coordinates(500, derive(4))
        found, flat = evaluate(landscape, sheet.embed(places)), evaluate(landscape, Sheet(points).embed(places))
        assert found.max() > 0.5 * flat.max()
        assert found.mean() > 0.3 * flat.mean()


def test_refusals() -> None:
    landscape, generator = sampled(0), derive(0)
    points = landscape.initial(4, derive(1))
    with pytest.raises(ValueError, match="optima 1 and 3 coincide: a sheet needs different points, so leave one out"):
        m_tunnel(landscape, points[[0, 1, 2, 1]], generator=generator)
    with pytest.raises(ValueError, match="number of optima of a sheet must be between 2 and 16; got 1"):
        m_tunnel(landscape, points[:1], generator=generator)
    broken = points.clone()
    broken[2, 7] = math.nan
    with pytest.raises(ValueError, match=r"optima must be finite; rows \[2\] hold NaN or infinity"):
        m_tunnel(landscape, broken, generator=generator)
    with pytest.raises(ValueError, match=r"optima must have shape \(batch, 300\); got \(4, 299\)"):
        m_tunnel(landscape, points[:, 1:], generator=generator)
    with pytest.raises(TypeError, match=r"optima must have dtype torch.float64; got torch.float32"):
        m_tunnel(landscape, points.float(), generator=generator)
    with pytest.raises(ValueError, match="method must be one of 'sheet', 'pointwise'; got 'bezier'"):
        m_tunnel(landscape, points, method="bezier", generator=generator)
    with pytest.raises(ValueError, match="rate must be positive and finite; got 0"):
        m_tunnel(landscape, points, rate=0.0, generator=generator)
    with pytest.raises(ValueError, match="samples must be at least 1; got 0"):
        m_tunnel(landscape, points, samples=0, generator=generator)
    with pytest.raises(ValueError, match="steps must be at least 0; got -1"):
        m_tunnel(landscape, points, steps=-1, generator=generator)


@pytest.mark.parametrize("method", ["sheet", "pointwise"])
def test_the_rate_follows_the_schedule(method: str) -> None:
    landscape = sampled(0)
    points, settings = optima(landscape, 3, 0), {"method": method, "steps": 4}
    flat = m_tunnel(landscape, points, schedule=lambda step: 0.0, generator=derive(7), **settings)
    torch.testing.assert_close(flat.vertices, Sheet(points).vertices)
    moved = [
        (
            m_tunnel(landscape, points, schedule=schedule, generator=derive(7), **settings).vertices - flat.vertices
        ).norm()
        for schedule in ("constant", "cosine")
    ]
    assert moved[0] > 1.2 * moved[1] > 0
