"""How a Keras model is evaluated at many points on many examples: in compiled functions, with bounded memory."""

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from nwedge.adapters.tensorflow.bridge import DTYPES, length
from nwedge.adapters.tensorflow.examples import Examples, gathered
from nwedge.adapters.tensorflow.losses import Loss
from nwedge.adapters.tensorflow.network import KerasNetwork

STACKED_WORK = 2**21
"""Weights times examples up to which stacked points are faster than a loop over them, where all layers are dense."""
STACKED_POINTS = 32
"""Most points stacked at once."""
CHUNK, INPUTS = 2048, 2**20
"""Most examples evaluated at once by default, and where not all layers are dense most numbers in their inputs."""
DENSE = frozenset(
    {keras.layers.InputLayer, keras.layers.Dense, keras.layers.Flatten, keras.layers.Reshape, keras.layers.Dropout}
    | {keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Softmax}
    | {keras.layers.LayerNormalization, keras.layers.Identity, keras.layers.Rescaling}
)
"""Layers for which stacked weights pay."""


@dataclass(frozen=True)
class Drawn:
    """All examples, or drawn ones: the same for all points, indices (count,), or each point's own (batch, count)."""

    examples: Examples
    indices: tf.Tensor | None = None

    @property
    def rows(self) -> int | None:
        """How many points have their own examples; None where all have the same."""
        return None if self.indices is None or self.indices.shape.rank == 1 else length(self.indices)

    @property
    def kind(self) -> str:
        """What is drawn: "all", "shared" by all points, or each point's "own"."""
        return "all" if self.indices is None else "shared" if self.rows is None else "own"

    @property
    def count(self) -> int:
        """How many examples each point has."""
        return self.examples.count if self.indices is None else length(self.indices, -1)


