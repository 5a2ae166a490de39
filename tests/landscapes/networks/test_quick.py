"""Quick layers, and models that are made of them, against torch's own."""

import copy
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, hessian, vmap

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscapes.networks.quick import HalvingPool, Tanh, quicken

M = TypeVar("M", bound=nn.Module)


def quick(model: M) -> M:
    model = copy.deepcopy(model)
    quicken(model)
    return model


def halving() -> nn.Module:
    pool = quick(nn.MaxPool2d(2))
    assert type(pool) is HalvingPool
    return pool


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
        found = halving()(images.requires_grad_(True))
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(halving()(images), expected, rtol=0, atol=0, equal_nan=True)


def test_pooling_goes_through_transforms() -> None:
    images = torch.randn(5, 3, 2, 4, 4, dtype=torch.float64)
    pools = halving(), nn.MaxPool2d(2)
    own, reference = (vmap(pool)(images) for pool in pools)
    assert torch.equal(own, reference)
    own, reference = (hessian(lambda x, pool=pool: pool(x).pow(3).sum())(images[0, :1]) for pool in pools)
    torch.testing.assert_close(own, reference)


def conv(before: int = 2, after: int = 3) -> nn.Module:
    return nn.Conv2d(before, after, 3, padding=1)


MODELS = {
    "tanh, pool": [conv(), nn.Tanh(), nn.MaxPool2d(2), conv(3), nn.Tanh(), nn.MaxPool2d(2)],
    "pool, tanh": [conv(), nn.MaxPool2d(2), nn.Tanh()],
    "nested": [nn.Sequential(conv(), nn.Sequential(nn.Tanh())), nn.MaxPool2d(2), nn.Sequential(conv(3), nn.Tanh())],
    "two activations": [conv(), nn.Softsign(), nn.Sigmoid(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)],
    "in place": [conv(), nn.ReLU(inplace=True), nn.MaxPool2d((2, 3))],
    "normalised": [conv(), nn.BatchNorm2d(3), nn.ReLU6(), nn.MaxPool2d(2, stride=1)],
    "rounded up": [conv(), nn.SELU(), nn.MaxPool2d(2, ceil_mode=True)],
    "dropout between": [conv(), nn.Tanh(), nn.Dropout(0.5), nn.MaxPool2d(2)],
    "not monotone": [conv(), nn.GELU(), nn.MaxPool2d(2)],
    "shared": [conv(2, 2), tanh := nn.Tanh(), nn.MaxPool2d(2), conv(), tanh, nn.MaxPool2d(2)],
    "first": [nn.ReLU(inplace=True), nn.MaxPool2d(2), conv()],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (4, 6)])
@pytest.mark.parametrize("name", MODELS)
def test_a_quick_model_computes_the_same_with_derivatives(name: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    model = copy.deepcopy(nn.Sequential(*MODELS[name])).to(dtype).eval()
    images, tolerance = torch.randn(5, 2, *size, dtype=dtype), 10 * torch.finfo(dtype).eps
    weights = {key: weight.detach() for key, weight in model.named_parameters()}
    own = quick(model)

    def value(module: nn.Module, weights: dict[str, Tensor]) -> Tensor:
        return functional_call(module, weights, images.clone()).tanh().mean()

    with torch.no_grad():
        given = images.clone(), images.clone()  # which the first layer may change in place
        torch.testing.assert_close(own(given[0]), model(given[1]), rtol=tolerance, atol=tolerance)
        assert torch.equal(*given)
    found, expected = (torch.func.grad(lambda w, m=m: value(m, w))(weights) for m in (own, model))
    torch.testing.assert_close(found, expected, rtol=0, atol=10 * tolerance)
    along = {key: torch.randn(weight.shape, dtype=dtype, generator=derive(0)) for key, weight in weights.items()}
    found, expected = (
        torch.func.jvp(torch.func.grad(lambda w, m=m: value(m, w)), (weights,), (along,))[1] for m in (own, model)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=100 * tolerance)


def test_structure_and_names_stay_and_activations_see_the_maxima_alone() -> None:
    model = nn.Sequential(*MODELS["tanh, pool"])
    own, seen = quick(model), []
    assert list(own.state_dict()) == list(model.state_dict())
    assert [name for name, _ in own.named_modules()] == [name for name, _ in model.named_modules()]
    assert all(isinstance(new, type(old)) for new, old in zip(own.modules(), model.modules(), strict=True))
    forward = Tanh.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tanh, "forward", lambda layer, x: seen.append(x.shape[-1]) or forward(layer, x))
        images = torch.randn(1, 2, 8, 8)
        torch.testing.assert_close(own(images), model(images))
        torch.testing.assert_close(own[:2](images), model[:2](images))
    assert seen == [4, 2, 8]


def test_what_a_hook_or_a_forward_of_its_own_sees_stays() -> None:
    seen: list[torch.Size] = []
    model = nn.Sequential(conv(), nn.Tanh(), nn.MaxPool2d(2))
    model[1].register_forward_hook(lambda layer, given, output: seen.append(output.shape))
    quick(model)(torch.randn(1, 2, 8, 8))
    assert seen == [(1, 3, 8, 8)]
    model = nn.Sequential(conv(), nn.Tanh(), nn.MaxPool2d(2))
    model[1].forward = torch.neg
    images = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(quick(model)(images), model(images))


def test_a_pool_that_may_see_the_padding_alone_keeps_its_place() -> None:
    model = nn.Sequential(conv(), nn.Hardtanh(), nn.MaxPool2d(2, 1, 1, dilation=5))
    found = quick(model)(torch.randn(1, 2, 4, 4))
    assert torch.equal(found, torch.full_like(found, -torch.inf))


class Own(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return -input


def test_the_layers_of_users_stay_theirs() -> None:
    model = nn.Sequential(conv(), Own(), nn.MaxPool2d(2))
    images = torch.randn(1, 2, 8, 8)
    assert torch.equal(quick(model)(images), model(images))
    pairs = nn.Sequential(conv(), nn.Tanh(), nn.MaxPool2d(2, return_indices=True))
    torch.testing.assert_close(quick(pairs)(images), pairs(images))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_landscape_quickens_its_own_model_and_gives_back_the_users(dtype: torch.dtype) -> None:
    model = nn.Sequential(*MODELS["tanh, pool"], nn.Flatten(), nn.Linear(12, 4))
    model = copy.deepcopy(model).to(dtype)
    kinds = [type(layer) for layer in model.modules()]
    images, labels = torch.randn(9, 2, 8, 8, dtype=dtype), torch.arange(9) % 4
    landscape = NetworkLandscape(model, (images, labels))
    points = landscape.initial(3, derive(0))
    expected = [nn.functional.cross_entropy(landscape.module(point)(images), labels) for point in points]
    torch.testing.assert_close(landscape.loss(points), torch.stack(expected).detach())
    for one in (model, landscape.model, landscape.module(points[0])):
        assert [type(layer) for layer in one.modules()] == kinds
    assert any(type(layer) is HalvingPool for layer in landscape._network.shell.model.modules())
