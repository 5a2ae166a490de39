"""Networks of other frameworks: gradients of 32 points through the adapter, and by the framework called directly."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
import torch
from flax import linen

from benchmarks.timing import Goal, Timing, compare
from nwedge import Landscape, NetworkLandscape, gradient
from nwedge._random import derive
from nwedge.adapters.jax import JaxLandscape
from nwedge.adapters.tensorflow import KerasLandscape
from nwedge.landscapes.networks import architectures, data

POINTS, HIDDEN, CLASSES = 32, 50, 10


def timings() -> Iterator[Timing]:
    """The digits MLP by Keras and by flax; naive: the same by torch; floor: the framework without the adapter."""
    (x, y), _ = data.load("digits")
    own = NetworkLandscape(architectures.mlp(64, CLASSES), (x, y))
    points = own.initial(POINTS, derive(0))
    inputs, labels = x.numpy(), y.numpy()
    for name, (landscape, alone) in {
        "Keras": _keras(inputs, labels, points),
        "flax": _flax(inputs, labels, points),
    }.items():
        yield compare(
            f"digits MLP by {name}, gradients of {POINTS} points, {len(x):,} examples",
            lambda landscape=landscape: gradient(landscape, points),
            lambda: gradient(own, points),
            alone,
            goal=Goal(floors=1.3),
        )


def _keras(x: np.ndarray, y: np.ndarray, points: torch.Tensor) -> tuple[Landscape, Callable[[], object]]:
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((64,)), dense(HIDDEN, "relu"), dense(HIDDEN, "relu"), dense(CLASSES)])
    landscape = KerasLandscape(model, (x, y))
    inputs, labels = tf.constant(x), tf.constant(y)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def slopes() -> Any:
        with tf.GradientTape() as tape:
            loss: Any = cross_entropy(labels, model(inputs))
        return tape.gradient(loss, model.trainable_variables)

    weights = [landscape.weights(point) for point in points]

    def alone() -> None:
        for values in weights:
            for variable, value in zip(model.trainable_variables, values, strict=True):
                variable.assign(value)
            slopes()[0].numpy()

    return landscape, alone


def _flax(x: np.ndarray, y: np.ndarray, points: torch.Tensor) -> tuple[Landscape, Callable[[], object]]:
    dense = linen.Dense
    model = linen.Sequential([dense(HIDDEN), linen.relu, dense(HIDDEN), linen.relu, dense(CLASSES)])
    params = model.init(jax.random.key(0), jnp.asarray(x[:1]))
    landscape = JaxLandscape(model.apply, params, (x, y))
    inputs, labels = jnp.asarray(x), jnp.asarray(y)

    def loss(params: Any) -> Any:
        logits: Any = model.apply(params, inputs)
        logs = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logs, labels[:, None], 1).mean()

    slopes = jax.jit(jax.vmap(jax.grad(loss)))
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *(landscape.params(point) for point in points))
    return landscape, lambda: jax.block_until_ready(slopes(stacked))
