"""Loss profiles in TensorFlow, with both derivatives in closed form: 0, not infinite, at distance 0."""

import numpy as np
import tensorflow as tf


def profile_loss(
    squares: tf.Tensor, profile: str, thickness: float, width: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The loss and its first two derivatives in q = `squares`, the squared norm of the short coordinates.

    With r = sqrt(q) and d = max(0, r - thickness): d' = 1 / (2 r) and d'' = -1 / (4 r q) outside the wedge and 0 in it.

    "distance": d. "squared": u = d^2. "saturating": 1 - exp(-u / (2 width^2)). Where the thickness is 0, u = q. Roots
    below tiny^(1/3), where the second derivative would overflow, are 0.

    Args:
        squares: of any shape.
        profile: "distance", "squared" or "saturating".
        thickness: the half-width of the wedge, at least 0.
        width: the distance at which "saturating" levels off.
    """
    if profile != "distance" and thickness == 0:
        value, slope, bend = squares, tf.ones_like(squares), tf.zeros_like(squares)
    else:
        value, slope, bend = _distance(squares, thickness)
        if profile != "distance":
            value, slope, bend = value**2, 2 * value * slope, 2 * (slope**2 + value * bend)
    if profile != "saturating":
        return value, slope, bend
    rate = 1 / (2 * width**2)
    left = rate * tf.exp(-rate * value)
    return -tf.math.expm1(-rate * value), left * slope, left * (bend - rate * slope**2)


def _distance(squares: tf.Tensor, thickness: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    nothing, one = tf.zeros_like(squares), tf.ones_like(squares)
    root = tf.sqrt(tf.where(squares <= _negligible(squares.dtype), nothing, squares))
    inside = root <= thickness  # false for NaN
    safe, square = tf.where(inside, one, root), tf.where(inside, one, squares)
    slope = tf.where(inside, nothing, 0.5 / safe)
    return tf.where(inside, nothing, root - thickness), slope, -0.5 * slope / square


def _negligible(dtype: tf.DType) -> float:
    return float(np.finfo(dtype.name).tiny) ** (2 / 3)
