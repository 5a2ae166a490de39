"""Long directions: normal to what is short, where the short directions are known exactly."""

import math

import pytest
import torch

from nwedge import WedgeLandscape, evaluate
from nwedge._random import derive
from nwedge.landscapes.controls import Groove, IsolatedMinima
from nwedge.methods import long_directions as module
from nwedge.methods.long_directions import long_directions

F64 = torch.float64


def wedges(oriented: str = "axes", wedges: int | None = 8) -> WedgeLandscape:
    return WedgeLandscape(40, 6, wedges=wedges, oriented=oriented, profile="squared", dtype=F64)


@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize("count", [None, 8])
def test_long_directions_of_a_wedge_lead_nowhere_uphill(oriented: str, count: int | None) -> None:
    landscape = wedges(oriented, count)
    start = landscape.initial(1, derive(0))
    basis = landscape.short_basis(start)[0]
    point = start[0] - (start[0] @ basis.T) @ basis
    found = long_directions(landscape, point, 10, threshold=0.01, generator=derive(1))
    assert (found.short, found.capped, found.directions.shape) == (6, False, (10, 40))
    torch.testing.assert_close(found.directions.norm(dim=1), torch.ones(10, dtype=F64))
    assert evaluate(landscape, point + 100 * found.directions).max() < 1e-20
    single = ((found.directions != 0).sum(1) == 1).tolist()
    assert single == ([False, True] * 5 if oriented == "axes" else [False] * 10)


def test_elsewhere_they_are_uniform_among_those_normal_to_the_hessians_top() -> None:
    groove = Groove(30, dtype=F64)
    point = torch.ones(30, dtype=F64)
    found = long_directions(groove, point, 4000, threshold=0.01, radius=0.05, generator=derive(2))
    assert (found.short, found.capped) == (1, False)
    assert (found.directions @ groove.direction).abs().max() < 1e-12
    moments = found.directions.T @ found.directions / 4000
    expected = (torch.eye(30, dtype=F64) - torch.outer(groove.direction, groove.direction)) / 29
    torch.testing.assert_close(moments, expected, rtol=0, atol=4e-3)


def test_there_are_none_where_every_direction_is_short() -> None:
    minima = IsolatedMinima(12, dtype=F64)
    found = long_directions(minima, minima.minima[0], 5, threshold=0.01, radius=0.05, generator=derive(3))
    assert (found.short, found.directions.shape) == (12, (0, 12))


class Stiff:
    """A quadratic bowl with its curvatures on the axes."""

    def __init__(self, curvatures: torch.Tensor) -> None:
        self.curvatures, self.dim = curvatures, len(curvatures)
        self.dtype, self.device = F64, torch.device("cpu")

    def loss(self, points: torch.Tensor) -> torch.Tensor:
        return points.square() @ self.curvatures / 2

    def initial(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, self.dim, generator=generator, dtype=F64)

    def minibatch(self, generator: object) -> "Stiff":
        return self


@pytest.mark.parametrize(("short", "capped"), [(3, False), (20, False), (70, True)])
def test_top_eigenvectors_from_products_are_those_of_the_whole_matrix(
    short: int, capped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    curvatures = torch.full((150,), 1e-3, dtype=F64)
    curvatures[:short] = torch.linspace(1, 2, short, dtype=F64)
    landscape, point = Stiff(curvatures), torch.ones(150, dtype=F64)
    exact = long_directions(landscape, point, 20, threshold=0.1, generator=derive(4))
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "MOST", 64)
    found = long_directions(landscape, point, 20, threshold=0.1, generator=derive(4))
    assert exact.short == short
    assert found.capped is capped
    if capped:
        assert found.short == module.MOST
        return
    assert found.short == short
    for one in (exact, found):
        assert one.directions[:, :short].abs().max() < 1e-3
    again = long_directions(landscape, point, 20, threshold=0.1, generator=derive(4))
    torch.testing.assert_close(found.directions, again.directions, rtol=0, atol=0)


def test_bad_input_is_refused() -> None:
    landscape, point = wedges(), torch.ones(40, dtype=F64)
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        long_directions(landscape, point, 0, threshold=0.1, generator=derive(0))
    with pytest.raises(ValueError, match="threshold must be positive and finite; got nan"):
        long_directions(landscape, point, 1, threshold=math.nan, generator=derive(0))
