"""Points seen on examples of their own."""

import pytest
import torch

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.claims._sampling import on_samples, sampled
from nwedge.landscape import evaluate
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp

EXAMPLES = 40


@pytest.fixture(scope="module")
def network() -> NetworkLandscape:
    generator = derive(0)
    x = torch.randn(EXAMPLES, 5, generator=generator)
    return NetworkLandscape(mlp(5, 3, (6,)), (x, torch.randint(3, (EXAMPLES,), generator=generator)))


def test_a_network_is_seen_on_so_many_examples(network) -> None:
    some = sampled(network, 7, derive(1))
    assert isinstance(some, NetworkLandscape)
    assert some.examples == 7


def test_without_a_number_or_without_data_nothing_is_drawn(network) -> None:
    bowl, generator = QuadraticBowl(3), derive(1)
    before = generator.get_state()
    assert sampled(network, None, generator) is network
    assert sampled(bowl, 7, generator) is bowl
    points = bowl.initial(4, derive(2))
    assert torch.equal(on_samples(bowl, points, 7, generator), evaluate(bowl, points))
    points = network.initial(4, derive(2))
    assert torch.equal(on_samples(network, points, None, generator), evaluate(network, points))
    assert torch.equal(generator.get_state(), before)


def test_every_point_sees_examples_of_its_own(network) -> None:
    point = network.initial(1, derive(2))
    losses = on_samples(network, point.expand(300, -1), 10, derive(3))
    assert len(losses.unique()) > 250
    error = losses.std() / 300**0.5
    assert (losses.mean() - evaluate(network, point)[0]).abs() < 4 * error


def test_any_function_of_a_landscape_may_be_taken(network) -> None:
    points = network.initial(3, derive(2))
    found = on_samples(network, points, 10, derive(3), lambda one, points: one.accuracy(points))  # pyright: ignore
    assert found.shape == (3,)
    assert (10 * found).round(decimals=4).frac().abs().max() < 1e-3
