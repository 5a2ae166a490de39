"""Tunnels: barriers by their definition, exact tunnels of the wedge model found, controls left walled off."""

import math

import pytest
import torch

from nwedge import WedgeLandscape, descend, evaluate, tunnel
from nwedge._random import derive
from nwedge.geometry import Path, Sheet
from nwedge.landscapes.controls import IsolatedMinima
from nwedge.methods.tunnels import barrier, connect, random_bends, span


def sampled(seed: int) -> WedgeLandscape:
    return WedgeLandscape(300, 15, wedges=40, profile="squared", seed=seed, dtype=torch.float64)


def optima(landscape: WedgeLandscape | IsolatedMinima, count: int, seed: int) -> torch.Tensor:
    start = landscape.initial(count, derive(seed, "optima"))
    return descend(landscape, start, lr=0.1, steps=100, generator=derive(seed)).points


def test_a_barrier_is_measured_from_the_line_between_the_end_losses() -> None:
    losses = torch.tensor([[1.0, 4.0, 3.0], [0.0, 0.0, 5.0], [2.0, 1.0, 0.0], [0.0, math.nan, 1.0]])
    found = barrier(losses)
    torch.testing.assert_close(found[:3], torch.tensor([2.0, 0.0, 0.0]))
    assert found[3].isnan()


@pytest.mark.parametrize("seed", range(5))
def test_a_whole_path_tunnel_bends_where_two_wedges_meet(seed: int) -> None:
    landscape = sampled(seed)
    a, b = optima(landscape, 2, seed)
    assert landscape.nearest_wedge(torch.stack([a, b])).unique().numel() == 2, "the draw has both optima on one wedge"
    found = tunnel(landscape, a, b, generator=derive(seed, "tunnel"))
    t = torch.linspace(0, 1, 501, dtype=torch.float64)[:, None]
    assert landscape.distance(found.path.embed(t)).max() < 1e-3
    assert landscape.distance(Path.straight(a, b, 0).embed(t)).max() > 1
    bend = found.path.vertices[1]
    first, second = landscape.nearest(torch.stack([a, b]))
    union = torch.cat([first, second]).unique()
    assert (bend[union].abs() < 1e-3).all()
    assert abs((bend.abs() < 1e-3).sum().item() - len(union)) <= 3  # others are that small by chance
    assert found.barrier < 1e-5 < found.line_barrier


def test_pointwise_tunnels_stay_in_their_hyperplanes_and_land_on_third_wedges() -> None:
    landscape = WedgeLandscape(300, 15, profile="squared", dtype=torch.float64)
    a, b = optima(landscape, 2, 0)
    path = connect(landscape, a, b, method="pointwise", bends=9, steps=300, rate=0.05, samples=16, generator=derive(1))
    straight = Path.straight(a, b, 9)
    along = (path.vertices - straight.vertices) @ (b - a)
    torch.testing.assert_close(along, torch.zeros(11, dtype=torch.float64), atol=1e-9, rtol=0)
    assert evaluate(landscape, path.vertices).max() < 0.05 * evaluate(landscape, straight.vertices).max()
    zeroed = (path.vertices[1:-1].abs() < 1e-3).sum(1)
    assert ((zeroed >= 15) & (zeroed <= 18)).all(), "s short directions at every point, not 2 s"


def test_bezier_tunnels_lower_the_barrier() -> None:
    landscape = sampled(0)
    a, b = optima(landscape, 2, 0)
    found = tunnel(landscape, a, b, method="bezier", steps=300, generator=derive(2))
    assert found.barrier < 0.5 * found.line_barrier
    torch.testing.assert_close(found.path.vertices[[0, 2]], torch.stack([a, b]))
    assert found.losses.shape == found.line_losses.shape == found.t.shape == (121,)


