"""The accuracy of every option with its interval, and which are recommended."""

from collections.abc import Mapping
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nwedge.report import words
from nwedge.report.diagnosis.options import ordered, title
from nwedge.report.figures import style

CAPTION = (
    "The accuracy of each option on the scoring half of the held-out data with its 95 % interval over examples. ★: "
    "recommended, by the other half, so that its score here is not flattered by the choice. Intervals of two options "
    "may overlap where their difference is clear all the same, since both are scored on the same examples."
)
FAR = " An arrow at the left end: less accurate than the axis reaches; the numbers say where."
SPAN = 0.1
"""How far below the most accurate option another still stretches the axis."""
ONE, MANY = style.COLOURS["sheet"], style.COLOURS["pointwise"]


def figure(options: Mapping[str, Mapping[str, Any]], recommended: Mapping[str, str]) -> Figure:
    """A row for each option: a mark, its interval, and both in numbers; diamonds take several passes."""
    names = ordered(options)
    found = Figure(figsize=(4.8, 0.3 * len(names) + 1.0), layout="constrained")
    axes = found.subplots()
    left = start(options)
    passes = max(one["passes"] for one in options.values())
    for row, name in enumerate(names):
        one = options[name]
        value, bounds = one["scores"]["accuracy"]["value"], one["scores"]["accuracy"]["interval"]
        colour, marker = (ONE, "o") if one["passes"] == 1 else (MANY, "D")
        if words.defined(value):
            if all(words.defined(bound) for bound in bounds):
                axes.plot([100 * max(bound, left) for bound in bounds], [row, row], color=colour, linewidth=2.4)
            away = value < left
            axes.plot(
                100 * max(value, left), row, "<" if away else marker, color=colour, markersize=6, clip_on=not away
            )
        axes.annotate(
            f"{words.percent(value)} {_bounds(bounds)}",
            (1, row), (6, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points", va="center", size=8,
        )  # fmt: skip
    starred = set(recommended.values())
    axes.set_yticks(range(len(names)), [f"{'★ ' * (name in starred)}{title(name)}" for name in names])
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name in starred else "normal")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=100 * left)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("accuracy (%)")
    axes.grid(axis="x", color=style.MUTED, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    style.legend(found, _legend(passes))
    return found


def start(options: Mapping[str, Mapping[str, Any]]) -> float:
    """The accuracy at which the axis starts: a little below the lowest interval of an option that is not far below."""
    scores = [
        one["scores"]["accuracy"] for one in options.values() if words.defined(one["scores"]["accuracy"]["value"])
    ]
    if not scores:
        return 0.0
    best = max(score["value"] for score in scores)
    near = [score for score in scores if score["value"] >= best - SPAN]
    lows = [bound for score in near for bound in (*score["interval"], score["value"]) if words.defined(bound)]
    highs = [*lows, best]
    return max(0.0, min(lows) - 0.08 * (max(highs) - min(lows)) - 0.002)


def far(options: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an option is less accurate than the axis reaches."""
    values = [one["scores"]["accuracy"]["value"] for one in options.values()]
    return any(words.defined(value) and value < start(options) for value in values)


def _bounds(bounds: Any) -> str:
    """The interval without units, which stand beside it."""
    if not all(words.defined(bound) for bound in bounds):
        return ""
    return f"[{', '.join(f'{100 * bound:.1f}' for bound in bounds)}]"


def _legend(passes: int) -> dict[str, Artist]:
    marks = {"one pass": ("o", ONE)}
    if passes > 1:
        marks[words.count(passes, "pass")] = ("D", MANY)
    return {
        label: Line2D([], [], color=colour, marker=marker, markersize=6, linewidth=2.4)
        for label, (marker, colour) in marks.items()
    }
