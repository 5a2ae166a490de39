"""The numbers of a picture: extremes, values at named points, the spread over draws, what is undefined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nwedge.report import words
from nwedge.report.pictures import spectra
from nwedge.report.pictures.panels import Panel, spread_panel, views
from nwedge.report.pictures.picture import Picture

OUTSIDE = "outside"


@dataclass(frozen=True)
class Row:
    """One metric of one panel, in words.

    Attributes:
        title: the quantity with its units, and the panel.
        least: the smallest finite value.
        largest: the largest finite value.
        marks: the values at the named points, in their order.
        error: the largest standard error; empty where nothing was estimated.
        undefined: how many of how many values are NaN or infinite.
    """

    title: str
    least: str
    largest: str
    marks: Sequence[str]
    error: str
    undefined: str


def rows(picture: Picture) -> list[Row]:
    """A row for every metric of every cut, for the spread over draws, and for what lies beside."""
    found = [panel for view in views(picture) for panel in view.panels] if picture.dim else []
    if picture.dim == 1:
        own = [panel for panel in found if panel.role == "cut"]
        grouped = [[one for one in own if one.metric == metric] for metric in dict.fromkeys(p.metric for p in own)]
        found += [spread for draws in grouped if (spread := spread_panel(draws)) is not None]
    return [_row(picture, panel) for panel in found]


def counts(picture: Picture) -> list[str]:
    """Sentences on a spectrum: eigenvalues above each threshold, and the largest; empty without one."""
    if picture.spectrum is None:
        return []
    spectrum = spectra.read(picture.spectrum)
    largest = ", ".join(words.number(float(value)) for value in spectrum.top)
    found = [*spectrum.counted(), *spectrum.left_out, *([f"the largest: {largest}"] if largest else [])]
    return [f"{one[0].upper()}{one[1:]}." for one in found]


def _row(picture: Picture, panel: Panel) -> Row:
    known = panel.finite
    errors = np.zeros(0) if panel.errors is None else panel.errors[np.isfinite(panel.errors)]
    return Row(
        title=f"{panel.described}: {panel.label}",
        least=words.number(float(known.min()) if known.size else None),
        largest=words.number(float(known.max()) if known.size else None),
        marks=[_at(panel, coordinates) for coordinates in picture.marks.values()],
        error=words.number(float(errors.max())) if errors.size else "",
        undefined=f"{panel.nonfinite:,} of {panel.values.size:,}",
    )


def _at(panel: Panel, coordinates: Sequence[float]) -> str:
    place = panel.place(coordinates)
    inside = all(axis[0] <= value <= axis[-1] for axis, value in zip(panel.places, place, strict=True))
    return words.number(panel.at(place)) if inside else OUTSIDE
