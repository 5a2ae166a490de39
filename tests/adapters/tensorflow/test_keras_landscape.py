import copy
import random

import numpy as np
import pytest
import torch

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

import nwedge
from nwedge._checks import check_point
from nwedge._random import choose
from nwedge.adapters.tensorflow import KerasLandscape
from nwedge.adapters.tensorflow.keras import PredictiveKeras

layers = keras.layers
X, Y = load_digits(return_X_y=True)
X = X / 16
TRAIN, HELD_OUT = (X[:120], Y[:120]), (X[120:150], Y[120:150])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dense(dtype: str = "float32", **last) -> keras.Sequential:
    first = layers.Dense(5, "tanh", dtype=dtype, bias_initializer="normal")
    return keras.Sequential(
        [keras.Input((64,)), first, layers.Dense(10, dtype=dtype, bias_initializer="normal", **last)]
    )


def convolutional() -> keras.Sequential:
    inner = [layers.Conv2D(2, 3, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.5), layers.Flatten()]
    return keras.Sequential([keras.Input((64,)), layers.Reshape((8, 8, 1)), *inner, layers.Dense(10, "softmax")])


def regression() -> KerasLandscape:
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, "tanh", dtype="float64"), layers.Dense(1, dtype="float64")]
    )
    return KerasLandscape(model, (X[:50, 2:5], X[:50, 10]), (X[50:60, 2:5], X[50:60, 10]), loss="MeanSquaredError")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_contract_of_dense_models(dtype):
    nwedge.check_landscape(KerasLandscape(dense(dtype), TRAIN, HELD_OUT, batch_size=16))


def test_the_contract_of_convolutions_in_uneven_chunks():
    nwedge.check_landscape(KerasLandscape(convolutional(), TRAIN, HELD_OUT, batch_size=16, chunk=50))


def test_the_contract_of_regressions():
    landscape = regression()
    assert type(landscape) is KerasLandscape
    assert not hasattr(landscape, "predict")
    assert type(landscape.held_out) is KerasLandscape
    nwedge.check_landscape(landscape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("softmax", [True, False])
def test_numbers_are_those_of_the_same_network_in_torch(softmax, dtype):
    model = dense(dtype, activation="softmax" if softmax else None)
    ours, double = KerasLandscape(model, TRAIN, HELD_OUT, chunk=50), getattr(torch, dtype)
    twin = torch.nn.Sequential(torch.nn.Linear(64, 5), torch.nn.Tanh(), torch.nn.Linear(5, 10)).to(double)
    data = [(torch.tensor(x, dtype=double), torch.tensor(y)) for x, y in (TRAIN, HELD_OUT)]
    theirs = nwedge.NetworkLandscape(twin, *data)

    def transposed(points: torch.Tensor) -> torch.Tensor:
        first, bias, second, rest = points.split([320, 5, 50, 10], 1)
        turned = first.view(-1, 64, 5).mT.flatten(1), bias, second.view(-1, 5, 10).mT.flatten(1), rest
        return torch.cat(turned, 1)

    points, vectors = ours.initial(3, generator()), ours.initial(3, generator(1))
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-13}
    for left, right in ((ours, theirs), (ours.held_out, theirs.held_out)):
        close = [
            (left.loss(points), right.loss(transposed(points))),
            (transposed(left.gradient(points)), nwedge.gradient(right, transposed(points))),
            (transposed(left.hvp(points, vectors)), nwedge.hvp(right, transposed(points), transposed(vectors))),
            (left.predict(points), right.predict(transposed(points))),
            (left.accuracy(points), right.accuracy(transposed(points))),
        ]
        for found, expected in close:
            torch.testing.assert_close(found, expected, **tolerance)
        assert torch.equal(left.labels, right.labels)


def test_the_users_model_and_all_global_state_stay_as_they_are():
    model = convolutional()
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = [variable.numpy().copy() for variable in model.variables]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    landscape = KerasLandscape(model, TRAIN, HELD_OUT, batch_size=16)
    points = landscape.initial(2, generator())
    for view in (landscape, landscape.minibatch(generator()), landscape.minibatch([generator(), generator(1)])):
        view.loss(points), view.gradient(points), view.hvp(points, points)
    landscape.accuracy(points), landscape.predict(points), landscape.model(points[0])
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert states[:2] == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    assert torch.equal(states[2], torch.get_rng_state())


