"""The wedge model on three backends: the same gradients by torch, TensorFlow and JAX, and by each one alone."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import tensorflow as tf
import torch

from benchmarks.timing import Goal, Timing, compare
from nwedge import WedgeLandscape, gradient
from nwedge._random import derive
from nwedge.adapters.jax import JaxWedges
from nwedge.adapters.tensorflow import TensorFlowWedges

DIM, SHORT, POINTS = 1000, 100, 1024


def timings() -> Iterator[Timing]:
    """Gradients of 1,024 points of the complete family; naive: torch's; floor: the framework without the adapter."""
    own = WedgeLandscape(DIM, SHORT, profile="squared")
    points = own.initial(POINTS, derive(0))
    torch_alone = _torch()
    for name, landscape, alone in (
        ("torch", own, lambda: torch_alone(points)),
        ("TensorFlow", TensorFlowWedges(DIM, SHORT, profile="squared"), _tensorflow(points)),
        ("JAX", JaxWedges(DIM, SHORT, profile="squared"), _jax(points)),
    ):
        yield compare(
            f"complete wedges by {name}, {POINTS:,} gradients, dim {DIM:,}",
            lambda landscape=landscape: gradient(landscape, points),
            lambda: gradient(own, points),
            alone,
            goal=Goal(floors=1.3),
        )


def _torch() -> Callable[[torch.Tensor], torch.Tensor]:
    def slope(points: torch.Tensor) -> torch.Tensor:
        leaf = points.detach().requires_grad_()
        loss = leaf.square().topk(SHORT, dim=1, largest=False, sorted=False).values.sum()
        return torch.autograd.grad(loss, leaf)[0]

    return slope


def _tensorflow(points: torch.Tensor) -> Callable[[], object]:
    @tf.function
    def slope(rows: tf.Tensor) -> object:
        with tf.GradientTape() as tape:
            tape.watch(rows)
            loss = -tf.reduce_sum(tf.math.top_k(-tf.square(rows), SHORT, sorted=False).values)
        return tape.gradient(loss, rows)

    given = tf.constant(points.numpy())
    return lambda: slope(given).numpy()  # pyright: ignore[reportAttributeAccessIssue]


def _jax(points: torch.Tensor) -> Callable[[], object]:
    @jax.jit
    @jax.grad
    def slope(rows: jax.Array) -> jax.Array:
        return -jax.lax.top_k(-jnp.square(rows), SHORT)[0].sum()

    given = jnp.asarray(points.numpy())
    return lambda: slope(given).block_until_ready()
