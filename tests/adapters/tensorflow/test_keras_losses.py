import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from nwedge.adapters.tensorflow.examples import Examples
from nwedge.adapters.tensorflow.losses import (
    check_classes,
    check_loss,
    classifies,
    loss_of_examples,
    read_loss,
    takes_logits,
    with_labels,
)

LABELS = tf.constant([0, 2, 1])
LOGITS = tf.constant([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [0.2, 0.1, 0.0]])
PROBABILITIES = tf.nn.softmax(LOGITS)
CROSS_ENTROPY = -np.log(PROBABILITIES.numpy()[range(3), LABELS.numpy()])


def each(loss, from_logits=False):
    return loss_of_examples(loss, from_logits=from_logits, dtype=tf.float32)


def test_the_default_is_the_cross_entropy_of_logits_or_probabilities():
    assert takes_logits(None, LOGITS)
    assert takes_logits(None, tf.zeros((3, 4)))
    assert takes_logits(None, tf.abs(LOGITS))
    assert not takes_logits(None, PROBABILITIES)
    np.testing.assert_allclose(each(None, from_logits=True)(LABELS, LOGITS), CROSS_ENTROPY, rtol=1e-5)
    np.testing.assert_allclose(each(None)(LABELS, PROBABILITIES), CROSS_ENTROPY, rtol=1e-5)


def test_a_cross_entropy_of_keras_says_itself_whether_it_takes_logits():
    for loss, logits in (
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), True),
        (keras.losses.SparseCategoricalCrossentropy(), False),
        ("sparse_categorical_crossentropy", False),
    ):
        assert classifies(loss)
        assert takes_logits(loss, LOGITS) == takes_logits(loss, PROBABILITIES) == logits
        outputs = LOGITS if logits else PROBABILITIES
        np.testing.assert_allclose(each(loss)(LABELS, outputs), CROSS_ENTROPY, rtol=1e-5)


def test_losses_of_keras_and_functions_give_one_number_an_example():
    y, prediction = tf.reshape(tf.range(12.0), (3, 2, 2)), tf.ones((3, 2, 2))
    expected = ((y - prediction) ** 2).numpy().reshape(3, -1).mean(1)
    np.testing.assert_allclose(each(keras.losses.MeanSquaredError(reduction="sum"))(y, prediction), expected)
    last = ((y - prediction) ** 2).numpy()[:, 0].mean(1)
    np.testing.assert_allclose(each("mean_squared_error")(y[:, 0], prediction[:, 0]), last)
    own = each(lambda y, p: tf.reduce_mean(tf.square(y - p), (1, 2)))
    np.testing.assert_allclose(own(y, prediction), expected)
    assert not classifies("mean_squared_error")


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (lambda y, p: tf.reduce_mean(tf.square(y - p)), r"floating tensor of shape \(examples,\); got float32 \(\)"),
        (lambda y, p: tf.square(y - p), r"shape \(examples,\); got float32 \(3, 2\)"),
        (lambda y, p: tf.reduce_sum(tf.square(y - p), 0), r"here shape \(3,\); got float32 \(2,\)"),
        (lambda y, p: [1.0], r"got \(float\)"),
        (lambda y, p: tf.constant([1, 2, 3]), r"got int32 \(3,\)"),
        (lambda y, p: y @ p, r"the loss fails on y, float32 \(3, 2\), and the model's outputs, float32 \(3, 2\): "),
    ],
)
def test_losses_of_another_shape_are_refused(loss, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_loss(each(loss), tf.ones((3, 2)), tf.zeros((3, 2)), 3)


def test_what_is_no_loss_is_refused():
    with pytest.raises(
        ValueError, match="loss must be the name of a Keras loss, such as 'mean_squared_error'; got 'mee'"
    ):
        read_loss("mee")
    with pytest.raises(
        TypeError, match=r"loss must be a function \(y, prediction\), a keras.losses.Loss or None; got int"
    ):
        read_loss(3)


def test_labels_may_stand_in_a_column():
    column = Examples(LOGITS, LABELS[:, None])
    assert with_labels(column, "training").targets.numpy().tolist() == [0, 2, 1]


@pytest.mark.parametrize("labels", [tf.zeros(3), tf.zeros((3, 2), tf.int32), (LABELS, LABELS)])
def test_other_labels_are_refused(labels):
    with pytest.raises(ValueError, match="needs integer training labels y of shape"):
        with_labels(Examples(LOGITS, labels), "training")


def test_outputs_and_labels_that_do_not_fit_are_refused():
    examples = Examples(LOGITS, LABELS)
    check_classes(examples, LOGITS, "training")
    with pytest.raises(ValueError, match="labels must be between 0 and 1, as the model has 2 outputs; got 2"):
        check_classes(examples, LOGITS[:, :2], "training")
    with pytest.raises(ValueError, match=r"held-out labels must be between 0 and 2, .* got -1"):
        check_classes(Examples(LOGITS, LABELS - 1), LOGITS, "held-out")
    for outputs in (LOGITS[:, :1], LOGITS[0], (LOGITS, LOGITS)):
        with pytest.raises(ValueError, match=r"needs outputs of shape \(examples, classes\), with 2 classes or more"):
            check_classes(examples, outputs, "training")
