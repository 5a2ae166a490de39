"""Ensembling: averages of weights and of predictions, and the cyclical rates that give snapshots to average."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nwedge._checks import check_integer, check_points
from nwedge.landscape import Landscape, Predictive


class RunningAverage:
    """The running average of snapshots, each counted once: avg <- avg + (x - avg) / n with x the n-th snapshot.

    A snapshot is a tensor of any one shape: a point, or a batch of points that are averaged each on its own. Stochastic
    weight averaging: Izmailov et al. 2018, arXiv 1803.05407.

    Attributes:
        count: how many snapshots it holds.
    """

    def __init__(self) -> None:
        self.count = 0
        self._average: Tensor | None = None

    @property
    def average(self) -> Tensor:
        """The average, of the snapshots' shape (ValueError before the first)."""
        if self._average is None:
            raise ValueError("there is no average yet: add a snapshot with update(points)")
        return self._average

    def update(self, points: Tensor) -> None:
        """Count one more snapshot, of the shape, dtype and device of the first (ValueError otherwise)."""
        if self._average is None:
            self._average, self.count = points.clone(), 1
            return
        for what in ("shape", "dtype", "device"):
            expected, got = getattr(self._average, what), getattr(points, what)
            if expected != got:
                raise ValueError(f"every snapshot must have the {what} of the first, {expected}; got {got}")
        self.count += 1
        self._average = self._average + (points - self._average) / self.count


@dataclass(frozen=True)
class Scores:
    """How well classifiers predict; scalars, or one value per classifier. NaN where a probability is NaN.

    Attributes:
        accuracy: the fraction of examples whose most probable class is the label.
        loss: the mean negative log likelihood of the label, in nats.
        ece: the expected calibration error.
    """

    accuracy: Float[Tensor, "..."]
    loss: Float[Tensor, "..."]
    ece: Float[Tensor, "..."]


@dataclass(frozen=True)
class EnsembleScores:
    """The scores of several points together and alone.

    Attributes:
        ensemble: of the average of their predictions; scalars.
        average: of the prediction at the average of their weights; scalars.
        single: of each point, shape (points,).
    """

    ensemble: Scores
    average: Scores
    single: Scores

    @property
    def gain(self) -> Float[Tensor, ""]:
        """The accuracy of the prediction ensemble above the mean accuracy of its members."""
        return (self.ensemble.accuracy - self.single.accuracy).mean()


def prediction_average(landscape: Predictive, points: Float[Tensor, "points dim"]) -> Float[Tensor, "examples classes"]:
    """The mean over points of the predicted probabilities, shape (examples, classes), one point in memory at a time.

    Raises:
        TypeError: a landscape that does not predict.
        ValueError, TypeError: no points, or points that are not the landscape's.
    """
    _check_predictive(landscape, points)
    average = RunningAverage()
    for point in points:
        average.update(landscape.predict(point[None])[0])
    return average.average


def ensemble_scores(landscape: Predictive, points: Float[Tensor, "points dim"]) -> EnsembleScores:
    """The scores of the prediction ensemble of some points, of their weight average, and of each point.

    The weight average is predicted with by the landscape's own policy for BatchNorm: "recompute" gives it statistics of
    its own (see `nwedge.NetworkLandscape`).

    Args:
        landscape: a predictive landscape with `labels`, such as `nwedge.NetworkLandscape` or its `held_out`.
        points: the members, shape (points, dim).

    Raises:
        TypeError: a landscape that does not predict or has no labels.
        ValueError, TypeError: no points, or points that are not the landscape's.
    """
    members = _Members(landscape, points)
    for point in points:
        members.add(point)
    return members.scores()


def running_scores(landscape: Predictive, points: Float[Tensor, "points dim"]) -> list[EnsembleScores]:
    """The scores of the first point, of the first two, ..., of all, as `ensemble_scores` gives them.

    Each point is predicted with once, and so is each weight average.

    Args:
        landscape: a predictive landscape with `labels`.
        points: the members in their order, shape (points, dim).

    Raises:
        TypeError: a landscape that does not predict or has no labels.
        ValueError, TypeError: no points, or points that are not the landscape's.
    """
    members = _Members(landscape, points)
    found = []
    for point in points:
        members.add(point)
        found.append(members.scores())
    return found


class _Members:
    """The members of an ensemble so far: the averages of their weights and predictions, and the scores of each."""

    def __init__(self, landscape: Predictive, points: Tensor) -> None:
        _check_predictive(landscape, points)
        labels = getattr(landscape, "labels", None)
        if labels is None:
            name = type(landscape).__name__
            raise TypeError(f"scores need the labels of the examples; {name} has no attribute labels")
        self.landscape, self.labels = landscape, labels
        self.weights, self.predictions = RunningAverage(), RunningAverage()
        self.single: list[Scores] = []

    def add(self, point: Tensor) -> None:
        probabilities = self._predict(point)
        self.weights.update(point)
        self.predictions.update(probabilities)
        self.single.append(_scores(probabilities, self.labels))

    def scores(self) -> EnsembleScores:
        names = ("accuracy", "loss", "ece")
        return EnsembleScores(
            ensemble=_scores(self.predictions.average, self.labels),
            average=_scores(self._predict(self.weights.average), self.labels),
            single=Scores(*(torch.stack([getattr(one, name) for one in self.single]) for name in names)),
        )

    def _predict(self, point: Tensor) -> Tensor:
        return self.landscape.predict(point[None])[0]


