"""Families of wedges in TensorFlow: given the coordinates of points, which of them are short in the nearest wedge."""

import tensorflow as tf
import torch
from jaxtyping import Int64
from torch import Tensor

from nwedge.adapters.tensorflow.bridge import length, to_tensorflow

DENSE_ELEMENTS = 2**24
"""Most numbers of a membership matrix: 64 MiB in float32."""
DENSE_SHARE = 64
"""A product with the membership matrix is faster than gathering where at least 1 / 64 of it are ones."""


class Complete:
    """One wedge for every choice of `short` axes: the nearest is short where |coordinate| is smallest.

    Args:
        short: the number s of short axes.
        axes: the number of all axes.

    Attributes:
        numbers: numbers that are in memory for a point while the nearest wedge is sought.
    """

    def __init__(self, short: int, axes: int) -> None:
        self.short, self.numbers = short, axes

    def short_axes(self, coordinates: tf.Tensor) -> tf.Tensor:
        """Whether each coordinate is short, (batch, axes), by a partial sort; NaN counts as smallest."""
        short, axes = self.short, self.numbers
        if short in (0, axes):
            return tf.fill(tf.shape(coordinates), short > 0)
        sizes = tf.abs(coordinates)
        sizes = tf.where(tf.math.is_nan(sizes), -tf.ones_like(sizes), sizes)
        if 2 * short <= axes:  # the largest of the short ones, or the smallest of the long ones
            edge = -tf.reduce_min(tf.math.top_k(-sizes, short, sorted=False).values, 1, keepdims=True)
        else:
            edge = tf.reduce_min(tf.math.top_k(sizes, axes - short, sorted=False).values, 1, keepdims=True)
        below, tied = sizes < edge, sizes == edge
        wanted = short - _count(below)
        chosen = tf.cond(
            tf.reduce_any((wanted > 0) & (wanted < _count(tied))),
            lambda: tied & (tf.cumsum(tf.cast(tied, tf.int32), 1) <= wanted),
            lambda: tied & (wanted > 0),
        )
        return below | chosen


class Sampled:
    """Given wedges, each by its set of short axes.

    Args:
        sets: the short axes of each wedge, shape (wedges, most), padded with -1.
        axes: the number of all axes.
        dtype: of the coordinates.

    Attributes:
        numbers: numbers that are in memory for a point while the nearest wedge is sought.
    """

    def __init__(self, sets: Int64[Tensor, "wedges most"], axes: int, dtype: tf.DType) -> None:
        wedges, held = len(sets), int((sets >= 0).sum())
        self._axes, self._dtype = axes, dtype
        self._members = None
        if wedges * axes <= min(DENSE_ELEMENTS, DENSE_SHARE * held):
            members = torch.zeros(wedges, axes + 1, dtype=torch.bool, device=sets.device)
            members.scatter_(1, torch.where(sets < 0, axes, sets), True)
            self._members = to_tensorflow(members[:, :axes])
            self._weights = tf.cast(self._members, dtype)
            self.numbers = max(axes, wedges)
            return
        # a wedge without short axes holds one more axis, on which all coordinates are 0
        sets = torch.cat([sets, torch.where((sets >= 0).any(1), -1, axes)[:, None]], 1)
        self._sets = to_tensorflow(sets)
        self._flat, self._wedge = to_tensorflow(sets[sets >= 0]), to_tensorflow(torch.nonzero(sets >= 0)[:, 0])
        self.numbers = max(axes + 1, wedges, length(self._flat))

    def short_axes(self, coordinates: tf.Tensor) -> tf.Tensor:
        """Whether each coordinate is short in the nearest wedge, (batch, axes); a distance NaN counts as nearest."""
        squares = tf.square(coordinates)
        distances = self._gathered(squares) if self._members is None else self._multiplied(squares)
        nearest = tf.argmin(tf.where(tf.math.is_nan(distances), -tf.ones_like(distances), distances), 1)
        if self._members is not None:
            return tf.gather(self._members, nearest)
        columns = tf.gather(self._sets, nearest)
        columns = tf.where(columns < 0, tf.cast(self._axes, tf.int64), columns)
        rows = tf.broadcast_to(tf.range(tf.shape(columns, tf.int64)[0])[:, None], tf.shape(columns))
        shape = tf.stack([tf.shape(coordinates, tf.int64)[0], self._axes + 1])
        hits = tf.scatter_nd(tf.stack([rows, columns], -1), tf.ones_like(columns, tf.int32), shape)
        return hits[:, : self._axes] > 0

    def _gathered(self, squares: tf.Tensor) -> tf.Tensor:
        table = tf.pad(tf.transpose(squares), [[0, 1], [0, 0]])
        return tf.transpose(tf.math.segment_sum(tf.gather(table, self._flat), self._wedge))

    def _multiplied(self, squares: tf.Tensor) -> tf.Tensor:
        """The same sums as products with the membership matrix, in which 0 times NaN or infinity counts as 0."""

        def sums(values: tf.Tensor) -> tf.Tensor:
            return tf.matmul(tf.cast(values, self._dtype), self._weights, transpose_b=True)

        def careful() -> tf.Tensor:
            finite = sums(tf.where(tf.math.is_finite(squares), squares, tf.zeros_like(squares)))
            infinite, broken = sums(tf.math.is_inf(squares)) > 0, sums(tf.math.is_nan(squares)) > 0
            finite = tf.where(infinite, tf.constant(float("inf"), self._dtype), finite)
            return tf.where(broken, tf.constant(float("nan"), self._dtype), finite)

        return tf.cond(tf.reduce_all(tf.math.is_finite(squares)), lambda: sums(squares), careful)


def _count(hits: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(hits, 1, keepdims=True, dtype=tf.int32)
