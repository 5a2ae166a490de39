from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from nwedge.adapters.tensorflow.network import KerasNetwork, _check_weights, check_inputs, check_model, trial

layers = keras.layers


def dense(*units: int, inputs: int = 3, **options) -> keras.Sequential:
    return keras.Sequential([keras.Input((inputs,)), *(layers.Dense(size, **options) for size in units)])


def test_outputs_at_a_point_are_those_of_a_model_with_these_weights():
    model, other, x = dense(4, 2), dense(4, 2), tf.random.stateless_normal((5, 3), (0, 1))
    network = KerasNetwork(model)
    point = network.flatten([variable.value for variable in other.trainable_variables])
    assert network.dim == 4 * 4 + 5 * 2
    np.testing.assert_allclose(network.outputs(point, x), other(x), rtol=1e-6)
    for part, variable in zip(network.unflatten(point), other.trainable_variables, strict=True):
        np.testing.assert_array_equal(part, variable.value)


def test_frozen_weights_and_statistics_stay_as_they_were():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[0].trainable = False
    network, x = KerasNetwork(model), tf.ones((2, 3))
    assert network.dim == 2 * 4 + 5 * 2
    point = network.flatten([variable.value for variable in network.variables])
    before = network.outputs(point, x).numpy()
    for variable in model.variables:
        variable.assign(variable.value + 1)
    model.layers[0].trainable = True
    np.testing.assert_array_equal(network.outputs(point, x), before)


def test_the_dtype_and_device_are_those_of_the_weights():
    network = KerasNetwork(dense(2, dtype="float64"))
    assert (network.dtype, network.device) == (torch.float64, torch.device("cpu"))


def with_value(model, value):
    model.trainable_variables[0].assign(tf.fill(model.trainable_variables[0].shape, value))
    return model


def with_integers():
    class Integers(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(), dtype="int32", initializer="ones", name="scale")

        def call(self, x):
            return x * keras.ops.cast(self.scale, x.dtype)

    return keras.Sequential([keras.Input((3,)), layers.Dense(2), Integers()])


def frozen():
    model = dense(2)
    model.trainable = False
    return model


class Unbuilt(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize(
    ("model", "error", "sentence"),
    [
        (lambda: keras.Sequential([layers.Dense(2)], name="net"), ValueError, "'net' is not built.*call it once"),
        (Unbuilt, ValueError, "is not built, so it has no weights yet"),
        (lambda: lambda x: x, TypeError, "model must be a Keras 3 model; got builtins.function"),
        (frozen, ValueError, "has no trainable weights: set trainable = True"),
        (with_integers, TypeError, "trainable weights must be floating; .*scale is int32: freeze it"),
        (lambda: with_value(dense(2), np.nan), ValueError, "the weights hold NaN or infinity in .*kernel"),
        (
            lambda: keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(2, dtype="float64")]),
            ValueError,
            "the weights must have one dtype; got float32, float64",
        ),
    ],
)
def test_bad_models_are_refused(model, error, sentence):
    with pytest.raises(error, match=sentence):
        KerasNetwork(model())


def test_weights_on_several_devices_are_refused():
    variables = [
        SimpleNamespace(dtype="float32", path="w", value=SimpleNamespace(device=device))
        for device in ("CPU:0", "GPU:0")
    ]
    with pytest.raises(ValueError, match="the weights must have one device; got CPU:0, GPU:0"):
        _check_weights(SimpleNamespace(name="net", variables=variables), variables)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(
        ValueError, match="needs Keras on the TensorFlow backend; this Keras runs on jax: set KERAS_BACK"
    ):
        check_model(dense(2))


def test_inputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"takes inputs of shape \(examples, 3\); the data have shape \(examples, 4\)"):
        check_inputs(dense(2), tf.zeros((5, 4)))
    model = Unbuilt()
    model(tf.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"cannot be called on x, float32 \(5, 4\): "):
        trial(KerasNetwork(model), tf.zeros((5, 4)))


def test_a_model_that_is_random_is_refused():
    class Noise(layers.Layer):
        def call(self, x):
            return x + tf.random.normal(tf.shape(x))

    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), Noise()])
    with pytest.raises(ValueError, match=r"two passes of the model .* with training=False differ"):
        trial(KerasNetwork(model), tf.zeros((2, 3)))
    calm = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dropout(0.5), layers.GaussianNoise(1.0)])
    assert trial(KerasNetwork(calm), tf.ones((2, 3))).shape == (2, 2)
