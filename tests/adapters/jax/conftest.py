"""A small network as a pure function of a dict, on scikit-learn's digits."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

jax = pytest.importorskip("jax")
jnp = jax.numpy


def mlp(params, x):
    return jnp.tanh(x @ params["in"]["w"] + params["in"]["b"]) @ params["out"]["w"] + params["out"]["b"]


def mlp_init(key, inputs=64, hidden=8, classes=10):
    first, second = jax.random.split(key)
    return {
        "in": {"w": jax.random.normal(first, (inputs, hidden)) / np.sqrt(inputs), "b": jnp.zeros(hidden)},
        "out": {"w": jax.random.normal(second, (hidden, classes)) / np.sqrt(hidden), "b": jnp.zeros(classes)},
    }


@pytest.fixture(scope="session")
def net():
    """`apply`, `init`, `params`, and the digits `train` and `held_out`."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    return SimpleNamespace(
        apply=mlp,
        init=mlp_init,
        params=mlp_init(jax.random.key(0)),
        train=(images[:500], labels[:500]),
        held_out=(images[500:700], labels[500:700]),
    )