@pytest.mark.parametrize("method", ["sheet", "pointwise", "bezier"])
def test_the_rate_follows_the_schedule(method: str) -> None:
    landscape = sampled(0)
    a, b = optima(landscape, 2, 0)
    seen, settings = [], {"method": method, "bends": 1, "steps": 5, "rate": 0.05, "samples": 2}
    straight = connect(landscape, a, b, schedule=lambda step: seen.append(step) or 0.0, generator=derive(2), **settings)
    assert seen == list(range(5))
    torch.testing.assert_close(straight.vertices[1], (a + b) / 2)
    moved = {
        schedule: connect(landscape, a, b, schedule=schedule, generator=derive(2), **settings).vertices[1] - (a + b) / 2
        for schedule in ("constant", "cosine")
    }
    assert moved["constant"].norm() > 1.2 * moved["cosine"].norm() > 0
    with pytest.raises(ValueError, match="schedule"):
        connect(landscape, a, b, schedule="linear", generator=derive(2), **settings)


def test_isolated_minima_have_no_tunnel() -> None:
    landscape = IsolatedMinima(50, seed=1, dtype=torch.float64)
    a, b = optima(landscape, 2, 1)
    for method in ("sheet", "pointwise", "bezier"):
        found = tunnel(landscape, a, b, method=method, steps=300, generator=derive(3))
        assert found.barrier > 0.9 * found.line_barrier


def test_a_sheet_over_three_optima_is_trained_into_the_meeting_of_their_wedges() -> None:
    landscape = sampled(1)
    points = optima(landscape, 3, 1)
    assert landscape.nearest_wedge(points).unique().numel() == 3
    sheet = span(landscape, Sheet(points), steps=600, lr=0.05, samples=16, generator=derive(4))
    flat = landscape.distance(Sheet(points).sample(500, derive(5))).max()
    assert landscape.distance(sheet.sample(500, derive(5))).max() < 1e-2 < 1 < flat


def test_random_bends_have_the_length_asked_for_and_do_not_beat_the_tunnel() -> None:
    landscape = sampled(0)
    a, b = optima(landscape, 2, 0)
    length = 1.2 * (b - a).norm().item()
    seen = _Recorder(landscape)
    found = random_bends(seen, a, b, length=length, count=20, points=9, generator=derive(6))
    assert found.shape == (20,)
    rows = torch.cat(seen.rows).view(20, 9, -1)
    torch.testing.assert_close(rows[:, 0], a.expand(20, -1))
    torch.testing.assert_close(rows[:, -1], b.expand(20, -1))
    for row, one in zip(rows, found, strict=True):
        assert row.diff(dim=0).norm(dim=1).sum().item() == pytest.approx(length)
        assert one.item() == pytest.approx(barrier(landscape.loss(row)[None]).item())
    assert found.min() > 0.1
    assert len(found.unique()) == 20
    with pytest.raises(ValueError, match="is at least that long; got length"):
        random_bends(landscape, a, b, length=0.5 * length, count=1, points=5, generator=derive(0))


class _Recorder:
    """A landscape that notes the points it was asked for."""

    def __init__(self, landscape: WedgeLandscape) -> None:
        self.landscape, self.rows = landscape, []
        self.dim, self.dtype, self.device = landscape.dim, landscape.dtype, landscape.device
        self.initial, self.minibatch = landscape.initial, landscape.minibatch

    def loss(self, points: torch.Tensor) -> torch.Tensor:
        self.rows.append(points)
        return self.landscape.loss(points)


def test_what_does_not_fit_is_refused() -> None:
    landscape = sampled(0)
    a, b = optima(landscape, 2, 0)
    with pytest.raises(ValueError, match="method must be one of 'sheet', 'pointwise', 'bezier'; got 'neb'"):
        tunnel(landscape, a, b, method="neb", generator=derive(0))
    with pytest.raises(ValueError, match="the two optima coincide"):
        tunnel(landscape, a, a.clone(), generator=derive(0))
    with pytest.raises(ValueError, match="the optimum b must be finite"):
        tunnel(landscape, a, b * math.nan, generator=derive(0))
    with pytest.raises(ValueError, match="bends must be at least 1; got 0"):
        tunnel(landscape, a, b, bends=0, generator=derive(0))
    with pytest.raises(ValueError, match="points must be at least 3; got 2"):
        tunnel(landscape, a, b, points=2, generator=derive(0))
