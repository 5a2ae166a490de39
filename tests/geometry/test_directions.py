"""Directions: their lengths filter by filter, their signs, and what has no filters."""

import pytest
import torch
from torch import Tensor

from nwedge import WedgeLandscape
from nwedge._random import derive
from nwedge.geometry import Filters, filter_normalised, layer_normalised, random
from nwedge.geometry.filters import along, none, of_transposed


class Weights:
    """Weights of a dense layer (3, 2), its bias (3), a transposed convolution (4, 2, 2) in 2 groups, frozen (2, 2)."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        self.dim, self.dtype, self.device = 6 + 3 + 16 + 4, dtype, torch.device("cpu")
        labels = [along((3, 2), 0), none((3,)), of_transposed((4, 2, 2), 2), along((2, 2), 0)]
        self.filters = Filters.of(labels, [False, False, False, True], self.device)


def parts(vector: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dense, bias, transposed, frozen = vector.split([6, 3, 16, 4])
    return dense.view(3, 2), bias, transposed.view(4, 2, 2), frozen


def obvious(draw: Tensor, point: Tensor) -> Tensor:
    """Filter by filter, as one would write it for one network."""
    (d, _, t, _), (w, _, k, _) = parts(draw), parts(point)
    d, t = d.clone(), t.clone()
    for row in range(3):
        d[row] *= w[row].norm() / d[row].norm()
    for group in range(2):
        for output in range(2):
            inputs = slice(2 * group, 2 * group + 2)
            t[inputs, output] *= k[inputs, output].norm() / t[inputs, output].norm()
    return torch.cat([d.flatten(), torch.zeros(3).to(d), t.flatten(), torch.zeros(4).to(d)])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_filter_is_as_long_as_the_weights(seed, dtype):
    landscape = Weights(dtype)
    point = torch.randn(landscape.dim, generator=derive(seed, "point"), dtype=dtype)
    found = filter_normalised(landscape, point, 3, derive(seed))
    draws = torch.randn(3, landscape.dim, generator=derive(seed), dtype=dtype)
    torch.testing.assert_close(found, torch.stack([obvious(draw, point) for draw in draws]))


def test_a_filter_is_no_tensor():
    landscape = Weights()
    point = torch.arange(1.0, 30.0, dtype=torch.float64)
    by_filter, by_layer = (make(landscape, point, 1, derive(0))[0] for make in (filter_normalised, layer_normalised))
    for ours, weights in zip(parts(by_layer)[::2], parts(point)[::2], strict=True):
        assert ours.norm().item() == pytest.approx(weights.norm().item())
        assert abs(ours[0].norm() - weights[0].norm()) > 0.1
    torch.testing.assert_close(parts(by_filter)[0].norm(dim=1), parts(point)[0].norm(dim=1))
    assert not parts(by_layer)[1].any()
    assert not parts(by_layer)[3].any()


def test_others_are_filters_of_their_own_where_asked_and_frozen_weights_stay():
    landscape = Weights()
    point = torch.randn(landscape.dim, generator=derive(0), dtype=torch.float64)
    for make in (filter_normalised, layer_normalised):
        _, bias, _, frozen = parts(make(landscape, point, 1, derive(1), others="filters")[0])
        assert bias.norm().item() == pytest.approx(parts(point)[1].norm().item())
        assert not frozen.any()


def test_filters_of_norm_0_stay_and_a_direction_of_norm_0_is_refused():
    landscape = Weights()
    point = torch.ones(landscape.dim, dtype=torch.float64)
    point[:2] = 0
    found = filter_normalised(landscape, point, 1, derive(0))[0]
    assert not found[:2].any()
    assert found[2:6].all()
    with pytest.raises(ValueError, match="has norm 0, since all of its filters are 0"):
        filter_normalised(landscape, 0 * point, 1, derive(0))


@pytest.mark.parametrize("make", [filter_normalised, layer_normalised, random])
def test_directions_are_signed_and_their_mean_is_0(make):
    landscape = Weights()
    point = torch.ones(landscape.dim, dtype=torch.float64)
    found = make(landscape, point, 2000, derive(0))
    moved = found[:, found.any(0)]
    assert 0.45 < (moved > 0).double().mean() < 0.55
    assert moved.mean(0).abs().max() < 4 * moved.std() / 2000**0.5
    again = make(landscape, point, 2000, derive(0))
    assert torch.equal(found, again)


def test_random_directions_have_norm_1():
    wedges = WedgeLandscape(300, 10)
    found = random(wedges, torch.zeros(300), 4, derive(0))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    assert ((found @ found.T).fill_diagonal_(0).abs() < 0.3).all()


def test_bad_input_is_refused():
    landscape, point = Weights(), torch.ones(29, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"WedgeLandscape has no filters.*use nwedge\.geometry\.random"):
        filter_normalised(WedgeLandscape(20, 2), torch.ones(20), 1, derive(0))
    with pytest.raises(ValueError, match="others must be one of 'zero', 'filters'"):
        filter_normalised(landscape, point, 1, derive(0), others="all")
    with pytest.raises(ValueError, match="point must be finite"):
        layer_normalised(landscape, point * torch.nan, 1, derive(0))
    with pytest.raises(ValueError, match="count must be at least 1"):
        random(landscape, point, 0, derive(0))
    with pytest.raises(ValueError, match=r"point must have shape \(batch, 29\); got \(1, 3\)"):
        random(landscape, torch.ones(3, dtype=torch.float64), 1, derive(0))
