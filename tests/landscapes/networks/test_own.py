import pytest
import torch

from nwedge.landscapes.networks import sources
from nwedge.landscapes.networks.own import own_network

MODULE = """
import torch
from torch import nn
calls = []

def build(width=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 2))

def data(examples=10):
    calls.append(examples)
    x = torch.arange(3.0 * examples).view(-1, 3) / 10
    return (x, x[:, 0].long() % 2), (x[:4], x[:4, 1].long() % 2)

def nested():
    (x, y), held_out = data()
    return {"x": x, "y": y}, None

def loss(model, batch):
    return nn.functional.cross_entropy(model(batch["x"]), batch["y"]) + 1

def nothing():
    pass

def two_tensors():
    return torch.zeros(3, 3), torch.zeros(3)

def many():
    return 1, 2, 3
"""
BUILD, DATA = "own_network_module:build", ("own_network_module:data", ())


@pytest.fixture(autouse=True)
def module(users_module):
    return users_module("own_network_module", MODULE)


def test_it_is_the_landscape_of_the_module_on_the_data(module):
    landscape = own_network(BUILD, DATA, arguments={"width": 5}, batch_size=3)
    assert landscape.dim == 3 * 5 + 5 + 5 * 2 + 2
    assert (landscape.examples, landscape.held_out.examples, landscape.batch_size) == (10, 4, 3)
    model, (x, y) = module.build(5), module.data()[0]
    expected = torch.nn.functional.cross_entropy(model(x), y)
    assert torch.allclose(landscape.loss(landscape.point(model)[None]), expected)


def test_a_loss_of_ones_own_takes_batches_of_ones_own(module):
    landscape = own_network(BUILD, ("own_network_module:nested", ()), loss="own_network_module:loss")
    plain = own_network(BUILD, DATA)
    point = landscape.point(module.build())[None]
    assert torch.allclose(landscape.loss(point), plain.loss(point) + 1)
    assert landscape.held_out is None


def test_data_are_loaded_once_for_the_same_arguments(module):
    for examples in (10, 10, 7, 7):
        own_network(BUILD, (DATA[0], (("examples", examples),)))
    assert module.calls == [10, 7]


def test_data_that_are_provided_are_not_loaded(module):
    source = (DATA[0], (("examples", 6),))
    named = ("digits", ())
    collected = sources.collect([source, named])
    assert module.calls == [6]
    sources.provide(collected)
    landscape = own_network(BUILD, source)
    assert module.calls == [6]
    assert landscape.examples == 6
    for (x, y), (other_x, other_y) in zip(sources.load(named), sources.data.load("digits"), strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


@pytest.mark.parametrize(
    ("network", "data", "words"),
    [
        ("own_network_module:nothing", "data", "must return a torch.nn.Module; got NoneType"),
        (BUILD, "nothing", "must return (training data, held-out data or None), each such as (x, y); got NoneType"),
        (BUILD, "two_tensors", "got two tensors: return ((x, y), None) where nothing is held out"),
        (BUILD, "many", "got tuple"),
        (BUILD, "loss", "does not take no arguments: it takes model, batch"),
    ],
)
def test_functions_that_return_something_else_are_named(network, data, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        own_network(network, (f"own_network_module:{data}", ()))
    assert words in str(caught.value)
    assert "own_network_module:" in str(caught.value)
