"""Networks that were trained on digits in Keras and in flax go through the poster's claims, at their own optima."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import nwedge
from nwedge.landscape import Landscape
from nwedge.specs.canonical import Spec
from nwedge.specs.configs import MTunnelsConfig, ShortDirectionsConfig, TunnelsConfig

SEEDS, MEMBERS = 2, 3
COUNT = 400
"""Training examples."""
X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
LIGHT: dict[str, Spec] = {
    "tunnels": TunnelsConfig(steps=150, pointwise_steps=40, samples=4, interior=5, points=31, bends=60, bend_points=5),
    "m-tunnels": MTunnelsConfig(m=(2, 3), points=100, pointwise=()),
    "short-directions": ShortDirectionsConfig(m=(2,), positions=(0.0, 0.5, 1.0), probes=2, steps=12, examples=200),
}


def keras_cnn() -> tuple[Landscape, Tensor]:
    """Independent optima of a convolutional network, trained by Keras, and its landscape."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    from nwedge.adapters.tensorflow import KerasLandscape

    images = X.reshape(-1, 8, 8, 1)

    def trained(seed: int) -> "keras.Model":  # pyright: ignore[reportInvalidTypeForm]
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Conv2D(6, 3, 2, activation="tanh"), layers.Flatten(), layers.Dense(10)]
        )
        model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(images[:COUNT], Y[:COUNT], batch_size=100, epochs=40, verbose=0)
        return model

    models = [trained(seed) for seed in range(SEEDS * MEMBERS)]
    landscape = KerasLandscape(models[0], (images[:COUNT], Y[:COUNT]), (images[1000:], Y[1000:]))
    return landscape, torch.stack([landscape.point(model) for model in models])


def flax_mlp() -> tuple[Landscape, Tensor]:
    """Independent optima of a dense network, trained by optax, and its landscape."""
    jax, nn, optax = (pytest.importorskip(name) for name in ("jax", "flax.linen", "optax"))
    from nwedge.adapters.jax import JaxLandscape

    model = nn.Sequential([nn.Dense(32), nn.tanh, nn.Dense(10)])
    adam = optax.adam(0.02)

    def loss(params, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(model.apply(params, x), y).mean()

    @jax.jit
    def step(params, state, x, y):
        updates, state = adam.update(jax.grad(loss)(params, x, y), state)
        return optax.apply_updates(params, updates), state

    def trained(seed: int) -> dict:
        params = model.init(jax.random.key(seed), X[:1])
        state, generator = adam.init(params), np.random.default_rng(seed)
        for _ in range(200):
            batch = generator.permutation(COUNT)[:100]
            params, state = step(params, state, X[batch], Y[batch])
        return params

    everything = [trained(seed) for seed in range(SEEDS * MEMBERS)]
    train, held_out = (X[:COUNT], Y[:COUNT]), (X[1000:], Y[1000:])
    init = lambda key: model.init(key, X[:1])  # noqa: E731
    landscape = JaxLandscape(model.apply, everything[0], train, held_out, init=init)
    return landscape, torch.stack([landscape.point(params) for params in everything])


@pytest.mark.parametrize("network", [keras_cnn, flax_mlp])
def test_a_network_trained_in_its_own_framework_is_judged(network: Callable[[], tuple[Landscape, Tensor]]) -> None:
    landscape, optima = network()
    assert landscape.held_out.accuracy(optima).min() > 0.8  # pyright: ignore[reportAttributeAccessIssue]
    by_seed = optima.unflatten(0, (SEEDS, MEMBERS))
    verdicts = {
        claim: nwedge.examine_optima(landscape, claim, by_seed, config=config, sheet_steps=150)
        for claim, config in LIGHT.items()
    }
    parts = {part.part: part for verdict in verdicts.values() for part in verdict.parts}
    assert all(part.seeds == SEEDS for part in parts.values())
    assert parts["1 - tunnel / line"].outcome == "holds"
    assert parts["m = 2: 1 - sheet / flat"].outcome == "holds"
    assert parts["m = 3: 1 - sheet / flat"].outcome == "holds"
    assert parts["count in the middle / at the ends - 1"].statistic is not None  # there are some at the ends
