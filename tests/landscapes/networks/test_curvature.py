from collections import Counter
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape, gradient, hvp
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp

X = torch.randn(48, 5, generator=derive(0), dtype=torch.float64)
Y = torch.randint(3, (48,), generator=derive(1))


def dense() -> nn.Module:
    return mlp(5, 3, (6,), activation=nn.Tanh).double()


def normalised() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 4))
    return model.append(nn.BatchNorm1d(4)).append(nn.Linear(4, 3)).double()


def landscapes(chunk: int, strategy: str) -> list[NetworkLandscape]:
    options = {"chunk": chunk, "strategy": strategy}
    if strategy == "stacked":  # which knows no BatchNorm
        return [NetworkLandscape(dense(), (X, Y), **options)]
    recomputed = NetworkLandscape(normalised(), (X, Y), (X[:20], Y[:20]), batch_norm="recompute", **options)
    return [
        NetworkLandscape(dense(), (X, Y), **options),
        NetworkLandscape(normalised().eval(), (X, Y), **options),
        recomputed,
        recomputed.held_out,
    ]


def through_the_graph(landscape: NetworkLandscape, points: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The slow, obvious way: differentiate the loss twice."""
    leaf = points.clone().requires_grad_()
    (slope,) = torch.autograd.grad(landscape.loss(leaf).sum(), leaf, create_graph=True)
    return slope.detach(), torch.autograd.grad((slope * vectors).sum(), leaf)[0]


@pytest.mark.parametrize(("kind", "strategy"), [(0, "stacked"), *product(range(4), ("vmap", "loop"))])
@pytest.mark.parametrize("chunk", [48, 16])
def test_products_with_the_hessian(kind: int, chunk: int, strategy: str) -> None:
    landscape = landscapes(chunk, strategy)[kind]
    points = landscape.initial(3, derive(2))
    vectors = torch.randn(points.shape, generator=derive(3), dtype=torch.float64)
    product = hvp(landscape, points, vectors)
    torch.testing.assert_close(product, through_the_graph(landscape, points, vectors)[1], rtol=1e-9, atol=1e-11)
    step = 1e-5 * vectors
    difference = (gradient(landscape, points + step) - gradient(landscape, points - step)) / 2e-5
    torch.testing.assert_close(product, difference, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("make", "strategy"), [(dense, "stacked"), *product((dense, normalised), ("vmap", "loop"))])
def test_derivatives_that_are_recomputed_chunk_by_chunk_are_right(make: Callable[[], nn.Module], strategy: str) -> None:
    small, whole = (NetworkLandscape(make().eval(), (X, Y), chunk=chunk, strategy=strategy) for chunk in (1, len(X)))
    points = whole.initial(3, derive(2))
    vectors = torch.randn(points.shape, generator=derive(3), dtype=torch.float64)
    for ours, plain in zip(*(through_the_graph(one, points, vectors) for one in (small, whole)), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)


class Meter(saved_tensors_hooks):
    """The most bytes that were kept for a backward pass at a time; views of one storage count once."""

    def __init__(self) -> None:
        self.most = 0
        self.held: Counter[int] = Counter()
        self.sizes: dict[int, int] = {}
        super().__init__(lambda tensor: Kept(self, tensor), lambda kept: kept.tensor)


class Kept:
    def __init__(self, meter: Meter, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self.meter, self.tensor, self.place = meter, tensor.detach(), storage.data_ptr()
        meter.held[self.place] += 1
        meter.sizes[self.place] = storage.nbytes()
        meter.most = max(meter.most, sum(meter.sizes.values()))

    def __del__(self) -> None:
        self.meter.held[self.place] -= 1
        if not self.meter.held[self.place]:
            del self.meter.sizes[self.place]


def most_bytes(policy: str, examples: int, act: Callable[[NetworkLandscape, Tensor], object]) -> int:
    x = torch.randn(examples, 5, generator=derive(0))
    model = normalised().train(policy == "recompute")
    landscape = NetworkLandscape(
        model, (x, torch.zeros(examples).long()), batch_norm=policy, chunk=16, dtype=torch.float32
    )
    points = landscape.initial(2, derive(2))
    meter = Meter()
    with meter:
        act(landscape, points)
    return meter.most


@pytest.mark.parametrize("policy", ["keep", "recompute"])
@pytest.mark.parametrize("act", [gradient, lambda landscape, points: hvp(landscape, points, points)])
def test_memory_is_bounded_by_the_chunk(policy: str, act: Callable[[NetworkLandscape, Tensor], object]) -> None:
    few, many = (most_bytes(policy, examples, act) for examples in (160, 1600))
    data = (1600 - 160) * (5 * 4 + 8)  # chunks are views of the data, which are there anyway
    assert many <= few + data


def test_a_loss_that_is_linear_in_the_weights_has_no_curvature() -> None:
    landscape = NetworkLandscape(
        nn.Linear(5, 3), (X, Y), loss=lambda model, batch: model(batch[0]).mean(), dtype=torch.float64
    )
    points = landscape.initial(2, derive(2))
    assert torch.equal(hvp(landscape, points, points), torch.zeros_like(points))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.out = nn.Linear(1, 4), nn.Linear(4, 3)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layers(self.embed(x[:, :, None])).mean(1))


def test_attention_can_be_differentiated_twice() -> None:
    landscape = NetworkLandscape(Transformer().eval(), (X, Y), dtype=torch.float64, chunk=20)
    points = landscape.initial(2, derive(2))
    vectors = torch.randn(points.shape, generator=derive(3), dtype=torch.float64)
    step = 1e-6 * vectors
    difference = (gradient(landscape, points + step) - gradient(landscape, points - step)) / 2e-6
    torch.testing.assert_close(hvp(landscape, points, vectors), difference, rtol=1e-4, atol=1e-6)


def test_the_hessian_of_logistic_regression() -> None:
    landscape = NetworkLandscape(nn.Linear(5, 3, bias=False), (X, Y), dtype=torch.float64, chunk=7)
    point = landscape.initial(1, derive(2))
    p = (X @ point.view(3, 5).T).softmax(1)
    blocks = torch.einsum("ni,nj,nab->aibj", X, X, torch.diag_embed(p) - p[:, :, None] * p[:, None, :]) / len(X)
    hessian = blocks.reshape(15, 15)
    columns = hvp(landscape, point.expand(15, -1).contiguous(), torch.eye(15, dtype=torch.float64))
    torch.testing.assert_close(columns, hessian)
    assert torch.isclose(landscape.loss(point)[0], cross_entropy(X @ point.view(3, 5).T, Y))
