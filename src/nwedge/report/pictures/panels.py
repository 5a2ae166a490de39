"""What a picture's drawings and its table read of the cuts: values by metric, where they lie, how they are scaled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.interpolate import RegularGridInterpolator, make_interp_spline

from nwedge.report.figures import levels
from nwedge.report.pictures.picture import Picture

Role = Literal["cut", "spread", "beside"]
SUFFIXES = ("_error", "_examples")
"""Of the variables that belong to a metric."""
HELD_OUT = "held_out_"
RIGHT = 0.5
"""Degrees by which an angle may miss 90 for the axes to be drawn as orthogonal."""
BOUNDED = ("fraction", "%")
"""Units of what is never drawn on a logarithmic scale unless asked for."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One metric of one cut.

    Attributes:
        label: of the cut.
        metric: the variable's name.
        quantity: in words.
        units: as stored.
        role: a cut, the spread over several, or the wedge model's cut.
        places: where the values lie along each axis: weight-space distances, or chart coordinates where these do not
            grow with them.
        coordinates: the chart coordinates along each axis.
        values: shape of the grid, axis 0 first; NaN and infinities as they are.
        errors: standard errors, likewise; None where nothing was estimated.
        evaluated: which values are not interpolated; None where all are evaluated.
        distances: whether places are weight-space distances.
        angle: degrees between the two axes; None on a line or where unknown.
    """

    label: str
    metric: str
    quantity: str
    units: str
    role: Role
    places: tuple[np.ndarray, ...]
    coordinates: tuple[np.ndarray, ...]
    values: np.ndarray
    errors: np.ndarray | None
    evaluated: np.ndarray | None
    distances: bool
    angle: float | None

    @property
    def nonfinite(self) -> int:
        """How many values are NaN or infinite."""
        return int((~np.isfinite(self.values)).sum())

    @property
    def finite(self) -> Float[np.ndarray, " n"]:
        """The values that are neither NaN nor infinite."""
        return self.values[np.isfinite(self.values)]

    @property
    def orthogonal(self) -> bool:
        """Whether the axes are known to be orthogonal."""
        return self.angle is not None and abs(self.angle - 90) <= RIGHT

    @property
    def described(self) -> str:
        """The quantity with its units."""
        return self.quantity if self.units in ("", "1") else f"{self.quantity} ({self.units})"

    def place(self, coordinates: Sequence[float]) -> tuple[float, ...]:
        """Where chart coordinates lie along the axes as drawn; beyond the grid by the slope at its end."""
        found = []
        for value, own, drawn in zip(coordinates, self.coordinates, self.places, strict=True):
            found.append(float(make_interp_spline(own, drawn, k=1)(value)) if len(own) > 1 else float(value))
        return tuple(found)

    def at(self, place: Sequence[float]) -> float:
        """The value at places along the axes: on the grid its own, else linear between neighbours; NaN outside."""
        nearest = tuple(int(np.abs(axis - value).argmin()) for axis, value in zip(self.places, place, strict=True))
        on = [np.isclose(axis[i], v) for axis, i, v in zip(self.places, nearest, place, strict=True)]
        if all(on):
            return float(self.values[nearest])
        if min(self.values.shape) < 2:
            return float("nan")
        between = RegularGridInterpolator(self.places, self.values, bounds_error=False)
        return float(between(np.asarray(place, dtype=float)[None])[0])


@dataclass(frozen=True, eq=False)
class View:
    """What is drawn over the same axes: on a line every draw of a quantity, trained and held out; else one panel.

    Attributes:
        title: what it shows.
        panels: at least one.
        comparable: the panels whose scale it shares, itself among them.
    """

    title: str
    panels: Sequence[Panel]
    comparable: Sequence[Panel]

    @cached_property
    def values(self) -> Float[np.ndarray, " n"]:
        """All finite values that share the scale."""
        return np.concatenate([panel.finite for panel in self.comparable])

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale unless asked otherwise."""
        return self.panels[0].units not in BOUNDED and levels.logarithmic(self.values)

    @property
    def floor(self) -> float | None:
        """The least value that its logarithmic scale shows; None where it has none."""
        return levels.floor(self.values) if (self.values > 0).any() else None

    @property
    def lowered(self) -> int:
        """How many finite values lie below the floor, where a logarithmic scale draws them."""
        own = np.concatenate([panel.finite for panel in self.panels])
        return 0 if self.floor is None else int((own < self.floor).sum())

    def drawn(self, values: np.ndarray, log: bool) -> np.ndarray:
        """Values as drawn: NaN where they are not finite; on a logarithmic scale at least the floor."""
        known = np.where(np.isfinite(values), values, np.nan)
        return known if not log or self.floor is None else np.maximum(known, self.floor)

    @property
    def nonfinite(self) -> int:
        """How many values are NaN or infinite."""
        return sum(panel.nonfinite for panel in self.panels)


