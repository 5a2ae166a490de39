"""Cuts and filters of Keras models: which weights make one output, found by asking the layer itself."""

import numpy as np
import pytest
import torch

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from nwedge._random import derive
from nwedge.adapters.tensorflow import KerasLandscape
from nwedge.adapters.tensorflow.filters import find_filters
from nwedge.adapters.tensorflow.network import KerasNetwork
from nwedge.geometry import Plane, filter_normalised
from nwedge.methods.cutting import cut

layers = keras.layers
CPU = torch.device("cpu")


def labels(model: keras.Model) -> dict[str, torch.Tensor]:
    network = KerasNetwork(model)
    pieces = find_filters(network, CPU).filters.split([int(np.prod(shape)) for shape in network.shapes])
    return {own.path: piece.view(*own.shape) for own, piece in zip(network.variables, pieces, strict=True)}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(3), (4,)),
        (layers.Conv2D(4, 2, groups=2), (5, 5, 4)),
        (layers.Conv1DTranspose(3, 2), (5, 2)),
        (layers.Conv2DTranspose(3, 2), (5, 5, 2)),
        (layers.DepthwiseConv2D(2, depth_multiplier=2), (5, 5, 3)),
        (layers.EinsumDense("ab,cb->ac", 3), (4,)),
    ],
    ids=lambda value: value.__class__.__name__,
)
def test_a_filter_is_what_one_output_depends_on(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer])
    x = tf.random.uniform((1, *shape))
    (filters, *_) = labels(model).values()
    outputs = model(x).shape[-1]
    for output in range(outputs):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(model(x)[..., output])
        seen = torch.from_numpy(tape.gradient(value, model.trainable_variables[0]).numpy()) != 0
        ours = filters[seen].unique()
        assert len(ours) == 1
        assert torch.equal(filters == ours, seen)
    assert len(filters.unique()) == outputs


def test_embeddings_have_rows_and_biases_and_normalisation_none():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(7, 4)(inputs)
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 3)(x, x))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    found = {path: len(own[own >= 0].unique()) for path, own in labels(model).items()}
    assert {count for path, count in found.items() if path.endswith(("bias", "gamma", "beta"))} == {0}
    kernels = {path.split("/", 1)[-1]: count for path, count in found.items() if count}
    assert sorted(kernels.values()) == sorted([7, 6, 6, 6, 4, 2])


class Odd(layers.Layer):
    def build(self, shape: tuple) -> None:
        self.w = self.add_weight(shape=(shape[-1], 2), name="w")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.w


def test_weights_of_unknown_layout_are_refused():
    with pytest.raises(ValueError, match=r"odd/w' make one output is not known by its name: call it 'kernel'"):
        labels(keras.Sequential([keras.Input((4,)), Odd()]))


def test_a_plane_is_that_of_the_model_in_a_plain_loop():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, "tanh"), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    y = x[:, :3].argmax(1)
    landscape = KerasLandscape(model, (x, y))
    point = landscape.point(model)
    u, v = filter_normalised(landscape, point, 2, derive(0))
    axis = [-1.0, 0.0, 0.5]
    found = cut(landscape, Plane(u, v), [axis, axis], origin=point, metrics=("loss", "accuracy"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for i, a in enumerate(axis):
        for j, b in enumerate(axis):
            logits = landscape.model(point + a * u + b * v)(x)
            assert found.loss[i, j].item() == pytest.approx(float(loss(y, logits)), rel=1e-5)
            assert found.accuracy[i, j].item() == pytest.approx((np.argmax(logits, 1) == y).mean())
    assert found.loss.attrs["units"] == "nats"
