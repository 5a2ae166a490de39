"""A Keras model as a pure function of a flat vector of its trainable weights."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nwedge.adapters.tensorflow.bridge import DTYPES, torch_device
from nwedge.adapters.tensorflow.examples import describe


class KerasNetwork:
    """The outputs of a Keras model in inference mode, for given trainable weights.

    All other variables (frozen weights, BatchNorm's moving averages) keep the values that they have now. The model is
    never changed, and its later training changes nothing here.

    Args:
        model: a built Keras 3 model on the TensorFlow backend.

    Attributes:
        model: the model.
        variables: its trainable variables, in the order of a point.
        kept: its other variables, each with its value.
        dim: how many trainable weights.
        dtype: the torch dtype of the trainable weights.
        device: the torch device of the trainable weights.
        place: TensorFlow's name of that device.

    Raises:
        TypeError: no Keras 3 model, or trainable weights that are not floating.
        ValueError: another backend, a model that is not built or has no trainable weights, weights of several dtypes
            or on several devices, or weights that hold NaN or infinity.
    """

    def __init__(self, model: Any) -> None:
        check_model(model)
        self.model = model
        self.variables = list(model.trainable_variables)
        _check_weights(model, self.variables)
        own = {id(variable) for variable in self.variables}
        self.kept = [(each, tf.identity(each.value)) for each in model.variables if id(each) not in own]
        self.shapes = [tuple(variable.shape) for variable in self.variables]
        self._sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.dim = sum(self._sizes)
        name = tf.as_dtype(self.variables[0].dtype)
        self.dtype = next(ours for ours, theirs in DTYPES.items() if theirs == name)
        self.place = self.variables[0].value.device
        self.device = torch_device(self.place)

    def flatten(self, weights: list[Any]) -> tf.Tensor:
        """The point of the given trainable weights, shape (dim,)."""
        dtype = DTYPES[self.dtype]
        with tf.device(self.place):
            return tf.concat([tf.reshape(tf.cast(weight, dtype), [-1]) for weight in weights], 0)

    def unflatten(self, point: tf.Tensor) -> list[tf.Tensor]:
        """The trainable weights of a point."""
        return [tf.reshape(part, shape) for part, shape in zip(tf.split(point, self._sizes), self.shapes, strict=True)]

    def outputs(self, point: tf.Tensor, inputs: Any) -> Any:
        """What the model gives for inputs, at a point of shape (dim,)."""
        own = zip(self.variables, self.unflatten(point), strict=True)
        with keras.StatelessScope(state_mapping=[*own, *self.kept]):
            return self.model(inputs, training=False)


def check_model(model: Any) -> None:
    """Refuse anything but a built Keras 3 model on the TensorFlow backend (TypeError, ValueError)."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"KerasLandscape needs Keras on the TensorFlow backend; this Keras runs on {keras.backend.backend()}: set "
            "KERAS_BACKEND=tensorflow before keras is imported"
        )
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model must be a Keras 3 model; got {type(model).__module__}.{type(model).__name__}: build "
            "it of keras.layers"
        )
    if not model.built or not model.variables:
        raise ValueError(
            f"the model '{model.name}' is not built, so it has no weights yet: call it once on some inputs, or begin "
            "it with keras.Input(shape)"
        )


def check_inputs(model: Any, inputs: Any) -> None:
    """Refuse a single input whose shape is not that of the model's only Input (ValueError)."""
    wanted = getattr(model, "inputs", None)
    if not wanted or len(wanted) != 1 or not isinstance(inputs, tf.Tensor):
        return
    expected, came = tuple(wanted[0].shape)[1:], tuple(inputs.shape)[1:]
    fits = len(expected) == len(came) and all(one in (None, other) for one, other in zip(expected, came, strict=True))
    if not fits:
        raise ValueError(
            f"the model '{model.name}' takes inputs of shape (examples, {_listed(expected)}); the data have shape "
            f"(examples, {_listed(came)}): reshape x"
        )


def trial(network: KerasNetwork, inputs: Any) -> Any:
    """The model's outputs for a few inputs, once they are seen to be the same in two passes.

    Raises:
        ValueError: the model refuses the inputs, or two passes differ.
    """
    check_inputs(network.model, inputs)
    point = network.flatten([variable.value for variable in network.variables])
    try:
        first, second = (network.outputs(point, inputs) for _ in range(2))
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"the model '{network.model.name}' cannot be called on x, {describe(inputs)}: {reason[0]}"
        ) from error
    pairs = zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True)
    if not all(np.array_equal(one.numpy(), other.numpy(), equal_nan=True) for one, other in pairs):
        raise ValueError(
            f"two passes of the model '{network.model.name}' with training=False differ: a landscape must be "
            "deterministic, so draw its random numbers from a keras.random.SeedGenerator or none"
        )
    return first


def _check_weights(model: Any, variables: list[Any]) -> None:
    if not variables:
        raise ValueError(f"the model '{model.name}' has no trainable weights: set trainable = True")
    allowed = {dtype.name for dtype in DTYPES.values()}
    for variable in variables:
        if str(variable.dtype) not in allowed:
            raise TypeError(f"trainable weights must be floating; {variable.path} is {variable.dtype}: freeze it")
    for what, found in (
        ("dtype", {str(variable.dtype) for variable in variables}),
        ("device", {variable.value.device for variable in model.variables if _floating(variable)}),
    ):
        if len(found) > 1:
            raise ValueError(f"the weights must have one {what}; got {', '.join(sorted(found))}")
    for variable in model.variables:
        if _floating(variable) and not bool(tf.reduce_all(tf.math.is_finite(variable.value))):
            raise ValueError(f"the weights hold NaN or infinity in {variable.path}: load them anew")


def _floating(variable: Any) -> bool:
    return tf.as_dtype(variable.dtype).is_floating


def _listed(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)
