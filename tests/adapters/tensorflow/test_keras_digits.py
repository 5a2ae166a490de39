"""A Keras network, trained in Keras on digits, is measured like one of torch."""

import pytest
import torch

pytest.importorskip("tensorflow")

import keras
from sklearn.datasets import load_digits

import nwedge
from nwedge._random import choose
from nwedge.adapters.tensorflow import KerasLandscape

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32").reshape(-1, 8, 8, 1)


def trained(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(6, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(X[:1400], Y[:1400], batch_size=64, epochs=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def models() -> list[keras.Model]:
    return [trained(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def landscape(models: list[keras.Model]) -> KerasLandscape:
    return KerasLandscape(models[0], (X[:1400], Y[:1400]), (X[1400:], Y[1400:]))


@pytest.fixture(scope="module")
def optima(models: list[keras.Model], landscape: KerasLandscape) -> torch.Tensor:
    return torch.stack([landscape.point(model) for model in models])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_optima_are_those_of_keras(landscape, optima):
    assert landscape.accuracy(optima).min() > 0.95
    assert landscape.held_out.accuracy(optima).min() > 0.85
    assert landscape.loss(optima).max() < 0.2 < landscape.loss(landscape.initial(3, generator())).min()


def test_a_tunnel_lies_lower_than_the_line(landscape, optima):
    found = nwedge.tunnel(landscape, optima[0], optima[1], steps=60, points=13, generator=generator())
    assert found.line_barrier > 0.3
    assert found.barrier < 0.5 * found.line_barrier


def test_an_m_tunnel_lies_lower_than_the_flat_sheet(landscape, optima):
    flat = nwedge.m_tunnel(landscape, optima, steps=0, generator=generator())
    sheet = nwedge.m_tunnel(landscape, optima, steps=60, generator=generator())
    losses = [nwedge.evaluate(landscape, each.sample(16, generator())).mean() for each in (flat, sheet)]
    assert losses[1] < 0.5 * losses[0]


def test_short_directions_are_counted_at_a_point_and_over_a_ball(landscape, optima):
    small = landscape.take(choose(landscape.examples, 140, generator()))
    exact = nwedge.short_directions(small, optima[0], [0.1, 1.0], method="exact", generator=generator())
    assert exact.counts[0] > exact.counts[1] > 0
    lanczos = nwedge.short_directions(small, optima[0], [0.1, 1.0], method="lanczos", generator=generator())
    assert lanczos.top[0] == pytest.approx(exact.top[0].item(), rel=1e-3)
    ball = nwedge.short_directions(
        landscape, optima[0], [0.1], radius=0.3, steps=8, method="lanczos", generator=generator()
    )
    assert 0 < ball.counts[0] < landscape.dim
    assert ball.standard_errors[0].isfinite()


def test_training_in_nwedge_lowers_the_loss(landscape):
    start = landscape.initial(4, generator())
    found = nwedge.descend(landscape, start, optimizer="adam", lr=0.02, steps=60, generator=generator())
    assert (landscape.loss(found.points) < 0.5 * landscape.loss(start)).all()
