"""What `collect` gives is what `provide` takes in another process: the same data, of any type and nesting."""

import pickle

import numpy as np
import pytest
import torch

from nwedge.landscapes.networks import sources

MODULE = """
import torch
calls = []

def data(dtype="float32"):
    calls.append(dtype)
    x = torch.arange(12.0).view(4, 3).to(getattr(torch, dtype)).requires_grad_(dtype == "float64")
    return {"x": x, "parts": [(x + 1, "name")]}, None
"""


@pytest.fixture(autouse=True)
def module(users_module):
    return users_module("sources_module", MODULE)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "bfloat16"])
def test_the_data_are_the_same_after_a_journey(module, dtype):
    source = ("sources_module:data", (("dtype", dtype),))
    own, _ = sources.load(source)
    travelled = pickle.loads(pickle.dumps(sources.collect([source])))
    for array in (travelled[source][0]["x"], travelled[source][0]["parts"][0][0]):
        if isinstance(array, np.ndarray):  # as Ray gives it
            array.setflags(write=False)
    sources.provide(travelled)
    found, held_out = sources.load(source)
    assert module.calls == [dtype]
    assert found is not own
    assert held_out is None
    assert found["x"].dtype == getattr(torch, dtype)
    assert torch.equal(found["x"], own["x"])
    assert torch.equal(found["parts"][0][0], own["parts"][0][0])
    assert found["parts"][0][1] == "name"


def test_what_is_provided_last_is_what_is_loaded():
    source = ("sources_module:data", ())
    for number in (1, 2):
        sources.provide({source: (np.full(3, number), None)})
        assert sources.load(source)[0].tolist() == [number] * 3