def test_later_training_of_the_model_changes_nothing():
    model = convolutional()
    landscape = KerasLandscape(model, TRAIN)
    point = landscape.point(model)[None]
    before = landscape.loss(point)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(*TRAIN, verbose=0)
    assert torch.equal(landscape.loss(point), before)
    assert not torch.equal(landscape.point(model)[None], point)


def test_points_weights_and_models_go_round():
    model = convolutional()
    landscape = KerasLandscape(model, TRAIN)
    point = landscape.initial(1, generator())[0]
    assert torch.equal(landscape.point(landscape.weights(point)), point)
    other = landscape.model(point)
    assert torch.equal(landscape.point(other), point)
    other.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = other.evaluate(*TRAIN, verbose=0)
    assert landscape.loss(point[None]).item() == pytest.approx(loss, rel=1e-4)
    assert landscape.accuracy(point[None]).item() == pytest.approx(accuracy, rel=1e-6)


def test_points_that_do_not_fit_are_refused():
    landscape = KerasLandscape(dense(), TRAIN)
    weights = landscape.weights(landscape.initial(1, generator())[0])
    with pytest.raises(ValueError, match="must have the shapes of the model's trainable variables"):
        landscape.point(weights[:-1])
    with pytest.raises(ValueError, match="the weights hold NaN or infinity"):
        landscape.point([weight * np.nan for weight in weights])
    with pytest.raises(
        ValueError, match=r"point must be a tensor of shape \(385,\), without a batch axis; got \(1, 385\)"
    ):
        check_point(landscape, torch.zeros(1, 385))  # the annotations of public functions are checked in tests
    with pytest.raises(TypeError, match=r"point must have dtype torch\.float32"):
        landscape.model(torch.zeros(385, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"points must have shape \(batch, 385\)"):
        landscape.predict(torch.zeros(2, 3))


def test_held_out_data_subsets_and_copies_are_of_the_same_kind():
    landscape = KerasLandscape(dense(), TRAIN, HELD_OUT)
    for other, count in (
        (landscape, 120),
        (landscape.held_out, 30),
        (landscape.held_out.held_out, 30),
        (landscape.take(choose(landscape.examples, 7, generator())), 7),
        (landscape.take(choose(landscape.examples, 500, generator())), 120),
        (copy.copy(landscape), 120),
    ):
        assert type(other) is PredictiveKeras
        assert isinstance(other, nwedge.Predictive)
        assert (other.examples, other.batch_size, len(other.labels)) == (count, min(128, count), count)
        assert other.predict(landscape.initial(2, generator())).shape == (2, count, 10)
    assert type(copy.copy(regression())) is KerasLandscape
    assert KerasLandscape(dense(), TRAIN).held_out is None
    with pytest.raises(ValueError, match="indices must be between 0 and 119; got 120"):
        landscape.take(torch.tensor([120]))


@pytest.mark.parametrize("chunk", [7, None])
def test_the_losses_of_examples_are_those_of_the_examples_alone(chunk):
    for landscape in (KerasLandscape(dense(), TRAIN, chunk=chunk), regression()):
        points = landscape.initial(3, generator())
        losses = landscape.example_losses(points)
        assert losses.shape == (3, landscape.examples)
        torch.testing.assert_close(losses.mean(1), landscape.loss(points))
        few = torch.tensor([5, 0, 17])
        singles = torch.stack([landscape.take(one[None]).loss(points) for one in few], 1)
        torch.testing.assert_close(losses[:, few], singles, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(landscape.take(few).example_losses(points), singles, rtol=1e-4, atol=1e-5)


def test_the_model_runs_in_inference_mode_also_in_minibatches():
    model = keras.Sequential([keras.Input((64,)), layers.Dropout(0.9), layers.Dense(10)])
    plain = keras.Sequential([keras.Input((64,)), layers.Dense(10)])
    points = KerasLandscape(plain, TRAIN).initial(2, generator())
    losses = [
        KerasLandscape(each, TRAIN).minibatch([generator(1), generator(2)]).loss(points) for each in (model, plain)
    ]
    torch.testing.assert_close(*losses)


def test_a_sequence_of_generators_needs_as_many_points():
    landscape = KerasLandscape(dense(), TRAIN)
    view = landscape.minibatch([generator(), generator(1)])
    with pytest.raises(ValueError, match="drawn for 2 points, one generator each; got 3: pass a single generator"):
        view.gradient(landscape.initial(3, generator()))
    assert view.minibatch(generator()) is view
    assert torch.equal(view.initial(2, generator()), landscape.initial(2, generator()))


def test_an_epoch_sees_every_example_once():
    landscape = KerasLandscape(dense("float64"), TRAIN, batch_size=9)
    points = landscape.initial(2, generator())
    views = landscape.epoch(generator())
    assert len(views) == 120 // 8
    torch.testing.assert_close(torch.stack([view.loss(points) for view in views]).mean(0), landscape.loss(points))


def test_several_inputs_in_the_users_structure():
    inputs = {"left": keras.Input((32,)), "right": keras.Input((32,))}
    model = keras.Model(inputs, layers.Dense(10)(layers.Concatenate()([inputs["left"], inputs["right"]])))
    landscape = KerasLandscape(model, ({"left": X[:50, :32], "right": X[:50, 32:]}, Y[:50, None]))
    points = landscape.initial(2, generator())
    flat = KerasLandscape(keras.Sequential([keras.Input((64,)), layers.Dense(10)]), (X[:50], Y[:50]))
    torch.testing.assert_close(landscape.loss(points), flat.loss(points))
    own = [generator(1), generator(2)]
    torch.testing.assert_close(
        landscape.minibatch(own).gradient(points), flat.minibatch([generator(1), generator(2)]).gradient(points)
    )


def test_a_loss_of_ones_own():
    landscape = KerasLandscape(dense(), TRAIN, loss=lambda y, p: tf.reduce_sum(p, 1) * tf.cast(y, p.dtype))
    points = landscape.initial(2, generator())
    evaluation = KerasLandscape(dense(), TRAIN)._evaluation
    predicted = evaluation.each("outputs", landscape._drawn, tf.constant(points.numpy()))
    expected = (predicted.numpy().sum(2) * TRAIN[1]).mean(1)
    np.testing.assert_allclose(landscape.loss(points), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"train": (X[:9, :63], Y[:9])}, ValueError, r"takes inputs of shape \(examples, 64\); the data have shape"),
        ({"train": (X[:9], X[:9, 0])}, ValueError, "needs integer training labels y"),
        ({"train": (X[:9], Y[:9] + 5)}, ValueError, "labels must be between 0 and 9"),
        ({"held_out": (X[:9], Y[:8])}, ValueError, "the arrays of the held-out data must have one length"),
        ({"held_out": (X[:9, :63], Y[:9])}, ValueError, r"takes inputs of shape \(examples, 64\)"),
        ({"held_out": (X[:9], Y[:9].astype(np.uint8))}, ValueError, "shapes and dtypes of the training data"),
        ({"loss": lambda y, p: tf.reduce_mean(p)}, ValueError, r"one loss an example.* got float32 \(\)"),
        ({"loss": lambda y, p: p}, ValueError, r"one loss an example.* got float32 \(8, 10\)"),
        ({"loss": 3}, TypeError, "loss must be a function"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"chunk": 0}, ValueError, "chunk must be at least 1"),
        ({"model": keras.Sequential([layers.Dense(2)])}, ValueError, "is not built"),
    ],
)
def test_bad_arguments_are_refused(options, error, sentence):
    arguments = {"model": dense(), "train": TRAIN} | options
    with pytest.raises(error, match=sentence):
        KerasLandscape(arguments.pop("model"), arguments.pop("train"), **arguments)
