"""Any Keras model on any data, as a landscape over its trainable weights."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nwedge._checks import check_indices, check_integer, check_point, check_points
from nwedge._random import choose, partition
from nwedge.adapters.foreign import ForeignLandscape
from nwedge.adapters.tensorflow.bridge import DTYPES, to_tensorflow, to_torch
from nwedge.adapters.tensorflow.evaluation import Drawn, Evaluation
from nwedge.adapters.tensorflow.examples import Examples, hold
from nwedge.adapters.tensorflow.filters import find_filters
from nwedge.adapters.tensorflow.initial import copied, draw_initial
from nwedge.adapters.tensorflow.losses import (
    check_classes,
    check_loss,
    classifies,
    loss_of_examples,
    takes_logits,
    with_labels,
)
from nwedge.adapters.tensorflow.network import KerasNetwork, trial
from nwedge.geometry import Filters

PROBED = 8
"""Examples with which a model and its loss are tried out at construction."""


class _Seen(ForeignLandscape):
    """A Keras model's mean loss on examples."""

    def __init__(self, evaluation: Evaluation, drawn: Drawn) -> None:
        network = evaluation.network
        self.dim, self.dtype, self.device = network.dim, network.dtype, network.device
        self._evaluation, self._drawn = evaluation, drawn

    def _losses(self, points: Tensor) -> Tensor:
        return self._mean("loss", points)

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        both = self._mean("gradient", points)
        return both[:, -1], both[:, :-1]

    def _products(self, points: Tensor, vectors: Tensor) -> Tensor:
        return self._mean("product", points, vectors)

    def _mean(self, kind: str, *rows: Tensor) -> Tensor:
        return to_torch(self._evaluation.mean(kind, self._drawn, *map(to_tensorflow, rows)))


