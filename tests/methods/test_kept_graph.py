"""Kept graphs: the products of double backward passes, for every kind of network, within the memory that is stated."""

import functools
import math

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape, WedgeLandscape, hvp, short_directions
from nwedge._random import derive
from nwedge.landscapes.networks import network
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods import curvature, kept_graph
from nwedge.methods.curvature import SmoothedHessian
from nwedge.methods.kept_graph import KeptGraph, keep_graph

X = torch.randn(24, 5, generator=derive(0), dtype=torch.float64)
Y = torch.randint(3, (24,), generator=derive(1))
TIGHT = {torch.float32: 1e-5, torch.float64: 1e-13}


def dense() -> nn.Module:
    return mlp(5, 3, (6,), activation=nn.Tanh)


def normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))


def landscape_of(model: nn.Module, **options) -> NetworkLandscape:
    return NetworkLandscape(model, (X, Y), **{"dtype": torch.float64} | options)


def kept(landscape: NetworkLandscape, points: Tensor) -> KeptGraph:
    graph = keep_graph([(landscape, points)])
    assert graph is not None
    return graph


def double_backward(landscape: NetworkLandscape, points: Tensor, vector: Tensor) -> Tensor:
    """The slow, obvious way: the loss differentiated twice at each point, for one vector."""
    total = torch.zeros_like(vector)
    for point in points:
        leaf = point.clone().requires_grad_()
        (slope,) = torch.autograd.grad(landscape.loss(leaf[None])[0], leaf, create_graph=True)
        total += torch.autograd.grad(slope @ vector, leaf)[0]
    return total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [12, 2])  # with 2 examples at once, the passes are recomputed
@pytest.mark.parametrize(
    ("model", "policy", "strategy"),
    [
        (dense, "keep", "stacked"),
        *((model, "keep", strategy) for model in (dense, normalised) for strategy in ("vmap", "loop")),
        *((normalised, "recompute", strategy) for strategy in ("vmap", "loop")),
    ],
)
def test_products_are_those_of_double_backward_passes(model, policy: str, chunk: int, strategy: str, dtype) -> None:
    given = model().train(policy == "recompute")
    landscape = landscape_of(given, batch_norm=policy, chunk=chunk, strategy=strategy, dtype=dtype)
    points = landscape.initial(3, derive(2))  # 72 evaluations
    vectors = torch.randn(3, landscape.dim, generator=derive(3), dtype=dtype)
    expected = torch.stack([double_backward(landscape, points, vector) for vector in vectors])
    graph = kept(landscape, points)
    assert graph.together == landscape.vectors_at_once
    for together in (1, 2):
        graph.together = together
        error = (graph.products(vectors) - expected).norm() / expected.norm()
        assert error < TIGHT[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", [0.0, 0.1])
def test_a_hessian_over_a_ball_is_the_same_with_and_without_its_graph(radius: float, dtype: torch.dtype) -> None:
    landscape = landscape_of(dense(), batch_size=6, dtype=dtype, strategy="vmap")
    point = landscape.initial(1, derive(2))[0]
    vectors = torch.randn(7, landscape.dim, generator=derive(3), dtype=dtype)
    hessian, anew = (SmoothedHessian(landscape, point, radius=radius, generator=derive(4)) for _ in range(2))
    anew.__dict__["_graph"] = None
    assert hessian._graph is not None
    expected = anew.products(vectors)
    assert (hessian.products(vectors) - expected).norm() / expected.norm() < TIGHT[dtype]
    assert hessian.multiplied == anew.multiplied == 7


def test_the_loss_is_evaluated_once_for_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = landscape_of(dense(), strategy="vmap")
    calls, loss = [], NetworkLandscape.loss
    monkeypatch.setattr(NetworkLandscape, "loss", lambda self, points: calls.append(len(points)) or loss(self, points))
    monkeypatch.setattr(network, "hessian_products", None)
    hessian = SmoothedHessian(landscape, landscape.initial(1, derive(2))[0], generator=derive(4))
    hessian.matrix()
    hessian.products(torch.ones(1, landscape.dim, dtype=torch.float64))
    assert calls == [1]


def test_a_graph_beyond_its_bytes_is_not_kept_and_the_products_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = landscape_of(dense(), strategy="vmap")
    point = landscape.initial(1, derive(2))
    size = kept(landscape, point).bytes
    activations = 24 * (6 + 6 + 3) * 8
    assert activations < size < 20 * activations
    assert keep_graph([(landscape, point)], most=size) is not None
    assert keep_graph([(landscape, point)], most=size - 1) is None
    vectors = torch.randn(3, landscape.dim, generator=derive(3), dtype=torch.float64)
    monkeypatch.setattr(curvature, "keep_graph", functools.partial(keep_graph, most=size - 1))
    hessian = SmoothedHessian(landscape, point[0], generator=derive(4))
    assert hessian._graph is None
    torch.testing.assert_close(hessian.products(vectors), hvp(landscape, point.repeat(3, 1), vectors))


def test_as_many_vectors_share_a_pass_as_stay_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = landscape_of(dense())
    points = landscape.initial(2, derive(2))
    one = kept(landscape, points[:1])
    assert one.together == landscape.vectors_at_once == 32
    monkeypatch.setattr(kept_graph, "BATCH", 3 * one.bytes)
    assert kept(landscape, points[:1]).together == 3
    assert keep_graph([(landscape, points[:1])], most=2 * one.bytes).together == 2  # pyright: ignore
    assert kept(landscape, points).bytes == pytest.approx(2 * one.bytes, rel=0.3)
    monkeypatch.setattr(kept_graph, "BATCH", 1)
    assert kept(landscape, points).together == 1
    assert kept(landscape_of(dense(), strategy="loop"), points).together == 1


def test_a_landscape_that_does_not_declare_it_is_multiplied_by_its_own_products() -> None:
    wedges = WedgeLandscape(40, 4, wedges=5)
    assert keep_graph([(wedges, wedges.initial(1, derive(2)))]) is None


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(1, 12), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.inner(x[:, None, :, None]).chunk(3, -1)
        return self.outer(nn.functional.scaled_dot_product_attention(query, key, value).mean((1, 2)))


def test_attention_has_a_second_derivative_in_a_kept_graph() -> None:
    landscape = landscape_of(Attention(), strategy="loop")
    point = landscape.initial(1, derive(2))
    vectors = torch.randn(3, landscape.dim, generator=derive(3), dtype=torch.float64)
    torch.testing.assert_close(
        kept(landscape, point).products(vectors), hvp(landscape, point.repeat(3, 1), vectors), rtol=1e-9, atol=1e-12
    )


def test_a_loss_that_is_linear_in_the_weights_has_no_curvature() -> None:
    landscape = landscape_of(nn.Linear(5, 3), loss=lambda model, batch: model(batch[0]).mean())
    points = landscape.initial(2, derive(2))
    assert not kept(landscape, points).products(torch.ones(3, landscape.dim, dtype=torch.float64)).any()


def test_nan_stays_nan() -> None:
    landscape = landscape_of(nn.Linear(5, 3), loss=lambda model, batch: model(batch[0]).square().mean().sub(1e9).sqrt())
    point = landscape.initial(1, derive(2))
    assert kept(landscape, point).products(torch.ones(3, landscape.dim, dtype=torch.float64)).isnan().all()
    for method in ("exact", "lanczos"):
        found = short_directions(landscape, point[0], [0.1], method=method, generator=derive(3))
        assert math.isnan(found.counts.item())
        assert math.isnan(found.standard_errors.item())
