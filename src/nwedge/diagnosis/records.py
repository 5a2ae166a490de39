"""How a classifier does on each held-out example, the halves on which one chooses and scores, and bootstraps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

CONFIDENCE = 0.95
RESAMPLES = 2000
BINS = 15
"""Of the expected calibration error."""
AT_ONCE = 2**24
"""Weights of resampled examples that are held at once."""


@dataclass(frozen=True, eq=False)
class Record:
    """A classifier on each example.

    Attributes:
        right: whether its most probable class is the label, shape (examples,).
        loss: the negative log likelihood of the label, in nats, shape (examples,).
        confidence: the probability of its most probable class, shape (examples,).
    """

    right: Bool[np.ndarray, " examples"]
    loss: Float[np.ndarray, " examples"]
    confidence: Float[np.ndarray, " examples"]

    @classmethod
    def of(cls, probabilities: Float[np.ndarray, "examples classes"], labels: Int[np.ndarray, " examples"]) -> "Record":
        """Of predicted probabilities; a probability that underflowed keeps a finite loss, a NaN stays one.

        Raises:
            ValueError: labels that are none of the classes.
        """
        classes, least, most = probabilities.shape[1], labels.min(), labels.max()
        if least < 0 or most >= classes:
            raise ValueError(
                f"the held-out labels must be between 0 and {classes - 1}, since predictions have {classes} classes; "
                f"got {least if least < 0 else most}: leave these examples out"
            )
        likelihood = probabilities[np.arange(len(labels)), labels]
        right = (probabilities.argmax(1) == labels) & ~np.isnan(probabilities).any(1)
        smallest = np.finfo(probabilities.dtype).tiny
        return cls(right, -np.log(np.maximum(likelihood, smallest)), probabilities.max(1))

    def on(self, examples: Int[np.ndarray, " some"]) -> "Record":
        """The record on some of the examples."""
        return Record(self.right[examples], self.loss[examples], self.confidence[examples])

    @property
    def accuracy(self) -> float:
        """The share of examples that are right; NaN where a loss is."""
        return float(self.right.mean()) if np.isfinite(self.loss).all() else float("nan")

    @property
    def mean_loss(self) -> float:
        """The mean negative log likelihood."""
        return float(self.loss.mean())

    @property
    def rank(self) -> tuple[float, float]:
        """The higher the better: by accuracy, then by less loss; below all others where these are undefined."""
        return (-math.inf, -math.inf) if math.isnan(self.accuracy) else (self.accuracy, -self.mean_loss)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; both are NaN where it is undefined."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """Accuracy, mean negative log likelihood (nats) and expected calibration error, with intervals over examples."""

    accuracy: Estimate
    loss: Estimate
    ece: Estimate


def halves(labels: Int[np.ndarray, " examples"], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the examples, stratified by class: indices, sorted.

    Of each class every other example in a random order goes to either half, so that the halves differ by at most one
    example in total.

    Raises:
        ValueError: fewer than 2 examples.
    """
    if len(labels) < 2:
        raise ValueError(f"the held-out data must have at least 2 examples, to choose on one half; got {len(labels)}")
    rng = np.random.default_rng(seed)
    by_class = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)])
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def scores(record: Record, seed: int) -> Scores:
    """The scores of a classifier, with bootstrap percentile intervals over the examples."""
    excess = _excess(record)
    columns = np.column_stack([record.right, record.loss, excess])
    means = np.concatenate([part @ columns for part in _resampled(len(columns), seed)])
    return Scores(
        _estimate(record.accuracy, means[:, 0]),
        _estimate(record.mean_loss, means[:, 1]),
        _estimate(float(np.abs(excess.mean(0)).sum()), np.abs(means[:, 2:]).sum(1)),
    )


def difference(first: np.ndarray, second: np.ndarray, seed: int) -> Estimate:
    """The mean difference of paired values, first - second, with its bootstrap percentile interval over the pairs."""
    values = first.astype(float) - second.astype(float)
    resampled = np.concatenate([part @ values for part in _resampled(len(values), seed)])
    return _estimate(float(values.mean()), resampled)


def _excess(record: Record) -> Float[np.ndarray, "examples bins"]:
    """Right less confidence of each example, in the column of its bin of confidence."""
    bins = np.clip(np.ceil(record.confidence * BINS), 1, BINS)
    return (record.right - record.confidence)[:, None] * (bins[:, None] == np.arange(1, BINS + 1))


def _resampled(count: int, seed: int) -> Iterator[Float[np.ndarray, "some examples"]]:
    """The weights of the examples in each resample of them, the same for the same seed, some resamples at a time."""
    rng, some = np.random.default_rng(seed), max(1, min(RESAMPLES, AT_ONCE // count))
    for first in range(0, RESAMPLES, some):
        rows = min(some, RESAMPLES - first)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count) / count


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    if math.isnan(value):
        return Estimate(value, (math.nan, math.nan))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Estimate(value, (float(low), float(high)))
