import random

import numpy as np
import pytest
import torch

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from nwedge.adapters.tensorflow.bridge import to_torch
from nwedge.adapters.tensorflow.initial import copied, draw_initial
from nwedge.adapters.tensorflow.network import KerasNetwork

layers = keras.layers


class Subclassed(keras.Model):
    """Cannot be made anew as a whole, but its layers can."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.last = inner, layers.Dense(2)

    def call(self, x):
        return self.last(tf.nn.relu(self.inner(x)))


def models():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, kernel_initializer=keras.initializers.HeNormal(seed=3))
    functional = keras.Model(inputs, layers.Dense(2)(shared(shared(inputs)) + inputs))
    subclassed = Subclassed(layers.Dense(4))
    subclassed(tf.zeros((1, 6)))
    nested = keras.Sequential([keras.Input((6,)), keras.Sequential([layers.Dense(3, "tanh")]), layers.Dense(2)])
    deep = [
        keras.Input((6,)),
        layers.Reshape((3, 2)),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
        layers.Lambda(lambda x: 2 * x),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(2),
    ]
    return {"functional": functional, "subclassed": subclassed, "nested": nested, "deep": keras.Sequential(deep)}


def draw(network: KerasNetwork, count: int, seed: int) -> torch.Tensor:
    return to_torch(draw_initial(network, count, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("name", ["functional", "subclassed", "nested", "deep"])
def test_points_are_fresh_and_depend_on_the_generator_alone(name):
    model = models()[name]
    network, before = KerasNetwork(model), [variable.numpy().copy() for variable in model.variables]
    state = random.getstate()
    points = draw(network, 3, seed=0)
    assert random.getstate() == state
    random.seed(7)
    tf.random.set_seed(7)
    assert torch.equal(draw(network, 3, seed=0), points)
    assert not torch.equal(draw(network, 3, seed=1), points)
    for place, variable in zip(
        points.split([int(np.prod(shape)) for shape in network.shapes], 1), network.variables, strict=True
    ):
        values = place.numpy()
        if "kernel" in variable.path:
            assert np.abs(values[0] - values[1]).min() > 0
            expected = variable.numpy().std()
            assert 0.4 * expected < values.std() < 2.5 * expected
        else:
            np.testing.assert_array_equal(values, np.broadcast_to(variable.numpy().ravel(), values.shape))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("name", ["functional", "nested", "deep"])
def test_a_copy_has_the_weights_that_are_given_and_the_statistics_that_were(name):
    model = models()[name]
    for variable in model.non_trainable_weights:
        variable.assign(variable.value + 0.5)
    network, x = KerasNetwork(model), tf.random.stateless_normal((4, 6), (0, 1))
    point = draw_initial(network, 1, torch.Generator().manual_seed(0))[0]
    copy = copied(network, network.unflatten(point), x)
    np.testing.assert_allclose(copy(x, training=False), network.outputs(point, x), rtol=1e-5, atol=1e-6)
    assert not {id(variable) for variable in copy.variables} & {id(variable) for variable in model.variables}


def test_a_compiled_model_with_a_loss_of_its_own_is_copied_without_it():
    model = models()["nested"]
    model.compile("adam", lambda y, p: tf.reduce_mean(p))
    network = KerasNetwork(model)
    weights = [variable.value for variable in network.variables]
    assert not copied(network, weights, tf.zeros((1, 6))).compiled


def test_what_cannot_be_made_anew_is_named():
    class Closed(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")

        def call(self, x):
            return self.function(x) * self.scale

    model = keras.Sequential([keras.Input((6,)), Closed(lambda x: x)], name="net")
    network = KerasNetwork(model)
    with pytest.raises(ValueError, match=r"layer 'closed.*' \(Closed\) cannot be made anew from its configuration"):
        draw(network, 1, seed=0)
    with pytest.raises(ValueError, match=r"the model 'net' cannot be made anew .* assign .weights"):
        copied(network, [variable.value for variable in network.variables], tf.zeros((1, 6)))
