"""Which coordinates are short: the s smallest of all, or those of the nearest given wedge; whole arrays at once."""

import jax
import jax.numpy as jnp
from jax import Array, lax


def smallest(coordinates: Array, count: Array) -> Array:
    """A mask of the `count` coordinates of each row that are smallest in size.

    The bits of floats that are not negative stand in the order of the floats, so the count-th smallest is found bit by
    bit, in as many passes as a float has bits: an exact partial sort without a sort, which is slow on XLA's CPU, and
    for which `count` need not be known when it is compiled. Of equal sizes the first are taken; NaN counts as smallest,
    and all of them are taken unless `count` is 0.

    Args:
        coordinates: shape (batch, axes).
        count: an integer, shape ().

    Returns:
        Booleans, shape (batch, axes).
    """
    whole = jnp.int64 if coordinates.dtype == jnp.float64 else jnp.int32
    bits = lax.bitcast_convert_type(jnp.abs(coordinates), whole)
    bits = jnp.where(jnp.isnan(coordinates), -1, bits)
    highest = jnp.iinfo(whole).bits - 2  # the sign is not among them

    def raised(step: Array, level: Array) -> Array:
        higher = level | jnp.left_shift(jnp.ones((), whole), (highest - step).astype(whole))
        return jnp.where((bits < higher[:, None]).sum(1) < count, higher, level)

    level = lax.fori_loop(0, highest + 1, raised, jnp.zeros(len(bits), whole))[:, None]
    below, equal = bits < level, bits == level
    wanted = count - below.sum(1, keepdims=True)
    chosen = lax.cond(
        (equal.sum(1, keepdims=True) > wanted).any(),
        lambda: below | (equal & (jnp.cumsum(equal, axis=1) <= wanted)),
        lambda: below | equal,
    )
    return chosen & (count > 0)


def nearest_sets(coordinates: Array, sets: Array) -> Array:
    """The short coordinates of the wedge that is nearest to each point; one whose distance is NaN counts as nearest.

    Args:
        coordinates: shape (batch, axes).
        sets: the short coordinates of each wedge, shape (wedges, most), padded with `axes`.

    Returns:
        Rows of `sets`, shape (batch, most).
    """
    squares = jnp.square(coordinates.T)
    table = jnp.concatenate([squares, jnp.zeros_like(squares[:1])])  # the last row is what the padding points to

    def added(place: Array, total: Array) -> Array:
        return total + table[lax.dynamic_index_in_dim(sets, place, 1, keepdims=False)]

    start = jnp.zeros((len(sets), len(coordinates)), coordinates.dtype)
    totals = lax.fori_loop(0, sets.shape[1], added, start) if sets.shape[1] else start
    return sets[jnp.argmin(totals, axis=0)]


def squares_of(coordinates: Array, sets: Array | None, count: Array) -> Array:
    """The squared norm of the nearest wedge's short coordinates, shape (batch,), differentiable on that wedge alone.

    Args:
        coordinates: shape (batch, axes).
        sets: the short coordinates of given wedges, shape (wedges, most), padded with `axes`; None: every set of
            `count` coordinates is a wedge.
        count: of the short coordinates, where every set is a wedge.
    """
    fixed = jax.lax.stop_gradient(coordinates)
    if sets is None:
        short = jnp.where(smallest(fixed, count), coordinates, 0)
    else:
        rows = nearest_sets(fixed, sets)
        inside = rows < coordinates.shape[1]
        short = jnp.where(inside, jnp.take_along_axis(coordinates, jnp.where(inside, rows, 0), axis=1), 0)
    return jnp.square(short).sum(1)
