"""Profiles: their values, and derivatives that are finite everywhere and 0 on the wedge."""

import pytest
import torch

from nwedge.landscapes.profiles import PROFILES, distance_outside, profile_derivatives, profile_loss, safe_sqrt


def derivatives(function, at):
    """The value and the first two derivatives with respect to a scalar."""
    at = at.clone().requires_grad_()
    value = function(at)
    (first,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    second = torch.autograd.grad(first.sum(), at)[0] if first.requires_grad else torch.zeros_like(at)
    return value.detach(), first.detach(), second


@pytest.mark.parametrize("thickness", [0.0, 0.3])
@pytest.mark.parametrize("profile", PROFILES)
def test_values_are_those_of_the_formula(profile, thickness):
    norm = torch.linspace(0, 4, 41, dtype=torch.float64)
    d = (norm - thickness).clamp(min=0)
    expected = {"distance": d, "squared": d**2, "saturating": 1 - torch.exp(-(d**2) / (2 * 0.7**2))}[profile]
    torch.testing.assert_close(profile_loss(norm.square(), profile, thickness, 0.7), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("thickness", [0.0, 0.3])
@pytest.mark.parametrize("profile", PROFILES)
def test_derivatives_are_zero_on_the_wedge_and_never_nan(profile, thickness, dtype):
    def loss(coordinate):
        return profile_loss(coordinate.square(), profile, thickness, 0.7)

    tiny = 10.0 ** -torch.arange(1, 46, dtype=torch.float64)
    at = torch.cat([torch.zeros(1, dtype=torch.float64), tiny]).to(dtype)
    value, first, second = derivatives(loss, at)
    assert value[0] == 0
    assert first[0] == 0
    assert all(torch.isfinite(found).all() for found in (value, first, second))
    if thickness > 0:
        assert not torch.cat([value, first, second]).any()
    elif profile == "distance":
        assert second[0] == 0
    else:
        torch.testing.assert_close(second[0].item(), 2.0 if profile == "squared" else 1 / 0.7**2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("thickness", [0.0, 0.3])
@pytest.mark.parametrize("profile", PROFILES)
def test_closed_forms_are_the_derivatives(profile, thickness, dtype):
    squares = torch.cat([torch.zeros(1), 10.0 ** torch.arange(-45, 3), torch.tensor([0.1, 0.8, 5.0, torch.nan])])
    squares = squares.to(dtype)
    expected, first, second = derivatives(lambda at: profile_loss(at, profile, thickness, 0.7), squares)
    value, slope, bend = profile_derivatives(squares, profile, thickness, 0.7)
    torch.testing.assert_close(value, expected, equal_nan=True)
    torch.testing.assert_close(slope, first, equal_nan=True)
    torch.testing.assert_close(bend, second, equal_nan=True)


def test_root_keeps_nan_and_infinity():
    root = safe_sqrt(torch.tensor([4.0, torch.inf, torch.nan, 0.0]))
    torch.testing.assert_close(root, torch.tensor([2.0, torch.inf, torch.nan, 0.0]), equal_nan=True)
    assert distance_outside(torch.tensor([torch.nan]), 0.5).isnan()
