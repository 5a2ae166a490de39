"""Any pure function of a pytree on any data, as a landscape over its weights."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax import Array
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_indices, check_integer, check_point, check_points
from nwedge._random import choose, draw_seeds, partition
from nwedge.adapters.foreign import ForeignLandscape
from nwedge.adapters.jax.bridge import DTYPES, precision, to_jax, to_torch
from nwedge.adapters.jax.classification import (
    PROBED,
    Function,
    check_classifies,
    check_loss,
    cross_entropy,
    probabilities,
    share_right,
)
from nwedge.adapters.jax.examples import Examples, hold
from nwedge.adapters.jax.filters import find_filters
from nwedge.adapters.jax.initial import Initial
from nwedge.adapters.jax.minibatch import JaxMinibatch
from nwedge.adapters.jax.programs import BLOCK, CHUNK, Programs, Seen, rule
from nwedge.adapters.jax.weights import Weights
from nwedge.geometry import Filters


class JaxLandscape(ForeignLandscape):
    """The mean loss of a pure function over its training examples, L(P) = mean_i loss(params at P, example i).

    A point is the flattened pytree, in the order of `jax.flatten_util.ravel_pytree`. Loss, gradient and Hessian-vector
    product (forward-over-reverse) are compiled by JAX and vmapped over points; at most six sizes of a batch of points
    are compiled, whatever their number. Functions must be pure: no dropout, BatchNorm by given statistics. Params and
    data are copied and never changed, and so are JAX's settings: float64 is switched on while it is needed.

    Args:
        apply_fn: apply_fn(params, x) -> logits of shape (examples, classes), for data (x, y) with integer labels; the
            landscape then predicts. None where the loss alone is known; the landscape then does not predict.
        params: the pytree of floating arrays that is the functions' first argument, on one device.
        train: the training data: any pytree of arrays of JAX, NumPy or torch with a common first axis; copied to the
            device of params from wherever they are.
        held_out: the held-out data, of the same structure.
        loss: loss(params, batch) -> mean over the batch, a scalar; None: the cross-entropy of apply_fn(params, x)
            and y.
        init: init(key) -> params, a fresh initialisation that JAX can trace; needed for `initial` alone.
        batch_size: examples that `minibatch` draws; at most all of them are drawn.
        chunk: examples evaluated at once; None takes 2048 for "vmap" and 256 for "loop". Derivatives are taken chunk by
            chunk, so that memory is bounded by one chunk of 32 ("vmap") points or one ("loop").
        strategy: "vmap" stacks the weights of 32 points; "loop" takes one point after another; None takes "loop" for
            functions that convolve, "vmap" for all others.
        dtype: of points, floating data and losses; None takes the params'.

    Attributes:
        dim: how many weights.
        dtype: of points and losses.
        device: of points and data: the params'.
        examples: how many examples.
        batch_size: how many a minibatch draws.
        units: of the loss: "nats" for the default, "1" for another.

    Raises:
        TypeError: a leaf of params that is no floating array, named by its place; params of no common dtype; data that
            are no arrays; a loss of another dtype.
        ValueError: neither apply_fn nor loss; params or data that are empty, on several devices, or hold NaN; arrays of
            unequal lengths; functions that fail on these data; a loss that is no scalar; labels that are no classes.
    """

    def __new__(cls, apply_fn: Function | None = None, *arguments: Any, **options: Any) -> "JaxLandscape":
        """A `PredictiveJaxLandscape` where predictions are known: with `apply_fn`."""
        return object.__new__(cls if apply_fn is None else PredictiveJaxLandscape)

    def __init__(
        self,
        apply_fn: Function | None,
        params: Any,
        train: Any,
        held_out: Any = None,
        *,
        loss: Function | None = None,
        init: Callable[[Array], Any] | None = None,
        batch_size: int = 128,
        chunk: int | None = None,
        strategy: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if apply_fn is None and loss is None:
            raise ValueError("give apply_fn(params, x) -> logits, or loss=, a function(params, batch) -> mean loss")
        check_choice("strategy", strategy, (None, *BLOCK))
        check_integer("batch_size", batch_size, 1)
        if chunk is not None:
            check_integer("chunk", chunk, 1)
        self._weights = weights = Weights(params, dtype)
        self.dim, self.dtype, self.device = weights.dim, weights.dtype, weights.device
        self._batch_size, self.units = batch_size, "1" if loss else "nats"
        self._initial = None if init is None else Initial(init, weights)
        own_loss: Function = loss or cross_entropy(apply_fn)  # pyright: ignore[reportArgumentType]
        with precision(self.dtype):
            self._examples = self._hold(apply_fn, own_loss, params, train, "training")
            self._held_out = None if held_out is None else self._hold(apply_fn, own_loss, params, held_out, "held-out")
            shapes = weights.cast(params), self._examples.shapes(PROBED)
            chosen = strategy or rule(own_loss, *shapes)
        self._programs = Programs(chosen, chunk or CHUNK[chosen], self.dtype, weights.home)
        self._compile(apply_fn, own_loss)

    @property
    def strategy(self) -> str:
        """How points are evaluated: "vmap" or "loop"."""
        return self._programs.strategy

    @property
    def chunk(self) -> int:
        """Examples evaluated at once."""
        return self._programs.chunk

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self._examples.count

    @property
    def batch_size(self) -> int:
        """Examples that a minibatch draws: never more than there are."""
        return min(self._batch_size, self.examples)

    @property
    def held_out(self) -> "JaxLandscape | Any":  # not `| None`, so that it is Predictive to a type checker
        """The same function on the held-out data, or None where none were given; its own held-out data are the same."""
        return None if self._held_out is None else self._with(self._held_out)

    def take(self, indices: Int[Tensor, " count"]) -> "JaxLandscape":
        """The same function on some of its examples.

        Raises:
            ValueError, TypeError: indices that are none, or not of examples.
        """
        check_indices(indices, self.examples)
        with precision(self.dtype):
            return self._with(self._examples.take(to_jax(self._placed(indices), self._weights.home)))

    def example_losses(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples"]:
        """The loss of every example, of batches of one, shape (batch, examples), without a graph; their mean is `loss`.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return self._programs.each(self._each, (points.detach(),), self._seen())

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` fresh initialisations by `init`, shape (count, dim), with keys drawn from the generator.

        They are drawn in the given params' dtype, so that twins of another dtype start at the same points.

        Raises:
            ValueError, TypeError: no `init` was given, it returns other leaves than params, or count is no positive
                integer.
        """
        check_integer("count", count, 1)
        if self._initial is None:
            raise ValueError(
                "initial points need init=, a function(key) -> params: give it, or draw points yourself with .point"
            )
        return torch.stack([self._initial(seed) for seed in draw_seeds(generator, count)])

    def minibatch(self, generator: Generator | Sequence[Generator]) -> JaxMinibatch:
        """A view on `batch_size` examples drawn without replacement.

        Args:
            generator: one: all points see the same examples. A sequence: row i sees what its own generator drew.
        """
        return JaxMinibatch(self, self._placed(choose(self.examples, self.batch_size, generator)))

    def epoch(self, generator: Generator) -> list[JaxMinibatch]:
        """Views on a random partition of the examples into batches of equal size; the mean of their losses is `loss`.

        The size is the largest divisor of the number of examples that is at most `batch_size` and a tenth of them, so
        that there are at least 10 batches where there are as many examples.
        """
        batches = self._placed(partition(self.examples, self.batch_size, generator))
        return [JaxMinibatch(self, indices) for indices in batches]

    def point(self, params: Any) -> Float[Tensor, " dim"]:
        """The point of a pytree with the leaves of params, shape (dim,), in the order of `ravel_pytree`.

        Raises:
            TypeError: a leaf that is no floating array.
            ValueError: missing or unexpected leaves, other shapes, NaN or infinity.
        """
        return self._weights.point(params)

    def params(self, point: Float[Tensor, " dim"]) -> Any:
        """The pytree of a point, its leaves JAX arrays of the landscape's dtype.

        Raises:
            ValueError, TypeError: a point that does not belong to the landscape.
        """
        check_point(self, point)
        return self._weights.params(point)

    @property
    def filters(self) -> Filters:
        """The filter that each weight of a point belongs to (`find_filters`).

        Raises:
            ValueError: a leaf of which it is not known.
        """
        return find_filters(self._weights.shapes, self.device)

    def _losses(self, points: Tensor, indices: Tensor | None = None) -> Tensor:
        return self._programs.mean(self._loss, (points,), self._seen(indices))

    def _losses_and_gradients(self, points: Tensor, indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
        both = self._programs.mean(self._both, (points,), self._seen(indices))
        return both[:, -1], both[:, :-1]

    def _products(self, points: Tensor, vectors: Tensor, indices: Tensor | None = None) -> Tensor:
        return self._programs.mean(self._product, (points, vectors), self._seen(indices))

    def _seen(self, indices: Tensor | None = None) -> Seen:
        return Seen(self._examples.data, self.examples if indices is None else indices.shape[-1], indices)

    def _compile(self, apply_fn: Function | None, loss: Function) -> None:
        unravel = self._weights.unravel

        def at(point: Array, batch: Any) -> Array:
            return loss(unravel(point), batch)

        def product(point: Array, vector: Array, batch: Any) -> Array:
            return jax.jvp(lambda moved: jax.grad(at)(moved, batch), (point,), (vector,))[1]

        def both(point: Array, batch: Any) -> Array:
            value, slope = jax.value_and_grad(at)(point, batch)
            return jnp.append(slope, value)

        def each(point: Array, batch: Any) -> Array:
            return jax.vmap(lambda one: at(point, jax.tree.map(lambda leaf: leaf[None], one)))(batch)

        compiled = self._programs.compiled
        self._loss, self._both, self._product, self._each = map(compiled, (at, both, product, each))

    def _hold(self, apply_fn: Function | None, loss: Function, params: Any, data: Any, name: str) -> Examples:
        """The examples, once the functions have been traced on a few of them."""
        examples = hold(data, name, dtype=self.dtype, home=self._weights.home)
        cast = self._weights.cast(params)
        if apply_fn is not None:
            check_classifies(apply_fn, cast, examples, name)
        check_loss(loss, cast, examples, name, DTYPES[self.dtype])
        return examples

    def _with(self, examples: Examples) -> "JaxLandscape":
        other = copy.copy(self)
        other._examples = examples
        return other

    def _placed(self, indices: Tensor) -> Tensor:
        """Indices on the device of the data, in 32 bits: JAX has no others without float64."""
        return indices.to(self.device, torch.int32)


class PredictiveJaxLandscape(JaxLandscape):
    """A pure function that classifies: what `JaxLandscape` gives with `apply_fn`."""

    @property
    def labels(self) -> Int[Tensor, " examples"]:
        """The labels of the examples."""
        return to_torch(self._examples.data[1]).to(torch.int64, copy=True)

    def predict(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example, softmax(apply_fn), shape (batch, examples, classes).

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return self._programs.each(self._probabilities, (points.detach(),), self._seen())

    def accuracy(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The share of examples whose most probable class is the label, shape (batch,); NaN where a probability is.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return self._programs.mean(self._right, (points.detach(),), self._seen())

    def _compile(self, apply_fn: Function | None, loss: Function) -> None:
        super()._compile(apply_fn, loss)
        unravel = self._weights.unravel
        predict, right = probabilities(apply_fn), share_right(apply_fn)  # pyright: ignore[reportArgumentType]
        self._probabilities = self._programs.compiled(lambda point, batch: predict(unravel(point), batch))
        self._right = self._programs.compiled(lambda point, batch: right(unravel(point), batch))