class KerasMinibatch(_Seen):
    """The mean loss on drawn examples, in inference mode like the landscape's own, so that its expectation is the loss.

    Args:
        landscape: whose examples they are.
        evaluation: how its model is evaluated.
        drawn: the examples, the same for all points or others for each.
    """

    def __init__(self, landscape: "KerasLandscape", evaluation: Evaluation, drawn: Drawn) -> None:
        super().__init__(evaluation, drawn)
        self._landscape = landscape

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` initial points of the landscape, shape (count, dim)."""
        return self._landscape.initial(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "KerasMinibatch":
        """The view itself, which is deterministic."""
        return self

    def _mean(self, kind: str, *rows: Tensor) -> Tensor:
        drawn = self._drawn
        if drawn.rows not in (None, len(rows[0])):
            raise ValueError(
                f"this minibatch was drawn for {drawn.rows} points, one generator each; got {len(rows[0])}: pass "
                "a single generator to show all points the same draw"
            )
        return super()._mean(kind, *rows)


class KerasLandscape(_Seen):
    """The mean loss of a Keras model over its training examples, L(P) = mean_i loss(y_i, model at P (x_i)).

    A point is the flat concatenation of `model.trainable_variables`. All else (frozen weights, BatchNorm's moving
    averages) keeps the value that it has at construction. The model runs in inference mode (training=False): dropout
    is off, also in minibatches, and BatchNorm normalises by its moving averages. Regularisers and `add_loss` are left
    out. The model is never changed.

    Losses, gradients and Hessian-vector products (reverse over reverse) are TensorFlow's, each traced once for all
    numbers of points and examples. With the default loss or a sparse categorical cross-entropy the landscape predicts.

    Args:
        model: a built Keras 3 model on the TensorFlow backend.
        train: the training data (x, y), each an array or tensor of NumPy, TensorFlow or torch, or containers of them.
        held_out: the held-out data, of the same structure.
        loss: a function (y, prediction) -> one loss an example, shape (examples,); a keras.losses.Loss (its reduction
            is replaced by the mean) or its name; None: the sparse categorical cross-entropy of integer labels, from
            probabilities if the outputs of the first 8 examples are 0 or more and sum to 1 (a softmax at the end),
            else from logits. keras.losses.SparseCategoricalCrossentropy(from_logits=...) says it outright.
        batch_size: examples that `minibatch` draws; at most all of them are drawn.
        chunk: examples evaluated at once; None takes 2048, but for models with other than dense layers no more than
            have 2^20 numbers as inputs.

    Attributes:
        dim: how many trainable weights.
        dtype: of points and losses: the trainable weights'.
        device: of points and data: the trainable weights'.
        units: of the loss: "nats" for cross-entropies of integer labels, "1" for others.

    Raises:
        ValueError, TypeError: another backend, a model that is not built, is random, or has weights that are not
            floating, not finite, of several dtypes or on several devices; data that are no pair, empty, of unequal
            lengths, not finite, or of another shape than the model takes; a loss that is not one number an example;
            labels that are no classes.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> "KerasLandscape":
        """A `PredictiveKeras` where the outputs are classes."""
        return object.__new__(PredictiveKeras if classifies(options.get("loss")) else cls)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """A copy is of the same kind."""
        return (), {"loss": self._given_loss}

    def __init__(
        self,
        model: Any,
        train: Any,
        held_out: Any = None,
        *,
        loss: Any = None,
        batch_size: int = 128,
        chunk: int | None = None,
    ) -> None:
        check_integer("batch_size", batch_size, 1)
        if chunk is not None:
            check_integer("chunk", chunk, 1)
        self._batch_size, self._given_loss = batch_size, loss
        self.units = "nats" if classifies(loss) else "1"
        self._network = KerasNetwork(model)
        with tf.device(self._network.place):
            self._training = hold(train, "training", self._network.dtype)
            others = None if held_out is None else hold(held_out, "held-out", self._network.dtype)
            self._probe = self._training.part(0, PROBED)
            outputs = trial(self._network, self._probe[0])
            if others is not None:
                trial(self._network, others.part(0, PROBED)[0])
            if classifies(loss):
                self._training = with_labels(self._training, "training")
                check_classes(self._training, outputs, "training")
                if others is not None:
                    others = with_labels(others, "held-out")
                    check_classes(others, outputs, "held-out")
            self._from_logits = takes_logits(loss, outputs) if classifies(loss) else False
            each = loss_of_examples(loss, from_logits=self._from_logits, dtype=DTYPES[self._network.dtype])
            targets = self._training.part(0, PROBED)[1]
            check_loss(each, targets, outputs, min(PROBED, self._training.count))
        if others is not None:
            _check_alike(self._training, others)
        self._held_out = others
        super().__init__(Evaluation(self._network, each, self._training, chunk), Drawn(self._training))

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self._drawn.count

    @property
    def batch_size(self) -> int:
        """Examples that a minibatch draws: never more than there are."""
        return min(self._batch_size, self.examples)

    @property
    def chunk(self) -> int:
        """Examples evaluated at once."""
        return self._evaluation.chunk

    @property
    def held_out(self) -> "KerasLandscape | Any":  # not `| None`, so that it is Predictive to a type checker
        """The same model on the held-out data, or None where none were given; its held-out data are its own."""
        return None if self._held_out is None else self._on(self._held_out)

    def take(self, indices: Int[Tensor, " count"]) -> "KerasLandscape":
        """The same model on some of its examples.

        Raises:
            ValueError, TypeError: indices that are none, or not of examples.
        """
        check_indices(indices, self.examples)
        with tf.device(self._network.place):
            return self._on(self._drawn.examples.take(to_tensorflow(indices)))

    def example_losses(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples"]:
        """The loss of every example, shape (batch, examples), without a graph; their mean is `loss`.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return to_torch(self._evaluation.each("losses", self._drawn, to_tensorflow(points)))

    def minibatch(self, generator: Generator | Sequence[Generator]) -> KerasMinibatch:
        """A view on `batch_size` examples drawn without replacement, in inference mode.

        Args:
            generator: one: all points see the same examples. A sequence: row i sees what its own generator drew.
        """
        return self._view(choose(self.examples, self.batch_size, generator))

    def epoch(self, generator: Generator) -> list[KerasMinibatch]:
        """Views on a random partition of the examples into batches of equal size; the mean of their losses is `loss`.

        The size is the largest divisor of the number of examples that is at most `batch_size` and a tenth of them, so
        that there are at least 10 batches where there are as many examples.
        """
        return [self._view(indices) for indices in partition(self.examples, self.batch_size, generator)]

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` fresh initialisations, shape (count, dim), by the initialisers of the model's own layers.

        Every layer with trainable weights is made anew from its configuration, with seeds drawn from the generator.

        Raises:
            ValueError: a layer that cannot be made anew, by name.
        """
        check_integer("count", count, 1)
        return to_torch(draw_initial(self._network, count, generator))

    def point(self, weights: Any) -> Float[Tensor, " dim"]:
        """The point of a Keras model, or of a sequence of arrays like `model.trainable_variables`, shape (dim,).

        Raises:
            ValueError: weights of another number or shape, NaN or infinity.
        """
        given = list(getattr(weights, "trainable_variables", weights))
        shapes = [tuple(weight.shape) for weight in given]
        if shapes != self._network.shapes:
            raise ValueError(
                f"the weights must have the shapes of the model's trainable variables, {self._network.shapes}; got "
                f"{shapes}"
            )
        values = [tf.convert_to_tensor(getattr(weight, "value", weight)) for weight in given]
        point = to_torch(self._network.flatten(values))
        if not bool(point.isfinite().all()):
            raise ValueError("the weights hold NaN or infinity: load them anew")
        return point

    def weights(self, point: Float[Tensor, " dim"]) -> list[np.ndarray]:
        """The arrays of a point, in the order of `model.trainable_variables`.

        Raises:
            ValueError, TypeError: a point that does not belong to the landscape.
        """
        check_point(self, point)
        return [weight.numpy().copy() for weight in self._network.unflatten(to_tensorflow(point))]

    def model(self, point: Float[Tensor, " dim"]) -> Any:
        """A copy of the Keras model with the weights of a point, not compiled.

        Raises:
            ValueError, TypeError: a point that does not belong to the landscape, or a model that Keras cannot make anew
                from its configuration.
        """
        return copied(self._network, self.weights(point), self._probe[0])

    @property
    def filters(self) -> Filters:
        """The filter that each weight of a point belongs to (`find_filters`).

        Raises:
            ValueError: a weight of which it is not known.
        """
        return find_filters(self._network, self.device)

    def _on(self, examples: Examples) -> "KerasLandscape":
        other = copy.copy(self)
        other._drawn = Drawn(examples)
        return other

    def _view(self, indices: Tensor) -> KerasMinibatch:
        drawn = Drawn(self._drawn.examples, to_tensorflow(indices))
        return KerasMinibatch(self, self._evaluation, drawn)


class PredictiveKeras(KerasLandscape):
    """A Keras model that classifies: what `KerasLandscape` gives for a sparse categorical cross-entropy."""

    @property
    def labels(self) -> Int[Tensor, " examples"]:
        """The labels of the examples."""
        return to_torch(tf.cast(self._drawn.examples.targets, tf.int64))

    def predict(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example, shape (batch, examples, classes), without a graph.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        outputs = self._evaluation.each("outputs", self._drawn, to_tensorflow(points))
        with tf.device(self._network.place):
            return to_torch(tf.nn.softmax(outputs) if self._from_logits else outputs)

    def accuracy(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The share of examples whose most probable class is the label, shape (batch,); NaN where an output is.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return self._mean("accuracy", points)


def _check_alike(training: Examples, held_out: Examples) -> None:
    if str(training.specification) != str(held_out.specification):
        raise ValueError(
            "the held-out data must have the shapes and dtypes of the training data, "
            f"{training.specification}; got {held_out.specification}"
        )
