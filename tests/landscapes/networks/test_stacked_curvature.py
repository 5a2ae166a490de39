"""Hessian products of chains of dense layers, from moving both passes, against double backward passes."""

import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscape import hvp
from nwedge.landscapes.networks.stacked import ELEMENTWISE, PIECEWISE_LINEAR, bends
from nwedge.methods.curvature import SmoothedHessian

EXAMPLES = 30
MODELS = {
    "one layer": lambda: nn.Sequential(nn.Linear(6, 3)),
    "relu": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)),
    "three layers": lambda: nn.Sequential(
        nn.Linear(6, 8), nn.Tanh(), nn.Sequential(nn.Linear(8, 5, bias=False), nn.GELU()), nn.Linear(5, 3)
    ),
    "around": lambda: nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(6, 3, bias=False), nn.Softplus(), nn.Tanh()),
    "linear": lambda: nn.Sequential(nn.Linear(6, 4), nn.Identity(), nn.Linear(4, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Sigmoid(), nn.Linear(8, 3)),
    "tied": lambda: _tied(),
}


def _tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 3))
    model[2].weight = model[0].weight
    return model


def landscape(name: str, dtype: torch.dtype = torch.float64, chunk: int | None = None) -> NetworkLandscape:
    x, y = torch.randn(EXAMPLES, 6, generator=derive(1)), torch.arange(EXAMPLES) % 3
    torch.manual_seed(0)
    return NetworkLandscape(MODELS[name]().eval(), (x, y), strategy="stacked", dtype=dtype, chunk=chunk, batch_size=12)


def anew(view, points, vectors):
    """The products by a double backward pass for each point and vector, summed over the points."""
    return torch.stack([hvp(view, point.expand(len(vectors), -1).contiguous(), vectors) for point in points]).sum(0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [None, 7])
def test_the_sum_of_the_hessians_is_that_of_double_backward_passes(name, dtype, chunk):
    network = landscape(name, dtype, chunk)
    for seed in range(3):
        points = network.initial(3, derive(seed))
        vectors = torch.randn(5, network.dim, generator=derive(seed, "vectors"), dtype=dtype)
        tolerance = {} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(network.hessian_sum(points)(vectors), anew(network, points, vectors), **tolerance)


@pytest.mark.parametrize("name", ["relu", "three layers", "tied"])
def test_what_memory_does_not_hold_is_made_anew(name):
    network = landscape(name, chunk=7)
    points, vectors = network.initial(2, derive(0)), network.initial(40, derive(1))
    expected = network.hessian_sum(points)
    assert expected._held is not None
    found = network.hessian_sum(points, held=0)
    assert found._held is None
    for _ in range(2):
        torch.testing.assert_close(found(vectors), expected(vectors), rtol=0, atol=0)


@pytest.mark.parametrize("kind", sorted(ELEMENTWISE, key=lambda kind: kind.__name__))
def test_layers_bend_unless_they_are_piecewise_linear(kind):
    leaf = torch.randn(1000, generator=derive(0), dtype=torch.float64).mul(3).requires_grad_()
    (slope,) = torch.autograd.grad(kind()(leaf).sum(), leaf, create_graph=True)
    curve = torch.autograd.grad(slope.sum(), leaf, allow_unused=True)[0] if slope.requires_grad else None
    assert bends(kind()) == (kind not in PIECEWISE_LINEAR) == (curve is not None and bool(curve.any()))
    assert bends(nn.Sequential(nn.ReLU(), kind())) == bends(kind())


def test_all_parts_of_a_ball_share_one_budget(monkeypatch):
    network = landscape("three layers")
    sizes = []
    for held in (2**28, 30_000, 10_000):
        monkeypatch.setattr("nwedge.methods.curvature.HELD", held)
        hessian = SmoothedHessian(network, network.initial(1, derive(0))[0], radius=0.1, generator=derive(1))
        passes = [kept for part in hessian._summed.terms for kept in part._held or ()]
        numbers = [
            number
            for one in passes
            for layer in one.layers
            for number in (layer.inputs, layer.slope, layer.pull, layer.bend)
            if number is not None
        ]
        sizes.append(sum(number.nbytes for number in numbers))
        assert sizes[-1] <= held
        assert len(hessian._parts) == 10
        torch.testing.assert_close(hessian.matrix(), hessian._anew(torch.eye(network.dim, dtype=torch.float64)) / 10)
    assert sizes == [sizes[0], sizes[0], 0], "which is all or nothing"
    assert sizes[0] > 10_000


def test_a_minibatch_multiplies_by_its_own_hessian():
    network = landscape("three layers")
    points, vectors = network.initial(2, derive(0)), network.initial(3, derive(1))
    view = network.minibatch(derive(2))
    torch.testing.assert_close(view.hessian_sum(points)(vectors), anew(view, points, vectors))


def test_the_hessian_averaged_over_a_ball_takes_them(monkeypatch):
    network = landscape("three layers")
    hessian = SmoothedHessian(network, network.initial(1, derive(0))[0], radius=0.1, generator=derive(1))
    assert hessian.draws > 1
    slow = hessian._anew(torch.eye(network.dim, dtype=torch.float64)) / hessian.draws
    monkeypatch.setattr("nwedge.methods.curvature.keep_graph", None)
    torch.testing.assert_close(hessian.matrix(), slow)


def test_held_out_data_have_their_own():
    network = landscape("relu")
    x = torch.randn(9, 6, generator=derive(3))
    other = NetworkLandscape(network.model, (x, torch.arange(9) % 3), strategy="stacked", dtype=torch.float64)
    both = NetworkLandscape(
        network.model, (x[:2], torch.arange(2)), (x, torch.arange(9) % 3), strategy="stacked", dtype=torch.float64
    )
    points, vectors = network.initial(2, derive(0)), network.initial(3, derive(1))
    torch.testing.assert_close(both.held_out.hessian_sum(points)(vectors), other.hessian_sum(points)(vectors))


def test_it_is_not_offered_where_it_would_be_wrong():
    network = landscape("dropout")
    assert network.minibatch(derive(0)).hessian_sum is None  # which drops
    network = landscape("relu")
    assert network.minibatch([derive(0), derive(1)]).hessian_sum is None  # whose points see different examples
    x, y = torch.randn(9, 6), torch.arange(9) % 3
    assert NetworkLandscape(MODELS["relu"](), (x, y), strategy="loop").hessian_sum is None
    squared = NetworkLandscape(MODELS["relu"](), (x, y), loss=lambda model, batch: model(batch[0]).square().mean())
    assert squared.hessian_sum is None


def test_nan_stays_nan():
    network = landscape("relu")
    points = network.initial(2, derive(0))
    points[1] = torch.nan
    assert network.hessian_sum(points)(points[:1]).isnan().any()
