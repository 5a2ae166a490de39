"""What a diagnosis found, as plain numbers that survive JSON."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nwedge.diagnosis.advice import Recommendation
from nwedge.diagnosis.records import Scores


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint alone.

    Attributes:
        name: of its file.
        train_loss: the mean loss on the training data, in nats.
        train_accuracy: the share of them that is right.
        held_out: its scores on the scoring half of the held-out data.
        width: the mean angle, in degrees, by which it can be rotated in random directions below the level.
        short: by curvature: how many directions are steeper, and the standard error.
    """

    name: str
    train_loss: float
    train_accuracy: float
    held_out: Scores
    width: float
    short: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Tunnel:
    """A path that was trained between two checkpoints that the straight line walls off from each other."""

    ends: tuple[str, str]
    line_barrier: float
    barrier: float


@dataclass(frozen=True)
class Measured:
    """An option: its scores on the scoring half, passes at inference, and the checkpoints that take part."""

    scores: Scores
    passes: int
    members: Sequence[str]


@dataclass(frozen=True)
class Prediction:
    """The training loss at the average of all weights: by the wedge model, before it was evaluated, and as it is."""

    predicted: float
    measured: float


@dataclass(frozen=True, eq=False)
class Plane:
    """The training loss on the plane through three checkpoints.

    Attributes:
        names: of the three.
        corners: their coordinates in the plane, in units of the weights, shape (3, 2).
        x: coordinates along the first axis.
        y: coordinates along the second axis.
        loss: shape (y, x).
    """

    names: Sequence[str]
    corners: Float[np.ndarray, "3 2"]
    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    loss: Float[np.ndarray, "y x"]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What several checkpoints of one network are to each other, and what to do with them.

    Attributes:
        checkpoints: each alone; those that overflow are left out.
        barriers: on the straight lines between all pairs, in nats, shape (checkpoints, checkpoints).
        barrier_errors: their standard errors.
        level: the highest barrier of a line that counts as low.
        aligned_barriers: between each checkpoint, its hidden units in the order closest to the best one's, and the
            best one; None where no units can change places, as a warning tells.
        angles: as seen from the origin, in degrees.
        disagreement: the share of held-out examples on which two predict different classes.
        clusters: the names of checkpoints that low lines connect, the largest cluster first.
        tunnels: between the best checkpoint and those it is walled off from.
        options: what can be done, by name.
        recommendation: for one pass at inference and for as many as there are checkpoints; a soup of one checkpoint is
            called by its name, "single".
        prediction: of the loss at the average; None for fewer than three: the average of two is the middle of a line.
        plane: through the three checkpoints that were asked for, or else the most accurate of three clusters, or of as
            many as there are and the next in accuracy; None for fewer than three, or on one line.
        averaged_statistics: the barriers where BatchNorm's running statistics are interpolated like the weights, as in
            a plain average of state dicts, in the place of being recomputed, on the same examples; None where there is
            no BatchNorm, or its running statistics are not known.
        warnings: one sentence each.
        seed: of the halves, the samples and the trainings.
        points: the weights of each option of one pass, shape (dim,), by its name.
    """

    checkpoints: Sequence[Checkpoint]
    barriers: Float[np.ndarray, "n n"]
    barrier_errors: Float[np.ndarray, "n n"]
    level: float
    aligned_barriers: Float[np.ndarray, " n"] | None
    angles: Float[np.ndarray, "n n"]
    disagreement: Float[np.ndarray, "n n"]
    clusters: Sequence[Sequence[str]]
    tunnels: Sequence[Tunnel]
    options: Mapping[str, Measured]
    recommendation: Recommendation
    prediction: Prediction | None
    plane: Plane | None
    averaged_statistics: Float[np.ndarray, "n n"] | None
    warnings: Sequence[str]
    seed: int
    points: Mapping[str, Float[Tensor, " dim"]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Numbers, texts, lists and dicts; what is undefined is None. The weights are left out."""
        found = {one.name: _plain(getattr(self, one.name)) for one in dataclasses.fields(self) if one.name != "points"}
        chosen = found.pop("recommendation")
        return found | {
            "recommendation": {budget: choice["option"] for budget, choice in chosen.items()},
            "reasons": {budget: choice["sentence"] for budget, choice in chosen.items()},
        }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
