"""A picture that turns and answers: a plotly figure for every way of looking at it, chosen by the page's buttons."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from nwedge.report.figures import style
from nwedge.report.figures.levels import levels, ticks
from nwedge.report.pictures import axes as naming
from nwedge.report.pictures import hovering, moving, spectra, trajectories
from nwedge.report.pictures.panels import Panel, View, views
from nwedge.report.pictures.picture import Picture

MAP = "Viridis"
UNDEFINED = "#d9dce0"
"""What lies behind the contours: it shows where a value is undefined."""
LIFT = 0.015
"""By which marks and paths lie above a surface, as a share of its height, so that it does not hide them."""
LOGARITHMIC, LINEAR = "log", "linear"
CONTOURS, SURFACE = "contours", "surface"


@dataclass(frozen=True, eq=False)
class Shown:
    """One choice of the page's list.

    Attributes:
        title: as listed.
        figures: by way of looking ("contours" and "surface", or "lines") and scale ("log", "linear"), as plotly reads
            them.
        told: sentences for each scale.
        start: the scale it begins with.
    """

    title: str
    figures: dict[str, dict[str, Any]]
    told: dict[str, str]
    start: str


def library() -> str:
    """The script of plotly.js."""
    return get_plotlyjs()


def data(choices: Sequence[Shown]) -> str:
    """All choices as JSON that may stand in a script of the page."""
    rows = [{"title": one.title, "figures": one.figures, "told": one.told, "start": one.start} for one in choices]
    return json.dumps(rows, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def shown(picture: Picture) -> list[Shown]:
    """Everything that can be chosen, in the order of the static figure."""
    if picture.spectrum is not None:
        return [_spectrum(picture)]
    path = None if picture.trajectory is None else trajectories.read(picture.trajectory)
    return [_shown(picture, view, path) for view in views(picture)]


def _shown(picture: Picture, view: View, path: trajectories.Path | None) -> Shown:
    scales = [LINEAR] if view.floor is None else [LOGARITHMIC, LINEAR]
    own = path if view.panels[0].role == "cut" else None
    ways = {CONTOURS: _contours, SURFACE: _surface} if picture.dim == 2 else {"lines": _lines}
    figures = {
        way: {scale: _plain(draw(picture, view, own, scale == LOGARITHMIC)) for scale in scales}
        for way, draw in ways.items()
    }
    told = {scale: "; ".join(_told(view, scale)) for scale in scales}
    return Shown(view.title, figures, told, LOGARITHMIC if view.logarithmic else LINEAR)


def _told(view: View, scale: str) -> list[str]:
    said = naming.sentences(view, scale == LOGARITHMIC)
    if view.nonfinite and view.panels[0].values.ndim == 2:
        said = [*said, "grey among the contours, a hole in the surface"]
    return said if view.floor is not None else ["no value is positive, so there is no logarithmic scale", *said]


def heights(values: np.ndarray, view: View, log: bool) -> np.ndarray:
    """Values as drawn: NaN where not finite; on the logarithmic scale the logarithm to base 10, from the floor on."""
    drawn = view.drawn(values, log)
    return np.log10(drawn) if log else drawn


def _colours(view: View, log: bool) -> dict[str, Any]:
    """The range of the colours and, on the logarithmic scale, the values at its ticks."""
    if not view.values.size:
        return {"cmin": 0.0, "cmax": 1.0}
    bounds, _ = levels(view.values, log)
    drawn = np.log10(bounds) if log else bounds
    bar: dict[str, Any] = _ticks(bounds, log) | {
        "orientation": "h",
        "yref": "container",
        "y": 0,
        "yanchor": "bottom",
        "thickness": 14,
        "len": 0.9,
    }
    return {"cmin": float(drawn[0]), "cmax": float(drawn[-1]), "colorbar": bar}


def _ticks(bounds: np.ndarray, log: bool) -> dict[str, Any]:
    if not log:
        return {}
    some = ticks(bounds)
    return {"tickvals": np.log10(some).tolist(), "ticktext": [f"{value:.3g}" for value in some]}


def _contours(picture: Picture, view: View, path: trajectories.Path | None, log: bool) -> go.Figure:
    (panel,) = view.panels
    x, y = panel.places
    colours = _colours(view, log)
    trace = go.Contour(
        x=x,
        y=y,
        z=heights(panel.values, view, log).T,
        text=hovering.texts(picture, panel).T.tolist(),
        hoverinfo="text",
        colorscale=MAP,
        zmin=colours["cmin"],
        zmax=colours["cmax"],
        colorbar=colours.get("colorbar"),
        contours=_steps(view, log),
        line={"width": 0.6, "color": "rgba(255,255,255,0.6)", "smoothing": 0},
        name=view.title,
    )
    marks = hovering.marks(picture, panel)
    found = go.Figure([trace, *moving.flat(path), *hovering.flat_marks(marks)])
    across, up = _labels(picture, panel)
    found.update_xaxes(title=across, range=[x[0], x[-1]], zeroline=False, showgrid=False)
    found.update_yaxes(title=up, range=[y[0], y[-1]], zeroline=False, showgrid=False)
    if naming.equal(panel):
        found.update_yaxes(scaleanchor="x", scaleratio=1, constrain="domain")
        found.update_xaxes(constrain="domain")
    found.update_layout(plot_bgcolor=UNDEFINED, **_heading(view, path))
    return found


def _steps(view: View, log: bool) -> dict[str, Any]:
    """Where contours are: a third of a decade apart, or even steps with their values written on them."""
    if not view.values.size:
        return {}
    bounds, _ = levels(view.values, log)
    if log:
        return {"start": float(np.log10(bounds[0])), "end": float(np.log10(bounds[-1])), "size": 1 / 3}
    return {
        "start": float(bounds[0]),
        "end": float(bounds[-1]),
        "size": float(bounds[1] - bounds[0]),
        "showlabels": True,
    }


def _surface(picture: Picture, view: View, path: trajectories.Path | None, log: bool) -> go.Figure:
    (panel,) = view.panels
    x, y = panel.places
    drawn = heights(panel.values, view, log)
    lift = LIFT * float(np.nanmax(drawn) - np.nanmin(drawn)) if panel.finite.size else 0.0
    trace = go.Surface(
        x=x,
        y=y,
        z=drawn.T,
        text=hovering.texts(picture, panel).T.tolist(),
        hoverinfo="text",
        colorscale=MAP,
        connectgaps=False,
        name=view.title,
        **_colours(view, log),
    )

    def height(places: Sequence[Sequence[float]]) -> np.ndarray:
        return heights(np.array([panel.at(place) for place in places]), view, log) + lift

    marks = hovering.marks(picture, panel)
    found = go.Figure([trace, *moving.raised(path, height), *hovering.raised_marks(marks, height)])
    across, up = (_wrapped(label) for label in picture.axes)
    bounds = levels(view.values, log)[0] if view.values.size else np.array([0.0, 1.0])
    wide, deep = (float(np.ptp(axis)) or 1.0 for axis in panel.places)
    small = {"title_font_size": 11, "tickfont_size": 10}
    found.update_scenes(
        xaxis={"title": across, **small},
        yaxis={"title": up, **small},
        zaxis={"title": _wrapped(panel.described), **small, **_ticks(bounds, log)},
        aspectmode="manual",
        aspectratio={"x": 1.2, "y": 1.2 * (deep / wide if naming.equal(panel) else 1.0), "z": 0.7},
        camera={"eye": {"x": 1.15, "y": -1.15, "z": 0.8}, "center": {"x": 0, "y": 0, "z": -0.15}},
    )
    found.update_layout(margin={"l": 0, "r": 0}, **_heading(view, path))
    return found


def _lines(picture: Picture, view: View, path: trajectories.Path | None, log: bool) -> go.Figure:
    found = go.Figure(moving.curves(picture, view, log))
    (across,) = _labels(picture, view.panels[0])
    found.update_xaxes(title=across)
    found.update_yaxes(title=naming.quantity(view), type="log" if log else "linear")
    for label, coordinates in picture.marks.items():
        (place,) = view.panels[0].place(coordinates)
        found.add_vline(x=place, line={"color": style.MUTED, "dash": "dot", "width": 1}, annotation_text=label)
    found.update_layout(showlegend=True, plot_bgcolor=style.PAPER)
    return found


def _spectrum(picture: Picture) -> Shown:
    assert picture.spectrum is not None
    spectrum = spectra.read(picture.spectrum)
    figures = {scale: _plain(moving.stems(spectrum, scale == LOGARITHMIC)) for scale in (LOGARITHMIC, LINEAR)}
    told = "; ".join([*spectrum.counted(), *spectrum.left_out])
    return Shown(picture.title, {"lines": figures}, {LOGARITHMIC: told, LINEAR: told}, LOGARITHMIC)


def _labels(picture: Picture, panel: Panel) -> list[str]:
    return [label.replace("\n", "<br>") for label in naming.labels(picture, panel)]


def _heading(view: View, path: trajectories.Path | None) -> dict[str, Any]:
    """What the colours are, above a plane; with a path as the title of the legend, which says what its rings are."""
    text, font = "<br>".join(textwrap.wrap(view.panels[0].described, 44)), {"size": 14}
    if path is not None:
        return {
            "legend": {"title": {"text": f"{text}<br>rings: how far a checkpoint lies", "side": "top", "font": font}}
        }
    return {"title": {"text": text, "x": 0.02, "xanchor": "left", "y": 0.985, "yanchor": "top", "font": font}}


def _wrapped(label: str) -> str:
    return "<br>".join(textwrap.wrap(label, 20))


def _plain(found: go.Figure) -> dict[str, Any]:
    """A figure as plotly.js reads it, in the page's style."""
    found.update_layout(
        template="none",
        font={"family": "system-ui, sans-serif", "size": 13, "color": style.INK},
        paper_bgcolor=style.PAPER,
        margin={"l": 70, "r": 15, "t": 40, "b": 100} | found.layout.margin.to_plotly_json(),  # pyright: ignore[reportAttributeAccessIssue]
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        uirevision="kept",
    )
    found.update_xaxes(automargin=True, exponentformat="power")
    found.update_yaxes(automargin=True, exponentformat="power")
    return json.loads(found.to_json() or "{}")