def metrics(cut: xr.Dataset) -> list[str]:
    """The variables of a cut that are metrics, not errors, counts of examples or marks of what was evaluated."""
    names = [str(name) for name in cut.data_vars]
    parts = {f"{name}{suffix}" for name in names for suffix in SUFFIXES}
    return [name for name in names if name not in parts and name != "evaluated"]


def views(picture: Picture) -> list[View]:
    """What a picture shows of its cuts, in order: the cuts, their spread, and the wedge model's beside them."""
    own, beside = _panels(picture.cuts, "cut"), _panels(picture.beside, "beside")
    if picture.dim == 1:
        return [*_lines(own, ""), *(view for label in picture.beside for view in _lines(_of(beside, label), label))]
    found: list[View] = []
    for metric in dict.fromkeys(panel.metric for panel in own):
        draws = [panel for panel in own if panel.metric == metric]
        found += [View(_title(panel, len(picture.cuts) > 1), [panel], draws) for panel in draws]
        if (spread := spread_panel(draws)) is not None:
            found.append(View(f"{spread.quantity}: {spread.label}", [spread], [spread]))
        found += [View(_title(panel, True), [panel], [panel]) for panel in beside if panel.metric == metric]
    alone = [panel for panel in beside if panel.metric not in {one.metric for one in own}]
    return found + [View(_title(panel, True), [panel], [panel]) for panel in alone]


def same_grid(panels: Sequence[Panel]) -> bool:
    """Whether cuts have the same chart coordinates, so that their values can be compared point by point."""
    first = panels[0].coordinates
    return all(
        len(a) == len(b) and np.allclose(a, b) for one in panels for a, b in zip(first, one.coordinates, strict=True)
    )


def spread_panel(draws: Sequence[Panel]) -> Panel | None:
    """The standard deviation over draws at equal chart coordinates, NaN where one of them is not finite.

    None for a single draw, and where the grids differ.
    """
    if len(draws) < 2 or not same_grid(draws):
        return None
    values = np.stack([np.where(np.isfinite(panel.values), panel.values, np.nan) for panel in draws])
    first = draws[0]
    return Panel(
        label=f"spread over {len(draws)} draws (standard deviation)",
        metric=first.metric,
        quantity=first.quantity,
        units=first.units,
        role="spread",
        places=first.places,
        coordinates=first.coordinates,
        values=values.std(0, ddof=1),
        errors=None,
        evaluated=None,
        distances=first.distances,
        angle=first.angle,
    )


def _panels(cuts: Mapping[str, xr.Dataset], role: Role) -> list[Panel]:
    return [_panel(label, cut, metric, role) for label, cut in cuts.items() for metric in metrics(cut)]


def _panel(label: str, cut: xr.Dataset, metric: str, role: Role) -> Panel:
    dims = [f"c{axis}" for axis in range(len(cut.sizes))]
    coordinates = tuple(np.asarray(cut[dim].values, dtype=float) for dim in dims)
    places = tuple(
        np.asarray(cut[name].values, dtype=float) if (name := f"distance{axis}") in cut.coords else np.array([np.nan])
        for axis in range(len(dims))
    )
    distances = all(np.isfinite(axis).all() and (np.diff(axis) > 0).all() for axis in places)

    def array(name: str) -> np.ndarray | None:
        return np.asarray(cut[name].transpose(*dims).values) if name in cut else None

    values, angle = cut[metric], cut.attrs.get("angle")
    return Panel(
        label=label,
        metric=metric,
        quantity=str(values.attrs.get("long_name", metric.replace("_", " "))),
        units=str(values.attrs.get("units", "")),
        role=role,
        places=places if distances else coordinates,
        coordinates=coordinates,
        values=np.asarray(values.transpose(*dims).values, dtype=float),
        errors=array(f"{metric}_error"),
        evaluated=array("evaluated"),
        distances=distances,
        angle=None if angle is None or len(dims) != 2 else float(angle),
    )


def _of(panels: Sequence[Panel], label: str) -> list[Panel]:
    return [panel for panel in panels if panel.label == label]


def _lines(panels: Sequence[Panel], label: str) -> list[View]:
    """Lines over the same axes: of the same quantity, trained and held out, and every draw."""
    groups: dict[str, list[Panel]] = {}
    for panel in panels:
        groups.setdefault(panel.metric.removeprefix(HELD_OUT), []).append(panel)
    return [
        View(f"{name.replace('_', ' ')}{f': {label}' if label else ''}", group, group) for name, group in groups.items()
    ]


def _title(panel: Panel, named: bool) -> str:
    return f"{panel.quantity}: {panel.label}" if named else panel.quantity
