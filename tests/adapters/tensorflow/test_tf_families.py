import pytest
import torch

pytest.importorskip("tensorflow")

import tensorflow as tf

from nwedge.adapters.tensorflow import families
from nwedge.adapters.tensorflow.bridge import to_tensorflow, to_torch
from nwedge.adapters.tensorflow.families import Complete, Sampled
from nwedge.landscapes.families import Sampled as TorchSampled
from nwedge.landscapes.orientation import draw_axes

INF, NAN = float("inf"), float("nan")


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def short_axes(family: Complete | Sampled, coordinates: torch.Tensor) -> torch.Tensor:
    return to_torch(family.short_axes(to_tensorflow(coordinates)))


@pytest.mark.parametrize("short", range(8))
def test_the_complete_family_is_short_where_coordinates_are_smallest(short):
    coordinates = normal(50, 7)
    expected = coordinates.abs().argsort(1).argsort(1) < short
    assert torch.equal(short_axes(Complete(short, 7), coordinates), expected)


@pytest.mark.parametrize("short", range(7))
def test_of_tied_coordinates_just_enough_are_short(short):
    coordinates = torch.tensor([[1.0, 0, 1, 0, -1, 1], [0.0] * 6, [2, 2, 2, 2, 2, -2], [3, 1, 1, 1, 1, 0]])
    found = short_axes(Complete(short, 6), coordinates)
    assert (found.sum(1) == short).all()
    smallest = coordinates.abs().sort(1).values[:, :short]
    assert torch.equal(torch.where(found, coordinates.abs(), INF).sort(1).values[:, :short], smallest)


@pytest.mark.parametrize("short", [1, 2, 4])
def test_nan_counts_as_smallest_and_infinity_as_largest(short):
    found = short_axes(Complete(short, 5), torch.tensor([[INF, 1.0, NAN, 2.0, 0.5]]))
    assert found.tolist() == [[False, short > 2, True, short > 3, short > 1]]


def sampled(sets: torch.Tensor, axes: int, *, dense: bool, monkeypatch: pytest.MonkeyPatch) -> Sampled:
    monkeypatch.setattr(families, "DENSE_ELEMENTS", 2**24 if dense else 0)
    monkeypatch.setattr(families, "DENSE_SHARE", 2**24)
    family = Sampled(sets, axes, tf.float64)
    assert (family._members is not None) == (dense and bool((sets >= 0).any()))
    return family


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("short", [3, [3, 1, 6, 2], [2, 3, 1, 1]])
def test_sampled_families_find_the_wedge_that_torch_finds(dense, short, monkeypatch):
    sets, coordinates = draw_axes(9, short, 4, seed=1), normal(60, 9)
    coordinates[0, :3], coordinates[1, 4], coordinates[2] = NAN, INF, 0.0
    nearest = TorchSampled(sets).nearest(coordinates)
    expected = (nearest[:, :, None] == torch.arange(9)).any(1)
    found = short_axes(sampled(sets, 9, dense=dense, monkeypatch=monkeypatch), coordinates)
    assert torch.equal(found[1:], expected[1:])
    assert found[0, :3].any()


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("short", [[2, 0, 1], [2, 1, 0], [0, 0, 0]])
def test_a_wedge_without_short_axes_is_everywhere(dense, short, monkeypatch):
    sets = draw_axes(5, short, 3, seed=0)
    assert not short_axes(sampled(sets, 5, dense=dense, monkeypatch=monkeypatch), normal(4, 5)).any()


@pytest.mark.parametrize("dense", [True, False])
def test_nan_in_axes_that_are_long_in_all_wedges_does_not_matter(dense, monkeypatch):
    family = sampled(torch.tensor([[0, 1], [1, 2]]), 4, dense=dense, monkeypatch=monkeypatch)
    found = short_axes(family, torch.tensor([[9.0, 1, 0, NAN], [0, 1, 9, INF]], dtype=torch.float64))
    assert found.tolist() == [[False, True, True, False], [True, True, False, False]]


def test_the_rule_takes_the_membership_matrix_where_it_is_small_and_full():
    assert Sampled(draw_axes(100, 3, 10, seed=0), 100, tf.float32)._members is not None
    assert Sampled(draw_axes(100, 1, 10, seed=0), 100, tf.float32)._members is None
