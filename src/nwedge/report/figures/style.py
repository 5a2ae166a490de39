"""What all figures share: fonts, colours, a column of panels per landscape, curves of seeds, scales that mind zeros."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nwedge.report import words

INK, MUTED, PAPER = "#24292f", "#6e7781", "#ffffff"
"""Text and frames, secondary text and grids, background: the three colours that the page turns for dark mode."""

COLOURS = {
    "line": "#8c8c8c",
    "aligned": "#2a9d8f",
    "pointwise": "#e08214",
    "sheet": "#2b83ba",
    "bezier": "#b0529e",
    "bend": "#b4bac2",
    "run": "#2b83ba",
    "holds": "#1a8f5a",
    "fails": "#d1495b",
    "inconclusive": "#a87900",
}
"""Of about equal lightness, told apart by the colour-blind, legible on white and on black."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "mathtext.default": "regular",
    "svg.fonttype": "path",
    "svg.hashsalt": "nwedge",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.05,
}

DRAWN = 60
"""Thin curves of one colour that a panel shows at most; the mean is over all."""
VECTORS = 12
"""Thin curves of one colour beyond which they are drawn as pixels, to keep the SVG small."""


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """This style, whatever the user's own settings of matplotlib are, for the length of the block."""
    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def panels(
    rows: int, landscapes: Sequence[str], verdicts: Sequence[Mapping[str, Any]], *, height: float = 1.9
) -> tuple[Figure, np.ndarray]:
    """A figure with one column per landscape, headed by its title and outcome; the axes have shape (rows, columns)."""
    width = {1: 4.6, 2: 3.4, 3: 2.9}.get(len(landscapes), 2.4)
    figure = Figure(figsize=(width * len(landscapes) + 0.4, height * rows + 1.0), layout="constrained")
    axes = np.asarray(figure.subplots(rows, len(landscapes), squeeze=False))
    outcomes = {row["landscape"]: row["outcome"] for row in verdicts}
    for top, name in zip(axes[0], landscapes, strict=True):
        _above(top, 36, words.title(name), size=9.0, room=25, weight="bold")
        if outcome := outcomes.get(name):
            text = f"{words.SYMBOLS.get(outcome, '')} {words.outcome(name, outcome)}".strip()
            _above(top, 24, text, size=8.5, room=28, color=COLOURS[_tone(name, outcome)])
    return figure, axes


def settle(figure: Figure) -> None:
    """Lay the panels out once and for all, so that every file shows the same; square panels settle in a second pass.

    Left without an engine for its layout, a figure is drawn once for each file, not twice.
    """
    square = any(axes.get_aspect() != "auto" for axes in figure.axes)
    for _ in range(1 + square):
        figure.get_layout_engine().execute(figure)  # pyright: ignore[reportOptionalMemberAccess]
    figure.set_layout_engine(None)


def note(axes: Axes, text: str) -> None:
    """A short remark directly above a panel, of two lines at most."""
    _above(axes, 4, text, size=7.5, room=32, color=MUTED)


def says(axes: Axes, text: str) -> None:
    """A sentence in place of a panel that has nothing to show."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=8)


def label_left(row: Iterable[Axes], labels: Sequence[str]) -> None:
    """Name the vertical axis of the first panel of a row, and of each panel whose quantity is not its neighbour's."""
    previous = None
    for axes, label in zip(row, labels, strict=True):
        if axes.axison and label != previous:
            axes.set_ylabel(label)
            previous = label


def known(values: np.ndarray) -> np.ndarray:
    """Which rows of `values` (rows, ...) are not undefined (NaN) throughout, shape (rows,)."""
    return np.asarray(~np.isnan(values).reshape(len(values), -1).all(1))