class Evaluation:
    """Means over examples of the loss, its gradient and Hessian-vector products, and the outputs, of many points.

    Points are taken one after another in a loop that is compiled together with forward and backward pass, which is
    faster than stacked weights for convolutions and for large batches. Stacked weights are faster for models of dense
    layers alone where weights times examples are at most 2^21, since a step of the loop costs about 30 microseconds.
    Each function is traced once, for all numbers of points and examples.

    Args:
        network: the model.
        loss: of each example.
        examples: like those that it is evaluated on.
        chunk: examples evaluated at once; None takes 2048, but where not all layers are dense no more than have 2^20
            numbers as inputs.

    Attributes:
        network: the model.
        chunk: examples evaluated at once.
    """

    def __init__(self, network: KerasNetwork, loss: Loss, examples: Examples, chunk: int | None) -> None:
        self.network = network
        self._loss, self._specification = loss, examples.specification
        layers = getattr(network.model, "layers", [])
        self._dense = bool(getattr(network.model, "inputs", None)) and all(type(layer) in DENSE for layer in layers)
        numbers = sum(math.prod(leaf.shape[1:]) for leaf in tf.nest.flatten(examples.inputs))
        self.chunk = chunk or (CHUNK if self._dense else max(1, min(CHUNK, INPUTS // numbers)))
        self._compiled: dict[tuple[str, bool, str], Callable[..., tf.Tensor]] = {}

    def mean(self, kind: str, drawn: Drawn, *rows: tf.Tensor) -> tf.Tensor:
        """The mean over examples, exact also where the last chunk is shorter.

        Args:
            kind: "loss" and "accuracy", shape (batch,); "product", shape (batch, dim); "gradient", shape
                (batch, dim + 1), with the loss behind it.
            drawn: the examples.
            rows: the points and, for "product", the vectors, shape (batch, dim).
        """
        with tf.device(self.network.place):
            chunks = (self._chunk(kind, drawn, start, *rows) for start in self._starts(drawn))
            total = functools.reduce(operator.add, chunks)
            return total / tf.cast(drawn.count, total.dtype)

    def each(self, kind: str, drawn: Drawn, points: tf.Tensor) -> tf.Tensor:
        """A value for each point and example: "losses", shape (batch, examples), or "outputs", with their own axes."""
        with tf.device(self.network.place):
            return tf.concat([self._chunk(kind, drawn, start, points) for start in self._starts(drawn)], 1)

    def _starts(self, drawn: Drawn) -> range:
        return range(0, drawn.count, self.chunk)

    def _chunk(self, kind: str, drawn: Drawn, start: int, *rows: tf.Tensor) -> tf.Tensor:
        """The sums over a chunk of the examples, or a value for each of them."""
        size = min(self.chunk, drawn.count)
        stacked = self._dense and self.network.dim * size <= STACKED_WORK and length(rows[0]) > 0
        function = self._function(kind, stacked, drawn.kind)
        seen = self._seen(drawn, start, start + size)
        if not stacked or length(rows[0]) <= STACKED_POINTS:
            return function(*rows, *seen)
        own = 1 if drawn.kind == "own" else 0
        each, same = [*rows, *seen[:own]], seen[own:]
        blocks = range(0, length(rows[0]), STACKED_POINTS)
        return tf.concat([function(*(one[at : at + STACKED_POINTS] for one in each), *same) for at in blocks], 0)

    def _seen(self, drawn: Drawn, start: int, stop: int) -> tuple[Any, ...]:
        """A chunk's inputs and targets; of drawn examples, the chunk's indices and all inputs and targets."""
        if drawn.indices is None:
            return drawn.examples.part(start, stop)
        indices = drawn.indices[start:stop] if drawn.rows is None else drawn.indices[:, start:stop]
        return indices, *drawn.examples.pair

    def _function(self, kind: str, stacked: bool, drawn: str) -> Callable[..., tf.Tensor]:
        key = kind, stacked, drawn
        if key not in self._compiled:
            self._compiled[key] = self._traced(kind, stacked, drawn)
        return self._compiled[key]

    def _traced(self, kind: str, stacked: bool, drawn: str) -> Callable[..., tf.Tensor]:
        dtype = DTYPES[self.network.dtype]
        single = {
            "loss": self._loss_sum,
            "gradient": self._both_sums,
            "product": self._product_sum,
            "accuracy": self._right_sum,
            "losses": self._losses,
            "outputs": lambda point, inputs, targets: tf.cast(self.network.outputs(point, inputs), dtype),
        }[kind]

        def all_points(*arguments: Any) -> tf.Tensor:
            *rows, inputs, targets = arguments
            with tf.device(self.network.place):
                if drawn == "shared":
                    inputs, targets = gathered((inputs, targets), rows.pop())

                def one(row: tuple[tf.Tensor, ...]) -> tf.Tensor:
                    if drawn == "own":
                        *vectors, indices = row
                        return single(*vectors, *gathered((inputs, targets), indices))
                    return single(*row, inputs, targets)

                if stacked:
                    return tf.vectorized_map(one, tuple(rows))
                return tf.map_fn(one, tuple(rows), fn_output_signature=dtype, parallel_iterations=1)

        row = tf.TensorSpec((None, self.network.dim), dtype)
        indices = {
            "all": [],
            "shared": [tf.TensorSpec((None,), tf.int64)],
            "own": [tf.TensorSpec((None, None), tf.int64)],
        }
        signature: list[Any] = [row] * (2 if kind == "product" else 1) + indices[drawn]
        return tf.function(all_points, input_signature=[*signature, *self._specification], autograph=False)

    def _loss_sum(self, point: tf.Tensor, inputs: Any, targets: Any) -> tf.Tensor:
        return tf.reduce_sum(self._losses(point, inputs, targets))

    def _losses(self, point: tf.Tensor, inputs: Any, targets: Any) -> tf.Tensor:
        return self._loss(targets, self.network.outputs(point, inputs))

    def _gradient_sum(self, point: tf.Tensor, inputs: Any, targets: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """The sum of the losses, and its gradient."""
        with tf.GradientTape() as tape:
            tape.watch(point)
            total = self._loss_sum(point, inputs, targets)
        return total, _slope(tape, total, point)

    def _both_sums(self, point: tf.Tensor, inputs: Any, targets: Any) -> tf.Tensor:
        total, slope = self._gradient_sum(point, inputs, targets)
        return tf.concat([slope, total[None]], 0)

    def _product_sum(self, point: tf.Tensor, vector: tf.Tensor, inputs: Any, targets: Any) -> tf.Tensor:
        """Reverse over reverse, which took 0.6 to 1 times as long as forward over reverse."""
        with tf.GradientTape() as tape:
            tape.watch(point)
            along = tf.tensordot(self._gradient_sum(point, inputs, targets)[1], vector, 1)
        return _slope(tape, along, point)

    def _right_sum(self, point: tf.Tensor, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        outputs = self.network.outputs(point, inputs)
        right = tf.cast(tf.argmax(outputs, 1) == tf.cast(labels, tf.int64), DTYPES[self.network.dtype])
        broken = tf.reduce_any(tf.math.is_nan(outputs), 1)
        return tf.reduce_sum(tf.where(broken, tf.constant(float("nan"), right.dtype), right))


def _slope(tape: Any, value: tf.Tensor, point: tf.Tensor) -> tf.Tensor:
    return tape.gradient(value, point, unconnected_gradients=tf.UnconnectedGradients.ZERO)
