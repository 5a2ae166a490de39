"""The default loss and predictions: cross-entropy and softmax of apply_fn(params, x), for data (x, y)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nwedge.adapters.jax.examples import Examples
from nwedge.adapters.jax.words import describe, first_line

Function = Callable[[Any, Any], Any]
"""A pure function of params and x, or of params and a batch."""
PROBED = 8
"""Examples with whose shapes the user's functions are traced at construction."""


def cross_entropy(apply_fn: Function) -> Function:
    """The loss(params, (x, y)) that is the mean of -log softmax(apply_fn(params, x))[y]."""

    def loss(params: Any, batch: Any) -> Array:
        x, y = batch
        logs = jax.nn.log_softmax(apply_fn(params, x))
        own = y[:, None] == jnp.arange(logs.shape[1])  # in place of an index, whose derivative is a slow scatter
        return -jnp.where(own, logs, 0).sum(1).mean()

    return loss


def probabilities(apply_fn: Function) -> Function:
    """The function(params, (x, y)) that is softmax(apply_fn(params, x)), shape (examples, classes)."""
    return lambda params, batch: jax.nn.softmax(apply_fn(params, batch[0]))


def share_right(apply_fn: Function) -> Function:
    """The function(params, (x, y)) that is the share of examples predicted right; NaN where a probability is."""
    predict = probabilities(apply_fn)

    def accuracy(params: Any, batch: Any) -> Array:
        found = predict(params, batch)
        right = (found.argmax(-1) == batch[1]).astype(found.dtype)
        return jnp.where(jnp.isnan(found).any(-1), jnp.nan, right).mean()

    return accuracy


def check_classifies(apply_fn: Function, params: Any, examples: Examples, name: str) -> None:
    """Refuse data that are not (x, labels) and an apply_fn whose output is not (examples, classes); under `precision`.

    Raises:
        ValueError: saying what they are.
    """
    data = examples.data
    pair = isinstance(data, tuple | list) and len(data) == 2 and hasattr(data[1], "dtype")
    if not pair or data[1].ndim != 1 or not jnp.issubdtype(data[1].dtype, jnp.integer):
        raise ValueError(
            f"apply_fn classifies, so the {name} data must be (x, y) with integer labels y of shape (examples,); got "
            f"{describe(data)}: give None for apply_fn, and loss=, a function(params, batch)"
        )
    few = examples.shapes(PROBED)
    count = len(few[1])
    logits = traced("apply_fn(params, x)", apply_fn, params, few[0], f"the {name} data")
    if getattr(logits, "ndim", 0) != 2 or len(logits) != count or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"apply_fn(params, x) must return logits of shape (examples, classes), here ({count}, classes); got "
            f"{describe(logits)}: give None for apply_fn, and loss=, a function(params, batch)"
        )
    least, most = int(data[1].min()), int(data[1].max())
    if least < 0 or most >= logits.shape[1]:
        raise ValueError(
            f"the {name} labels must be between 0 and {logits.shape[1] - 1}, since apply_fn gives {logits.shape[1]} "
            f"logits; got {least if least < 0 else most}"
        )


def check_loss(loss: Function, params: Any, examples: Examples, name: str, dtype: Any) -> None:
    """Refuse a loss that is no scalar, or of another dtype than the landscape's; under `precision`.

    Raises:
        ValueError, TypeError: saying what it is.
    """
    value = traced("loss(params, batch)", loss, params, examples.shapes(PROBED), f"the {name} data")
    if getattr(value, "shape", None) != ():
        raise ValueError(
            f"loss(params, batch) must return the mean over the batch, an array of shape (); got {describe(value)}"
        )
    if value.dtype != dtype:
        raise TypeError(f"loss(params, batch) must have the landscape's dtype, {dtype.__name__}; got {value.dtype}")


def traced(call: str, function: Function, params: Any, argument: Any, origin: str) -> Any:
    """The shapes and dtypes that a function returns; what it raises becomes a sentence (ValueError)."""
    try:
        return jax.eval_shape(function, params, argument)
    except Exception as error:
        raise ValueError(
            f"{call} fails on {describe(argument)} from {origin}: {first_line(error)}: give data of the shape that the "
            "function was written for, with examples along the first axis"
        ) from error
