import pytest
import torch

pytest.importorskip("tensorflow")

from nwedge.adapters.tensorflow.bridge import to_tensorflow, to_torch
from nwedge.adapters.tensorflow.profiles import profile_loss
from nwedge.landscapes.profiles import PROFILES
from nwedge.landscapes.profiles import profile_loss as reference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("thickness", [0.0, 0.5])
@pytest.mark.parametrize("profile", PROFILES)
def test_values_and_both_derivatives_are_those_of_torch(profile, thickness, dtype):
    tiny = torch.finfo(dtype).tiny ** (2 / 3)
    squares = torch.tensor(
        [0.0, tiny / 2, 1.001 * tiny, 1e-4, 0.2, 0.25, 0.3, 1.0, 4.0], dtype=dtype, requires_grad=True
    )
    value = reference(squares, profile, thickness, 1.5)
    (slope,) = torch.autograd.grad(value.sum(), squares, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), squares) if slope.requires_grad else (torch.zeros_like(slope),)
    found = [to_torch(part) for part in profile_loss(to_tensorflow(squares), profile, thickness, 1.5)]
    for ours, theirs in zip(found, (value, slope, bend), strict=True):
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, theirs.detach(), rtol=2e-6 if dtype == torch.float32 else 1e-13, atol=1e-7)


@pytest.mark.parametrize("thickness", [0.0, 0.5])
@pytest.mark.parametrize("profile", PROFILES)
def test_nan_stays_nan(profile, thickness):
    value, _, _ = profile_loss(to_tensorflow(torch.tensor([float("nan")])), profile, thickness, 1.0)
    assert to_torch(value).isnan().all()
