"""What is said of a place under the pointer, and the named points of a picture."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from nwedge.report import words
from nwedge.report.figures import style
from nwedge.report.pictures.panels import Panel
from nwedge.report.pictures.picture import Picture

HALO = ", ".join(f"{style.PAPER} {right}px {down}px 2px" for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)))
"""Around a name on a dark ground."""


def value(panel: Panel, at: tuple[int, ...]) -> str:
    """One value with its standard error, in words; whether it is interpolated."""
    unit = "" if panel.units in ("", "1") else f" {panel.units}"
    text = f"{panel.quantity} {words.number(float(panel.values[at]), 4)}"
    if panel.errors is not None:
        text += f" ± {words.number(float(panel.errors[at]), 2)}"
    between = panel.evaluated is not None and not panel.evaluated[at]
    return f"{text}{unit}{' (interpolated)' if between else ''}"


def texts(picture: Picture, panel: Panel) -> np.ndarray:
    """What is said of every place of a grid, shape of its values, as HTML."""
    found = np.empty(panel.values.shape, dtype=object)
    for at in np.ndindex(found.shape):
        where = [
            f"{escape(label)} {words.number(float(axis[i]))}"
            for label, axis, i in zip(picture.axes, panel.places, at, strict=True)
        ]
        found[at] = "<br>".join([f"{escape(panel.label)}: {escape(value(panel, at))}", *where])
    return found


def marks(picture: Picture, panel: Panel) -> Mapping[str, tuple[float, ...]]:
    """The named points where they lie along the axes as drawn."""
    return {label: panel.place(coordinates) for label, coordinates in picture.marks.items()}


def flat_marks(found: Mapping[str, tuple[float, ...]]) -> list[go.Scatter]:
    """The named points of a plane."""
    if not found:
        return []
    x, y = zip(*found.values(), strict=True)
    return [go.Scatter(x=x, y=y, **_named(found), marker=_marker(10), textfont={"shadow": HALO})]


def raised_marks(
    found: Mapping[str, tuple[float, ...]], height: Callable[[Sequence[Sequence[float]]], np.ndarray]
) -> list[go.Scatter3d]:
    """The named points on a surface."""
    if not found:
        return []
    x, y = zip(*found.values(), strict=True)
    return [go.Scatter3d(x=x, y=y, z=height(list(found.values())), **_named(found), marker=_marker(5))]


def _named(found: Mapping[str, tuple[float, ...]]) -> dict:
    names = [f"<b>{escape(label)}</b>" for label in found]
    return {
        "mode": "markers+text", "text": names, "textposition": "top center", "hoverinfo": "text", "showlegend": False,
    }  # fmt: skip


def _marker(size: int) -> dict:
    return {"size": size, "color": style.PAPER, "line": {"color": style.INK, "width": 2}}
