"""The wedge model beside: it has the counted short directions, low points on wedges, and the network's lengths."""

from pathlib import Path

import pytest
import torch

import nwedge.pictures.model as model
from nwedge.pictures.model import LABEL, WEDGES, beside
from nwedge.specs.picture import PlanePicture


def arguments(count: int = 1, **options):
    paths = tuple(Path(f"{number}.pt") for number in range(count))
    return PlanePicture(checkpoints=paths, network="a:b", data="a:c", points=5, **options)


def points(count: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (
        torch.randn(count, 60, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        * torch.arange(1, count + 1)[:, None]
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_checkpoints_have_low_points_of_the_same_norm(seed, dtype, count):
    given = points(count, seed, dtype)
    found = beside(arguments(count, seed=seed), given, 0.1, 7.3, 0.2)
    assert found.landscape.dim == 60
    assert found.landscape.axes.shape == (WEDGES, 7)
    (section,) = found.draws.values()
    assert set(found.draws) == {LABEL}
    rounding = 1e-4 if dtype == torch.float32 else 1e-10
    places = {1: [(0.0, 0.0)], 2: [(0.0, 0.0), (1.0, 0.0)]}.get(count, [(0.0, 0.0)])
    at = section.points(torch.tensor(places, dtype=dtype))
    assert found.landscape.loss(at).abs().max() < rounding
    for norm, own in zip(given.norm(dim=1), at.norm(dim=1), strict=False):
        assert own == pytest.approx(norm.item(), rel=1e-4)
    assert "with 7 short ones, as the network has 7.3 ± 0.2 eigenvalues above 0.1" in found.sentence


def test_directions_are_as_long_as_the_point_and_differ_between_draws():
    given = points(1, 0)
    found = beside(arguments(draws=2), given, 0.1, 7.0, 0.0)
    assert list(found.draws) == [f"{LABEL}, draw 1", f"{LABEL}, draw 2"]
    first, second = (section.chart.axes for section in found.draws.values())
    assert not torch.allclose(first, second)
    torch.testing.assert_close(first.norm(dim=1), given.norm().expand(2))


def test_a_large_network_is_shown_by_a_smaller_model_of_the_same_share(monkeypatch):
    monkeypatch.setattr(model, "LARGEST", 30)
    found = beside(arguments(), points(1, 0), 0.1, 20.0, 0.0)
    assert (found.landscape.dim, found.landscape.axes.shape[1]) == (30, 10)
    assert "30 dimensions with 10 short ones, in the place of 60 with 20" in found.sentence


@pytest.mark.parametrize("counted", [0.0, float("nan")])
def test_no_short_directions_make_no_wedge(counted):
    with pytest.raises(ValueError, match="give a lower --threshold"):
        beside(arguments(), points(1, 0), 0.1, counted, 0.0)
