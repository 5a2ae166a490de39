"""The layers of `simple_cnn` against torch's own."""

import pytest
import torch
from torch import nn
from torch.func import hessian, vmap

from nwedge.landscapes.networks.layers import HalvingPool, Tanh


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_torchs_with_its_derivatives(dtype: torch.dtype) -> None:
    x = torch.cat([torch.linspace(-9, 9, 1001, dtype=dtype), torch.tensor([-1e4, -100, 100, 1e4], dtype=dtype)])
    x = x.requires_grad_(True)
    ours, torchs = ([layer(x)] for layer in (Tanh(), nn.Tanh()))
    for values in (ours, torchs):
        for _ in range(2):
            values += torch.autograd.grad(values[-1].sum(), x, create_graph=True)
    for own, reference, roundings in zip(ours, torchs, (2, 4, 8), strict=True):
        torch.testing.assert_close(own, reference, rtol=0, atol=roundings * torch.finfo(dtype).eps)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (2, 3)])
def test_pooling_is_torchs_with_and_without_gradients(size: tuple[int, int], layout: torch.memory_format) -> None:
    images = torch.randn(3, 4, *size).to(memory_format=layout)
    images[0, 0, 0, 0] = torch.nan
    expected = nn.MaxPool2d(2)(images)
    with torch.no_grad():
        found = HalvingPool()(images.requires_grad_(True))
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(HalvingPool()(images), expected, rtol=0, atol=0, equal_nan=True)


def test_pooling_goes_through_transforms() -> None:
    images = torch.randn(5, 3, 2, 4, 4, dtype=torch.float64)
    pools = HalvingPool(), nn.MaxPool2d(2)
    own, reference = (vmap(pool)(images) for pool in pools)
    assert torch.equal(own, reference)
    own, reference = (hessian(lambda x, pool=pool: pool(x).pow(3).sum())(images[0, :1]) for pool in pools)
    torch.testing.assert_close(own, reference)
