"""Losses of examples: the default, a loss of Keras, or the user's function; and the probabilities that go with them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nwedge.adapters.tensorflow.bridge import length
from nwedge.adapters.tensorflow.examples import Examples, describe

SUM = 1e-3
"""How far the sum of probabilities may be from 1."""

Loss = Callable[[Any, Any], Any]
"""From targets and predictions to one loss an example."""


def read_loss(loss: Any) -> Any:
    """The loss that is meant: a name of Keras stands for its loss.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor callable.
    """
    if isinstance(loss, str):
        try:
            return keras.losses.get(loss)
        except ValueError as error:
            raise ValueError(
                f"loss must be the name of a Keras loss, such as 'mean_squared_error'; got {loss!r}"
            ) from error
    if loss is not None and not callable(loss):
        raise TypeError(
            f"loss must be a function (y, prediction), a keras.losses.Loss or None; got {type(loss).__name__}"
        )
    return loss


def classifies(loss: Any) -> bool:
    """Whether a loss is the sparse categorical cross-entropy, so that the outputs are classes."""
    loss = read_loss(loss)
    sparse = keras.losses.sparse_categorical_crossentropy
    return loss is None or loss is sparse or isinstance(loss, keras.losses.SparseCategoricalCrossentropy)


def takes_logits(loss: Any, outputs: tf.Tensor) -> bool:
    """Whether a cross-entropy is taken from logits: as the loss says; by default unless the outputs are probabilities.

    Outputs are taken for probabilities where those of all examples are 0 or more and sum to 1.
    """
    loss = read_loss(loss)
    if loss is not None:
        return bool(getattr(loss, "from_logits", False))
    values = tf.cast(outputs, tf.float64).numpy()
    return not bool((values >= 0).all() and (np.abs(values.sum(1) - 1) <= SUM).all())


def loss_of_examples(loss: Any, *, from_logits: bool, dtype: tf.DType) -> Loss:
    """The loss of each example, shape (examples,): where a loss of Keras gives more axes, the mean over them.

    Raises:
        ValueError: on a call, a loss of another shape.
    """
    loss = read_loss(loss)

    def each(targets: Any, predictions: Any) -> tf.Tensor:
        if loss is None:
            values = keras.losses.sparse_categorical_crossentropy(targets, predictions, from_logits=from_logits)
        elif isinstance(loss, keras.losses.Loss):
            values = loss.call(targets, predictions)
            if len(values.shape) > 1:
                values = tf.reduce_mean(values, list(range(1, len(values.shape))))
        else:
            values = loss(targets, predictions)
        if not isinstance(values, tf.Tensor) or values.shape.rank != 1 or not values.dtype.is_floating:
            raise ValueError(
                "loss(y, prediction) must return one loss an example, a floating tensor of shape (examples,); got "
                f"{describe(values)}"
            )
        return tf.cast(values, dtype)

    return each


def check_loss(each: Loss, targets: Any, outputs: Any, count: int) -> None:
    """Try a loss out on a few examples.

    Raises:
        ValueError: it fails, or its values are not of shape (count,).
    """
    try:
        values = each(targets, outputs)
    except Exception as error:
        if str(error).startswith("loss(y, prediction) must"):
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"the loss fails on y, {describe(targets)}, and the model's outputs, {describe(outputs)}: {reason[0]}"
        ) from error
    if tuple(values.shape) != (count,):
        raise ValueError(
            f"loss(y, prediction) must return one loss an example, here shape ({count},); got {describe(values)}"
        )


def with_labels(examples: Examples, name: str) -> Examples:
    """Examples whose targets are labels of shape (examples,); a last axis of length 1 is dropped.

    Raises:
        ValueError: targets that are not one integer an example.
    """
    labels = examples.targets
    if isinstance(labels, tf.Tensor) and labels.shape.rank == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not isinstance(labels, tf.Tensor) or labels.shape.rank != 1 or not labels.dtype.is_integer:
        raise ValueError(
            f"the sparse categorical cross-entropy needs integer {name} labels y of shape (examples,); got "
            f"{describe(examples.targets)}: give loss="
        )
    return Examples(examples.inputs, labels)


def check_classes(examples: Examples, outputs: Any, name: str) -> None:
    """Refuse outputs that are not of shape (examples, classes), and labels outside [0, classes) (ValueError)."""
    if not isinstance(outputs, tf.Tensor) or outputs.shape.rank != 2 or length(outputs, 1) < 2:
        raise ValueError(
            "the sparse categorical cross-entropy needs outputs of shape (examples, classes), with 2 classes or more; "
            f"the model gives {describe(outputs)}: give loss="
        )
    least, most = int(tf.reduce_min(examples.targets)), int(tf.reduce_max(examples.targets))
    if least < 0 or most >= length(outputs, 1):
        raise ValueError(
            f"the {name} labels must be between 0 and {length(outputs, 1) - 1}, as the model has {length(outputs, 1)} "
            f"outputs; got {least if least < 0 else most}"
        )
