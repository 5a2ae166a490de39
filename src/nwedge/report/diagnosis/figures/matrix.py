"""A heat map of all pairs of checkpoints."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from nwedge.report import words
from nwedge.report.figures import style

NUMBERED = 12
"""The most checkpoints whose cells bear numbers."""
LARGE = 5
"""The most checkpoints whose cells have room for large numbers."""
SHORT = 4
"""The most characters of labels that are written across rather than upwards."""
DARK, LIGHT = "#000000", "#fefefe"
"""Of the numbers in cells, whose colours stay in dark mode."""
BRIGHT = 0.18
"""The luminance of a cell from which on dark numbers contrast more."""
BARRIERS = (
    "Blue: the line is low; red: it has a barrier; white: the barrier is at the stated level. Hatched: undefined. "
    "Thin lines part the clusters."
)
OTHER = "The darker, the more the two differ. Hatched: undefined. Thin lines part the clusters."


def figure(
    values: Float[np.ndarray, "n n"],
    labels: Sequence[str],
    sizes: Sequence[int],
    *,
    quantity: str,
    say: Callable[[float], str],
    level: float | None = None,
) -> Figure:
    """A cell for each pair, on a scale with the level in its middle where there is one.

    Args:
        values: in the order in which they are shown; the diagonal is left empty.
        labels: of the checkpoints, in that order.
        sizes: of the clusters, in that order.
        quantity: what the colours mean.
        say: the number in a cell.
        level: the value at which the colours turn.
    """
    count = len(values)
    cell = 0.42 if count <= NUMBERED else 0.155
    side = max(2.6, cell * count)
    found = Figure(figsize=(side + 2.0, side + 2.1), layout="constrained")
    axes = found.subplots()
    shown = np.where(np.eye(count, dtype=bool), np.nan, values)
    norm, colours = _scale(shown, level)
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=colours, norm=norm)
    for row, column in np.argwhere(~np.isfinite(values) & ~np.eye(count, dtype=bool)):
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor=style.MUTED, linewidth=0)
        )
    if count <= NUMBERED:
        _numbers(axes, shown, image, say)
    _part(axes, sizes)
    size = 8 if count <= NUMBERED else 6.5
    across = max(map(len, labels)) <= SHORT and count <= NUMBERED
    axes.set_xticks(range(count), labels, rotation=0 if across else 90, size=size, parse_math=False)
    axes.set_yticks(range(count), labels, size=size, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = found.colorbar(image, ax=axes, location="bottom", label=quantity, shrink=0.8, aspect=30, pad=0.03)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    _tick(bar, norm, say)
    return found


def _scale(values: np.ndarray, level: float | None) -> tuple[Normalize, str]:
    """The scale of the colours and their name, for values with an empty diagonal."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low = min(low, 0.0)
    if level is not None and low < level < np.inf:
        return TwoSlopeNorm(level, low, max(high, 2 * level - low)), "RdBu_r"
    return Normalize(low, high if high > low else low + 1.0), "BuPu"


def _numbers(axes: Axes, values: np.ndarray, image: Any, say: Callable[[float], str]) -> None:
    for row, column in np.argwhere(np.isfinite(values)):
        shade = image.cmap(image.norm(values[row, column]))
        bright = np.power(shade[:3], 2.2) @ (0.2126, 0.7152, 0.0722) > BRIGHT
        axes.text(
            column,
            row,
            say(float(values[row, column])),
            ha="center",
            va="center",
            size=8 if len(values) <= LARGE else 7,
            color=DARK if bright else LIGHT,
        )


def _part(axes: Axes, sizes: Sequence[int]) -> None:
    """Lines behind each cluster of several checkpoints; those of one are last."""
    ends = np.cumsum(sizes)
    for end in ends[(np.array(sizes) > 1) & (ends < ends[-1])]:
        axes.axhline(end - 0.5, color=style.MUTED, linewidth=0.8)
        axes.axvline(end - 0.5, color=style.MUTED, linewidth=0.8)


def _tick(bar: Any, norm: Normalize, say: Callable[[float], str]) -> None:
    if isinstance(norm, TwoSlopeNorm):
        ticks = [norm.vmin, norm.vcenter, norm.vmax]
        bar.set_ticks(ticks, labels=[say(ticks[0]), f"{say(ticks[1])} (level)", say(ticks[2])])
        bar.minorticks_off()
    else:
        bar.locator = MaxNLocator(4)
        bar.update_ticks()


def plain(value: float) -> str:
    """A number with two significant digits."""
    return words.number(value, 2)


def tenths(value: float) -> str:
    """A number with one digit after the point."""
    return f"{value:.1f}"


def whole(value: float) -> str:
    """A number without digits after the point."""
    return f"{value:.0f}"
