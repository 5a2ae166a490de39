"""What the page reads of a diagnosis: places in the stead of names, matrices, the order in which all are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from nwedge.report import words
from nwedge.report.diagnosis.naming import labels

KEYS = (
    "checkpoints", "barriers", "barrier_errors", "level", "aligned_barriers", "angles", "disagreement", "clusters",
    "tunnels", "options", "recommendation", "reasons", "prediction", "plane", "averaged_statistics", "warnings", "seed",
)  # fmt: skip
"""What the JSON of a diagnosis holds."""
LISTED = 6
"""The most checkpoints that a sentence names."""
SINGLE = "single"
"""The option that is the best checkpoint alone."""


@dataclass(frozen=True, eq=False)
class Found:
    """A diagnosis as the page shows it. What is undefined is NaN; checkpoints are known by their place.

    Attributes:
        content: the JSON.
        names: of the checkpoints.
        labels: short ones.
        best: the most accurate checkpoint on the choosing half.
        clusters: checkpoints that low lines connect.
        level: the highest barrier of a line that counts as low.
        barriers: shape (checkpoints, checkpoints), as are all matrices.
        errors: the standard errors of the barriers.
        statistics: the barriers where the statistics of BatchNorm are averaged; None where there is none.
        aligned: the barriers to the best checkpoint after alignment, shape (checkpoints,); None where unknown.
        angles: in degrees.
        disagreement: the share of examples on which two predict different classes.
    """

    content: Mapping[str, Any]
    names: Sequence[str]
    labels: Sequence[str]
    best: int
    clusters: Sequence[Sequence[int]]
    level: float
    barriers: Float[np.ndarray, "n n"]
    errors: Float[np.ndarray, "n n"]
    statistics: Float[np.ndarray, "n n"] | None
    aligned: Float[np.ndarray, " n"] | None
    angles: Float[np.ndarray, "n n"]
    disagreement: Float[np.ndarray, "n n"]

    @property
    def count(self) -> int:
        """The number of checkpoints."""
        return len(self.names)

    @property
    def every(self) -> str:
        """All of them, in words."""
        return "both" if self.count == 2 else f"all {self.count}"

    @property
    def order(self) -> list[int]:
        """The checkpoints cluster by cluster."""
        return [place for members in self.clusters for place in members]

    @property
    def others(self) -> list[int]:
        """All but the best, cluster by cluster."""
        return [place for place in self.order if place != self.best]

    @property
    def tunnels(self) -> list[tuple[int, int, float, float]]:
        """Of each trained path its two ends, the barrier on the straight line, and that on the path."""
        found = []
        for one in self.content["tunnels"]:
            start, end = self.places(one["ends"])
            found.append((start, end, _number(one["line_barrier"]), _number(one["barrier"])))
        return found

    def named(self, places: Sequence[int]) -> str:
        """The labels of checkpoints as a list, of many only the first."""
        shown = [self.labels[place] for place in places]
        return words.listed(
            shown if len(shown) <= LISTED else [*shown[: LISTED - 1], f"{len(shown) - LISTED + 1} more"]
        )

    def places(self, names: Sequence[str]) -> list[int]:
        """The places of checkpoints by name."""
        return [self.names.index(name) for name in names]


def read(diagnosis: Mapping[str, Any]) -> Found:
    """What the page reads of a diagnosis.

    Args:
        diagnosis: what `Diagnosis.to_json` gives, also after a way through JSON.

    Raises:
        ValueError: something else, or two checkpoints of one name.
    """
    missing = [key for key in KEYS if key not in diagnosis]
    if missing:
        raise ValueError(f"diagnosis must be what Diagnosis.to_json() gives; got one without {', '.join(missing)}")
    names = [one["name"] for one in diagnosis["checkpoints"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"checkpoints must have different names; got {twice[0]!r} more than once: rename one")
    return Found(
        content=diagnosis,
        names=names,
        labels=labels(names),
        best=names.index(diagnosis["options"][SINGLE]["members"][0]),
        clusters=[[names.index(name) for name in members] for members in diagnosis["clusters"]],
        level=_number(diagnosis["level"]),
        barriers=_array(diagnosis["barriers"]),
        errors=_array(diagnosis["barrier_errors"]),
        statistics=_optional(diagnosis["averaged_statistics"]),
        aligned=_optional(diagnosis["aligned_barriers"]),
        angles=_array(diagnosis["angles"]),
        disagreement=_array(diagnosis["disagreement"]),
    )


def _array(values: Any) -> np.ndarray:
    return np.array(values, dtype=float)


def _optional(values: Any) -> np.ndarray | None:
    return None if values is None else _array(values)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
