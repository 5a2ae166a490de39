"""Models of flax and equinox as landscapes, as their users write them."""

import numpy as np
import pytest
import torch

jax = pytest.importorskip("jax")
jnp = jax.numpy

from nwedge._random import derive  # noqa: E402
from nwedge.adapters.jax import JaxLandscape  # noqa: E402


def trained(landscape, point, steps=40, rate=0.5):
    for _ in range(steps):
        point = point - rate * landscape.gradient(point)
    return point


def test_flax(net):
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Conv(4, (3, 3), strides=2)(x.reshape(-1, 8, 8, 1)))
            return nn.Dense(10)(x.reshape(len(x), -1))

    model = Net()
    init = lambda key: model.init(key, jnp.zeros((1, 64)))  # noqa: E731
    params = init(jax.random.key(0))
    few = tuple(part[:100] for part in net.train)
    landscape = JaxLandscape(model.apply, params, few, net.held_out, init=init, chunk=60)
    assert landscape.strategy == "loop"
    points = torch.cat([landscape.point(params)[None], landscape.initial(1, derive(0, "initial"))])
    optima = trained(landscape, points)
    assert landscape.accuracy(optima).min() > 0.8
    expected = model.apply(landscape.params(optima[0]), jnp.asarray(few[0])).argmax(1)
    assert np.array_equal(landscape.predict(optima)[0].argmax(1), expected)
    stacked = JaxLandscape(model.apply, params, few, strategy="vmap")
    vectors = torch.ones_like(points)
    torch.testing.assert_close(landscape.hvp(points, vectors), stacked.hvp(points, vectors), rtol=1e-4, atol=1e-4)


def test_equinox(net):
    eqx = pytest.importorskip("equinox")
    make = lambda key: eqx.nn.MLP(64, 10, 16, 1, key=key)  # noqa: E731
    model = make(jax.random.key(0))
    with pytest.raises(TypeError, match=r"leaf \.activation of params is a .*equinox\.partition"):
        JaxLandscape(lambda model, x: jax.vmap(model)(x), model, net.train)

    params, static = eqx.partition(model, eqx.is_inexact_array)
    landscape = JaxLandscape(
        lambda params, x: jax.vmap(eqx.combine(params, static))(x),
        params,
        net.train,
        net.held_out,
        init=lambda key: eqx.filter(make(key), eqx.is_inexact_array),
    )
    assert landscape.strategy == "vmap"
    optima = trained(landscape, torch.cat([landscape.point(params)[None], landscape.initial(1, derive(0, "initial"))]))
    assert landscape.held_out.accuracy(optima).min() > 0.7
    found = eqx.combine(landscape.params(optima[0]), static)
    assert isinstance(found, eqx.nn.MLP)
    expected = jax.vmap(found)(jnp.asarray(net.train[0])).argmax(1)
    assert np.array_equal(landscape.predict(optima)[0].argmax(1), expected)
