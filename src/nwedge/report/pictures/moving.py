"""The parts of interactive figures: the path of a run, lines with their errors, the stems of a spectrum."""

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from nwedge.report import words
from nwedge.report.figures import style
from nwedge.report.pictures import hovering, lines, spectra
from nwedge.report.pictures.panels import HELD_OUT, Panel, View
from nwedge.report.pictures.picture import Picture
from nwedge.report.pictures.trajectories import COLOUR, Path

Height = Callable[[Sequence[Sequence[float]]], np.ndarray]
FLAT, RAISED = 4 / 3, 1.0
"""Pixels of a point of the size of a path's marks, on a plane and on a surface."""
RING = {"color": "rgba(255,255,255,0.6)", "line": {"color": COLOUR, "width": 2}}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Of the draws of one metric, in turn."""


def flat(path: Path | None) -> list[go.Scatter]:
    """The path on a plane; marks grow with the distance from it."""
    if path is None:
        return []
    x, y = path.places.T
    keys = [go.Scatter(x=[None], y=[None], **key) for key in _legend(path, FLAT)]
    return [go.Scatter(x=x, y=y, **_path(path, FLAT)), *keys]


def raised(path: Path | None, height: Height) -> list[go.Scatter3d]:
    """The path's shadow on the surface, with gaps where the surface has no value."""
    if path is None:
        return []
    x, y = path.places.T
    keys = [go.Scatter3d(x=[None], y=[None], z=[None], **key) for key in _legend(path, RAISED)]
    return [go.Scatter3d(x=x, y=y, z=height(path.places.tolist()), **_path(path, RAISED)), *keys]


def _path(path: Path, scale: float) -> dict:
    said = []
    for number, (name, off) in enumerate(zip(path.names, path.off, strict=True)):
        text = f"{escape(name)}: {words.number(float(off))} off the plane"
        if path.losses is not None:
            text += f"<br>loss at the checkpoint itself {words.number(float(path.losses[number]), 4)}"
        said.append(text)
    symbols = ["square", *["circle"] * (len(said) - 2), "diamond"]
    return {
        "mode": "lines+markers", "text": said, "hoverinfo": "text", "name": "checkpoints", "showlegend": False,
        "line": {"color": COLOUR, "width": 2},
        "marker": {"size": (path.sizes * scale).tolist(), "symbol": symbols, **RING},
    }  # fmt: skip


def _legend(path: Path, scale: float) -> list[dict]:
    """What the sizes of the marks mean."""
    return [
        {
            "mode": "markers", "name": label, "showlegend": True, "hoverinfo": "skip",
            "marker": {"size": size * scale, "symbol": "circle", **RING},
        }
        for label, size in path.legend.items()
    ]  # fmt: skip


def curves(picture: Picture, view: View, log: bool) -> list[go.Scatter]:
    """Every line of a view, with a band of one standard error where it is known."""
    found: list[go.Scatter] = []
    for metric in dict.fromkeys(panel.metric for panel in view.panels):
        draws = [panel for panel in view.panels if panel.metric == metric]
        for number, panel in enumerate(draws):
            found += _line(picture, view, panel, DASHES[number % len(DASHES)], log)
    return found


def _line(picture: Picture, view: View, panel: Panel, dash: str, log: bool) -> list[go.Scatter]:
    colour, places = lines.COLOURS[panel.metric.startswith(HELD_OUT)], panel.places[0]

    several = len({one.label for one in view.panels}) > 1
    name = f"{panel.quantity}: {panel.label}" if several else panel.quantity
    found = [
        go.Scatter(
            x=places, y=view.drawn(panel.values, log), mode="lines+markers", marker={"size": 4}, name=escape(name),
            line={"color": colour, "width": 2, "dash": dash}, text=hovering.texts(picture, panel).tolist(),
            hoverinfo="text",
        )
    ]  # fmt: skip
    if panel.errors is None:
        return found
    low, high = (view.drawn(panel.values + sign * panel.errors, log) for sign in (-1, 1))
    hidden = {"x": places, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    band = f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:], 16)},0.2)"
    return [*found, go.Scatter(y=low, **hidden), go.Scatter(y=high, fill="tonexty", fillcolor=band, **hidden)]


def stems(spectrum: spectra.Spectrum, log: bool) -> go.Figure:
    """Eigenvalues by size, with their weights; signs by colour and mark."""
    found = go.Figure()
    symbols = {"positive": "circle", "negative": "square"}
    for sign, colour in spectra.COLOURS.items():
        sizes, weights = spectrum.signed(sign)
        if not sizes.size:
            continue
        foot = float(weights.min()) / 3 if log else 0.0
        feet, gap = np.full_like(weights, foot), np.full_like(sizes, np.nan)
        found.add_scatter(
            x=np.stack([sizes, sizes, gap], 1).ravel(), y=np.stack([feet, weights, gap], 1).ravel(),
            mode="lines", line={"color": colour, "width": 1}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        minus = "−" if sign == "negative" else ""
        said = [
            f"eigenvalue {minus}{words.number(float(size))}<br>weight {words.number(float(weight))}"
            for size, weight in zip(sizes, weights, strict=True)
        ]
        found.add_scatter(
            x=sizes, y=weights, mode="markers", marker={"color": colour, "size": 8, "symbol": symbols[sign]},
            text=said, hoverinfo="text", name=f"{sign} eigenvalues",
        )  # fmt: skip
    for at in spectrum.thresholds:
        found.add_vline(x=float(at), line={"color": style.MUTED, "dash": "dash", "width": 1})
    kind = "log" if log else "linear"
    found.update_xaxes(title=spectrum.label, type=kind)
    found.update_yaxes(title="weight (eigenvalues)", type=kind)
    found.update_layout(showlegend=True)
    return found