def curves(axes: Axes, places: np.ndarray, values: np.ndarray, colour: str, dashes: Any = "-") -> None:
    """Each row of `values` (curves, places) as a thin line and their mean as a thick one.

    A row that is NaN throughout is left out of the mean; a single NaN leaves a gap in the curve and in the mean.

    Args:
        axes: where to draw.
        places: horizontal positions, shape (places,) or one row per curve.
        values: shape (curves, places); at most `DRAWN` of them are drawn.
        colour: of all lines.
        dashes: the line style of the mean.
    """
    keep = known(values)
    if not keep.any():
        return
    rows, places = values[keep], np.broadcast_to(places, values.shape)[keep]
    some = np.linspace(0, len(rows) - 1, min(len(rows), DRAWN)).round().astype(int)
    axes.plot(places[some].T, rows[some].T, color=colour, linewidth=0.6, alpha=0.45, rasterized=len(some) > VECTORS)
    axes.plot(places.mean(0), rows.mean(0), color=colour, linewidth=2.0, linestyle=dashes)


def value_scale(axes: Axes, values: np.ndarray, *, decades: int, across: bool = False) -> None:
    """A scale for losses: linear within a factor 30, logarithmic beyond, linear again below `decades` decades.

    So a loss of exactly 0 is drawn at 0, and nothing is cut off. The scale is vertical, or `across` the panel.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.max() <= 0 or finite.min() < 0:
        return
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if across else (axes.set_yscale, axes.set_ylim)
    axis = axes.xaxis if across else axes.yaxis
    low, top = finite.min(), finite.max()
    highest = int(np.floor(np.log10(top)))
    if low > top / 30:
        set_limits(0, None)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    least = 10.0 ** (highest - decades)
    if low >= least:
        set_scale("log")
        lowest = int(np.floor(np.log10(low)))
        ticks: list[float] = []
        set_limits(low / 1.5, top * 1.5)
    else:
        set_scale("symlog", linthresh=least, linscale=0.7)
        lowest = highest - decades
        ticks = [0.0]
        set_limits(-0.25 * least, top * 1.6)
    every = 1 if highest - lowest <= 4 else 2
    ticks += [10.0**power for power in range(highest, lowest - 1, -every)]
    _ticks(axis, ticks)


def step_scale(axes: Axes, steps: np.ndarray) -> None:
    """A horizontal scale for training steps: logarithmic from 1 on, with step 0 at its left end."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(-0.15, max(1.0, float(steps.max())) * 1.1)
    _ticks(axes.xaxis, [0.0, *(10.0**power for power in range(int(np.log10(max(1.0, float(steps.max())))) + 1))])


def with_units(label: str, values: xr.DataArray) -> str:
    """The label of an axis, with the units that the stored values declare."""
    units = values.attrs.get("units", "")
    return label if units in ("", "1") else f"{label} ({units})"


def legend(figure: Figure, entries: Mapping[str, Artist]) -> None:
    """One legend below all panels, from labels to what they stand for."""
    columns = min(len(entries), max(1, int(figure.get_figwidth() / 2.4)))
    handles, labels = list(entries.values()), list(entries)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.4)


def stroke(colour: str, *, width: float = 2.0, dashes: Any = "-") -> Line2D:
    """A line for the legend."""
    return Line2D([], [], color=colour, linewidth=width, linestyle=dashes)


def _above(axes: Axes, points: int, text: str, *, size: float, room: int, **font: Any) -> None:
    """Text above a panel, in a smaller size where a line has more characters than there is room for."""
    size *= min(1.0, room / max(1, *map(len, text.split("\n"))))
    axes.annotate(text, (0, 1), (0, points), xycoords="axes fraction", textcoords="offset points", size=size, **font)


def _tone(landscape: str, outcome: str) -> str:
    return {True: "holds", False: "fails", None: "inconclusive"}[words.expected(landscape, outcome)]


def _ticks(axis: Any, ticks: Sequence[float]) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))


def _power(value: float) -> str:
    if value == 0 or 0.001 <= value <= 1000:
        return f"{value:g}"
    return f"$10^{{{round(np.log10(value))}}}$"
