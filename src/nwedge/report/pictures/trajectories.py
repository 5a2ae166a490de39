"""The path of a run over a plane: its shadow, and for every checkpoint how far from the plane it really lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

SMALLEST, LARGEST = 3.0, 15.0
"""Diameters in points of the marks of a checkpoint in the plane, and of one as far off it as any is from the origin."""
LEGEND = (0.0, 0.1, 0.5)
"""Shares of the largest distance from the origin whose marks the legend shows."""
MOST = 60
"""Marks drawn at most, beside that of the checkpoint farthest off; the path goes through all checkpoints."""
COLOUR = "#d81b60"


@dataclass(frozen=True, eq=False)
class Path:
    """The checkpoints of a trajectory.

    Attributes:
        places: in the plane, shape (checkpoint, 2).
        off: distance from the plane, shape (checkpoint,).
        distance: from the plane's origin.
        names: by their steps where these are stored, else as the checkpoints are called, or numbered from 0.
        losses: at the checkpoints themselves; None where none are stored.
        explained: the share of the squared distances from the origin that the two axes hold.
        variance: the share of the variance about the mean that they hold.
    """

    places: Float[np.ndarray, "checkpoint 2"]
    off: Float[np.ndarray, " checkpoint"]
    distance: Float[np.ndarray, " checkpoint"]
    names: Sequence[str]
    losses: Float[np.ndarray, " checkpoint"] | None
    explained: float
    variance: float

    @property
    def sizes(self) -> Float[np.ndarray, " checkpoint"]:
        """The diameter of each checkpoint's mark, by its distance from the plane."""
        return diameter(self.off / (self.extent or 1.0))

    @property
    def extent(self) -> float:
        """The largest distance from the origin, which no distance from the plane exceeds."""
        return float(self.distance.max())

    @property
    def legend(self) -> dict[str, float]:
        """What marks of some diameters mean: distances from the plane, the same shares of every path's extent."""
        return {f"{words.number(share * self.extent)} off the plane": float(diameter(share)) for share in LEGEND}

    @property
    def marked(self) -> np.ndarray:
        """The checkpoints that bear a mark: the first, the last and the one farthest off the plane among them."""
        even = np.linspace(0, len(self.off) - 1, min(MOST, len(self.off))).round().astype(int)
        return np.union1d(even, self.off.argmax())

    @property
    def sentence(self) -> str:
        """How much of the path the plane shows."""
        farthest = int(self.off.argmax())
        share = self.off[farthest] / self.distance[farthest] if self.distance[farthest] > 0 else 0.0
        count = words.count(len(self.off), "checkpoint")
        return (
            f"The plane holds {words.percent(self.explained)} of the squared distances of {count} from the plane's "
            f"origin, and {words.percent(self.variance)} of their variance about their mean; the one farthest off, at "
            f"{self.names[farthest]}, lies {words.number(float(self.off[farthest]))} from "
            f"it, {words.percent(float(share))} of its distance from that origin."
        )


def read(trajectory: xr.Dataset) -> Path:
    """The path that a trajectory Dataset holds."""
    return Path(
        places=np.asarray(trajectory["position"].transpose("checkpoint", "axis").values, dtype=float),
        off=np.asarray(trajectory["off_plane"].values, dtype=float),
        distance=np.asarray(trajectory["distance"].values, dtype=float),
        names=_names(trajectory),
        losses=np.asarray(trajectory["loss"].values, dtype=float) if "loss" in trajectory else None,
        explained=float(trajectory["explained"].values[:2].sum()),
        variance=float(trajectory["variance"].sum()),
    )


def _names(trajectory: xr.Dataset) -> list[str]:
    if "step" in trajectory:
        return [f"step {words.number(float(step))}" for step in trajectory["step"].values]
    if "name" in trajectory:
        return [str(name) for name in trajectory["name"].values]
    return [f"checkpoint {number}" for number in range(trajectory.sizes["checkpoint"])]


def diameter(share: Any) -> Any:
    """Of a mark, in points, by the distance from the plane as a share of the path's extent: near even in area."""
    return SMALLEST + (LARGEST - SMALLEST) * np.sqrt(share)


def draw(axes: Axes, path: Path) -> Mapping[str, Artist]:
    """Draw the path over a plane; what the legend says of it."""
    x, y = path.places.T
    axes.plot(x, y, color=style.PAPER, linewidth=2.6, zorder=4)
    axes.plot(x, y, color=COLOUR, linewidth=1.2, zorder=4)
    some = path.marked
    axes.scatter(x[some], y[some], s=path.sizes[some] ** 2, facecolor="none", edgecolor=style.PAPER, lw=2.2, zorder=5)
    axes.scatter(x[some], y[some], s=path.sizes[some] ** 2, facecolor="none", edgecolor=COLOUR, lw=1.1, zorder=5)
    for at, mark, size in ((0, "s", 5), (-1, "*", 10)):
        axes.plot(x[at], y[at], mark, color=style.INK, markeredgecolor=style.PAPER, markersize=size, zorder=6)
    entries: dict[str, Artist] = {
        "first checkpoint": Line2D([], [], color=style.INK, marker="s", linestyle="none", markersize=5),
        "last checkpoint": Line2D([], [], color=style.INK, marker="*", linestyle="none", markersize=10),
    }
    for label, size in path.legend.items():
        entries[label] = Line2D([], [], color=COLOUR, marker="o", fillstyle="none", markersize=size, linestyle="none")
    return entries