def expected_calibration_error(
    probabilities: Float[Tensor, "examples classes"], labels: Int[Tensor, " examples"], bins: int = 15
) -> Float[Tensor, ""]:
    """The expected calibration error: ECE = sum over bins m of |B_m| / n |acc(B_m) - conf(B_m)|.

    B_m holds the examples whose confidence, the probability of their most probable class, lies in ((m - 1) / bins,
    m / bins]; acc is the share of them that are right and conf their mean confidence. Guo et al. 2017, arXiv
    1706.04599.

    Args:
        probabilities: of each class, shape (examples, classes).
        labels: shape (examples,).
        bins: of equal width.

    Returns:
        A scalar; NaN where a probability is NaN.

    Raises:
        ValueError: fewer than 1 bin, or another number of labels than of examples.
    """
    check_integer("bins", bins, 1)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        expected = "probabilities must have shape (examples, classes) and labels (examples,)"
        raise ValueError(f"{expected}; got {tuple(probabilities.shape)} and {tuple(labels.shape)}")
    confidence, found = probabilities.max(1)
    excess = (found == labels).to(confidence.dtype) - confidence
    bin_of = (confidence * bins).ceil().clamp(1, bins)
    members = bin_of == torch.arange(1, bins + 1, device=bin_of.device)[:, None]
    return (members.to(excess.dtype) @ excess).abs().sum() / len(labels)


def disagreement(landscape: Predictive, points: Float[Tensor, "points dim"]) -> Float[Tensor, "points points"]:
    """The fraction of examples whose most probable class differs between two points, for every pair.

    Returns:
        A symmetric matrix with a diagonal of 0, shape (points, points); NaN where a point predicts NaN.

    Raises:
        TypeError: a landscape that does not predict.
        ValueError, TypeError: no points, or points that are not the landscape's.
    """
    _check_predictive(landscape, points)
    found = torch.stack([predicted_classes(landscape.predict(point[None])[0]) for point in points])
    return differing(found).to(points.dtype)


def predicted_classes(probabilities: Float[Tensor, "examples classes"]) -> Int[Tensor, " examples"]:
    """The most probable class of each example, shape (examples,); -1 where a probability is NaN."""
    return probabilities.argmax(1).masked_fill(probabilities.isnan().any(1), -1)


def differing(classes: Int[Tensor, "points examples"]) -> Float[Tensor, "points points"]:
    """The fraction of examples whose class differs, for every pair, in float64; NaN where a class of either is -1."""
    undefined = (classes < 0).any(1)
    differs = torch.stack([(classes != row).double().mean(1) for row in classes])
    return differs.masked_fill(undefined | undefined[:, None], math.nan)


def cyclical(cycle: int, low: float = 0.0) -> Callable[[int], float]:
    """A schedule for `nwedge.descend`: a cosine from 1 down toward `low` in every cycle, then up to 1 at once.

    factor(t) = low + (1 - low) (1 + cos(pi (t mod cycle) / cycle)) / 2. Huang et al. 2017, arXiv 1704.00109.

    Args:
        cycle: its length in steps.
        low: the factor that a cycle descends to, in [0, 1].

    Raises:
        ValueError, TypeError: a cycle below 1 step, or `low` outside [0, 1].
    """
    check_integer("cycle", cycle, 1)
    if not 0 <= low <= 1:
        raise ValueError(f"low must be between 0 and 1, a share of the highest rate; got {low}")
    return lambda step: low + (1 - low) * (1 + math.cos(math.pi * (step % cycle) / cycle)) / 2


def snapshots(cycle: int, count: int) -> tuple[int, ...]:
    """The ends of the first `count` cycles, cycle, 2 cycle, ..., as `nwedge.descend` takes them in `keep`.

    Raises:
        ValueError, TypeError: a cycle or a count below 1.
    """
    check_integer("cycle", cycle, 1)
    check_integer("count", count, 1)
    return tuple(range(cycle, (count + 1) * cycle, cycle))


def angles(points: Float[Tensor, "*batch snapshot dim"]) -> Float[Tensor, "*batch steps"]:
    """The angles between successive points as seen from the origin, in degrees, shape (..., snapshot - 1).

    angle = 2 atan2(|u - v|, |u + v|) with u, v the unit vectors, exact at small angles too; NaN at the origin.

    Raises:
        ValueError: fewer than 2 points.
    """
    if points.ndim < 2 or points.shape[-2] < 2:
        raise ValueError(f"angles need at least 2 points, shape (..., snapshot, dim); got shape {tuple(points.shape)}")
    unit = points / points.norm(dim=-1, keepdim=True)
    first, second = unit[..., :-1, :], unit[..., 1:, :]
    return torch.rad2deg(2 * torch.atan2((first - second).norm(dim=-1), (first + second).norm(dim=-1)))


def _scores(probabilities: Float[Tensor, "examples classes"], labels: Int[Tensor, " examples"]) -> Scores:
    smallest = torch.finfo(probabilities.dtype).tiny  # the loss of a probability that underflowed stays finite
    likelihood = probabilities.gather(1, labels[:, None]).clamp(min=smallest)
    right = (probabilities.argmax(1) == labels).to(probabilities.dtype)
    return Scores(
        accuracy=right.masked_fill(probabilities.isnan().any(1), math.nan).mean(),
        loss=-likelihood.log().mean(),
        ece=expected_calibration_error(probabilities, labels),
    )


def _check_predictive(landscape: Landscape, points: Tensor) -> None:
    if not callable(getattr(landscape, "predict", None)):
        raise TypeError(f"expected a landscape that predicts classes; {type(landscape).__name__} has no method predict")
    check_points(landscape, points)
    if len(points) == 0:
        raise ValueError("points must hold at least one point: an ensemble needs a member")
