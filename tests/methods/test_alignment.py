"""Matching of hidden units against all permutations, and what it must leave as it is."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn

from nwedge import NetworkLandscape, WedgeLandscape, descend
from nwedge._random import derive
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp, simple_cnn
from nwedge.landscapes.networks.data import digits
from nwedge.landscapes.networks.permutations import Order
from nwedge.methods import alignment, matching
from nwedge.methods.alignment import METHODS, align, alignable
from nwedge.methods.tunnels import barrier

EXAMPLES, CLASSES = 12, 3


def on(model: nn.Module, shape: Sequence[int], dtype: torch.dtype = torch.float64, **how) -> NetworkLandscape:
    inputs = torch.randn(EXAMPLES, *shape, generator=derive(0, "inputs"))
    labels = torch.arange(EXAMPLES) % CLASSES
    return NetworkLandscape(model, (inputs, labels), dtype=dtype, **how)


def dense(dtype: torch.dtype = torch.float64) -> NetworkLandscape:
    return on(mlp(5, CLASSES, (7, 6)), (5,), dtype)


def convolutional(dtype: torch.dtype = torch.float64) -> NetworkLandscape:
    return on(simple_cnn(1, 8, CLASSES, (4, 5)), (1, 8, 8), dtype)


def pooled(dtype: torch.dtype = torch.float64) -> NetworkLandscape:
    layers = (nn.Conv2d(2, 4, 3, bias=False), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
    return on(
        nn.Sequential(*layers, nn.Linear(4, 5, bias=False), nn.SiLU(), nn.Linear(5, CLASSES)).eval(), (2, 6, 6), dtype
    )


NETWORKS = {"dense": dense, "convolutional": convolutional, "pooled": pooled}


def permuted(landscape: NetworkLandscape, point: Tensor, orders: Mapping[int, Sequence[int]]) -> Tensor:
    """A slow, obvious permutation: unit by unit, weight by weight; `orders` by the index of the hidden layer."""
    module = landscape.module(point)
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    with torch.no_grad():
        for hidden, order in orders.items():
            layer, after = layers[hidden], layers[hidden + 1]
            old, old_after = layer.weight.clone(), after.weight.clone()
            old_bias = None if layer.bias is None else layer.bias.clone()
            block = old_after.shape[1] // len(old)
            for unit, source in enumerate(order):
                layer.weight[unit] = old[source]
                if old_bias is not None and layer.bias is not None:
                    layer.bias[unit] = old_bias[source]
                for pixel in range(block):
                    after.weight[:, unit * block + pixel] = old_after[:, source * block + pixel]
    return landscape.point(module)


def units(landscape: NetworkLandscape) -> list[int]:
    return [shape[0] for name, shape in landscape.parameter_shapes.items() if name.endswith("weight")][:-1]


def shuffled(landscape: NetworkLandscape, point: Tensor, name: str) -> Tensor:
    stream = derive(0, name)
    orders = {i: torch.randperm(count, generator=stream).tolist() for i, count in enumerate(units(landscape))}
    return permuted(landscape, point, orders)


def squared_distance(left: Tensor, right: Tensor) -> float:
    return (left - right).square().sum().item()


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_the_function_is_unchanged_and_the_distance_not_larger(make: Callable[..., NetworkLandscape]) -> None:
    landscape = make()
    for seed in range(5):
        reference, other = landscape.initial(2, derive(seed))
        before = reference.clone(), other.clone()
        found = align(landscape, reference, other, generator=derive(seed))
        assert torch.equal(found.sort().values, other.sort().values)
        assert not torch.equal(found, other)
        torch.testing.assert_close(landscape.predict(found[None]), landscape.predict(other[None]), rtol=0, atol=1e-12)
        assert squared_distance(reference, found) < squared_distance(reference, other)
        assert torch.equal(reference, before[0])
        assert torch.equal(other, before[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_permuted_copy_comes_back_exactly(make: Callable[..., NetworkLandscape], dtype: torch.dtype) -> None:
    landscape = make(dtype)
    for seed in range(5):
        point = landscape.initial(1, derive(seed))[0]
        copy = shuffled(landscape, point, f"copy {seed}")
        assert not torch.equal(copy, point)
        torch.testing.assert_close(landscape.predict(copy[None]), landscape.predict(point[None]))
        assert torch.equal(align(landscape, point, copy, generator=derive(seed)), point)


@pytest.mark.parametrize(
    "landscape",
    [
        on(mlp(2, CLASSES, (3, 4)), (2,)),
        on(simple_cnn(1, 8, CLASSES, (3, 4)), (1, 8, 8)),
        on(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), (2,)),
    ],
    ids=["relu", "convolutions", "tanh"],
)
def test_no_permutation_is_closer(landscape: NetworkLandscape) -> None:
    every = list(itertools.product(*(itertools.permutations(range(count)) for count in units(landscape))))
    for seed in range(2):
        reference, other = landscape.initial(2, derive(seed))
        least = min(
            squared_distance(reference, permuted(landscape, other, dict(enumerate(orders)))) for orders in every
        )
        found = align(landscape, reference, other, starts=20, generator=derive(seed))
        assert squared_distance(reference, found) == pytest.approx(least, rel=1e-12)


def test_no_sweep_makes_the_distance_larger_and_the_last_changes_nothing() -> None:
    landscape = on(mlp(5, CLASSES, (20, 20, 20)), (5,))
    groups = landscape.permutations.groups
    sweeps = 0
    for seed in range(5):
        reference, other = (alignment._named(landscape, one) for one in landscape.initial(2, derive(seed)))

        def distance(found: Mapping[str, Tensor], reference: Mapping[str, Tensor] = reference) -> float:
            return sum(squared_distance(tensor, found[name]) for name, tensor in reference.items())

        stream, waiting, now = derive(seed), set(range(3)), distance(other)
        while matching._sweep(groups, reference, other, waiting, stream):
            before, now = now, distance(other)
            assert now < before
            sweeps += 1
        for group in groups:  # no exchange of two of its units gains
            for i, j in itertools.combinations(range(20), 2):
                order = torch.arange(20)
                order[[i, j]] = order[[j, i]]
                assert distance(other | group.reordered(other, Order(order))) >= now - 1e-9
    assert sweeps > 5


class Chain:
    """A slow, obvious weight matching of a chain of layers, by layers in the place of groups."""

    def __init__(self, module: nn.Module) -> None:
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        self.weights, self.biases, before = [], [], 1
        for layer in layers:
            weight = layer.weight.detach().double()
            self.weights.append(weight.reshape(len(weight), before, -1))
            self.biases.append(weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double())
            before = len(weight)
        self.hidden = len(layers) - 1
        self.orders = [torch.arange(len(bias)) for bias in self.biases]

    def order(self, layer: int, order: Tensor) -> None:
        self.weights[layer], self.biases[layer] = self.weights[layer][order], self.biases[layer][order]
        self.weights[layer + 1] = self.weights[layer + 1][:, order]
        self.orders[layer] = self.orders[layer][order]

    def units(self, layer: int) -> Tensor:
        into, out = self.weights[layer].flatten(1), self.weights[layer + 1].transpose(0, 1).flatten(1)
        return torch.cat([into, self.biases[layer][:, None], out], dim=1)

    def distance(self, other: "Chain") -> float:
        pairs = zip((*self.weights, *self.biases), (*other.weights, *other.biases), strict=True)
        return sum(squared_distance(own, its) for own, its in pairs)


def chain_aligned(
    landscape: NetworkLandscape, reference: Tensor, other: Tensor, starts: int, stream: Generator
) -> Tensor:
    target, ends = Chain(landscape.module(reference)), []
    for start in range(starts):
        chain, gained = Chain(landscape.module(other)), True
        for layer in range(chain.hidden if start else 0):
            chain.order(layer, torch.randperm(len(chain.biases[layer]), generator=stream))
        while gained:
            gained = False
            for layer in torch.randperm(chain.hidden, generator=stream).tolist():
                similar = target.units(layer) @ chain.units(layer).T
                rows, order = linear_sum_assignment(similar.numpy(), maximize=True)
                if similar[rows, order].sum() - similar.trace() > 1e-12 * similar.abs().sum():
                    chain.order(layer, torch.from_numpy(order))
                    gained = True
        ends.append(chain)
    closest = min(ends, key=lambda chain: chain.distance(target))
    return permuted(landscape, other, {layer: closest.orders[layer].tolist() for layer in range(closest.hidden)})


def digits_mlp() -> NetworkLandscape:
    return NetworkLandscape(mlp(64, 10), *digits())


def fashion_cnn() -> NetworkLandscape:
    images = torch.randn(EXAMPLES, 1, 28, 28, generator=derive(0, "images"))
    return NetworkLandscape(simple_cnn(1, 28, 10), (images, torch.arange(EXAMPLES) % 10))


@pytest.mark.parametrize("make", [dense, convolutional, pooled, digits_mlp, fashion_cnn])
def test_chains_are_aligned_as_they_were_layer_by_layer(make: Callable[[], NetworkLandscape]) -> None:
    landscape = make()
    for seed in range(2):
        reference, other = landscape.initial(2, derive(seed))
        streams = derive(seed, "align"), derive(seed, "align")
        expected = chain_aligned(landscape, reference, other, 4, streams[0])
        assert torch.equal(align(landscape, reference, other, starts=4, generator=streams[1]), expected)
        assert torch.equal(*(stream.get_state() for stream in streams))


def test_more_starts_are_never_farther_and_one_start_need_not_be_closest() -> None:
    landscape = on(mlp(5, CLASSES, (20, 20, 20)), (5,))
    one, many = [], []
    for seed in range(10):
        reference, other = landscape.initial(2, derive(seed))
        for starts, found in ((1, one), (10, many)):
            found.append(
                squared_distance(reference, align(landscape, reference, other, starts=starts, generator=derive(seed)))
            )
    assert all(more <= few for few, more in zip(one, many, strict=True))
    assert sum(many) < sum(one)


def test_the_generator_alone_decides() -> None:
    landscape = dense()
    reference, other = landscape.initial(2, derive(1))
    first, second = (align(landscape, reference, other, generator=derive(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_the_wall_between_two_trained_networks_falls_when_their_units_are_matched() -> None:
    landscape = digits_mlp()
    start = landscape.initial(2, derive(0, "start"))
    a, b = descend(landscape, start, lr=0.1, momentum=0.9, steps=300, generator=derive(0, "training")).points

    def wall(end: Tensor) -> float:
        t = torch.linspace(0, 1, 21)[:, None]
        return barrier(landscape.loss(a + t * (end - a))[None]).item()

    assert wall(b) > 0.2
    for method in METHODS:
        matched = align(landscape, a, b, method=method, generator=derive(0))
        assert landscape.accuracy(matched[None]) == pytest.approx(landscape.accuracy(b[None]).item(), abs=1e-3)
        assert wall(matched) < wall(b) / 5


def test_landscapes_that_are_no_networks_have_no_units() -> None:
    assert not alignable(QuadraticBowl(4))
    assert not alignable(WedgeLandscape(6, 2))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_the_networks_of_the_project_are_alignable(make: Callable[..., NetworkLandscape]) -> None:
    assert alignable(make())
    assert alignable(on(mlp((2, 3), CLASSES, (5,)), (2, 3)))


def test_bad_points_and_numbers_are_refused() -> None:
    landscape = dense()
    point = landscape.initial(1, derive(0))[0]
    broken = point.clone()
    broken[3] = torch.nan
    with pytest.raises(ValueError, match="other must be finite; it holds NaN"):
        align(landscape, point, broken, generator=derive(0))
    with pytest.raises(ValueError, match="reference must be finite; it holds NaN"):
        align(landscape, broken, point, generator=derive(0))
    with pytest.raises(ValueError, match=r"reference must have shape \(batch, 111\); got \(1, 110\)"):
        align(landscape, point[1:], point[1:], generator=derive(0))
    with pytest.raises(TypeError, match=r"other must have dtype torch\.float64"):
        align(landscape, point, point.float(), generator=derive(0))
    with pytest.raises(ValueError, match="method must be one of 'weights', 'activations'; got 'chance'"):
        align(landscape, point, point, method="chance", generator=derive(0))
    with pytest.raises(ValueError, match="starts must be at least 1"):
        align(landscape, point, point, starts=0, generator=derive(0))
