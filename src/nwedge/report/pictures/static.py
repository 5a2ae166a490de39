"""A picture as a figure that does not move: panels, a legend, and the footer, which travels with the file."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from nwedge.report.figures import style
from nwedge.report.pictures import axes as naming
from nwedge.report.pictures import lines, planes, spectra, trajectories
from nwedge.report.pictures.panels import View, views
from nwedge.report.pictures.picture import Picture

ACROSS = 3
"""Panels side by side at most."""
WIDTH, HEIGHT = 3.6, {"line": 2.6, "plane": 4.0, "trajectory": 4.0, "spectrum": 3.2}
"""Inches of a panel."""
ALONE = 4.8
"""Inches across of a single panel."""
LINE, ENTRY = 0.12, 0.24
"""Inches of a line of the footer, and of a row of the legend."""
CHARACTERS = 17
"""Of the footer's text on an inch."""

Draw = Callable[[FigureBase, Axes], Mapping[str, Artist]]


def figure(picture: Picture) -> Figure:
    """The picture's panels, at most three in a row, with legend and footer below."""
    drawings, notes = _drawings(picture)
    across = min(ACROSS, len(drawings))
    rows = -(-len(drawings) // across)
    wide = across * WIDTH if across > 1 else ALONE
    footer = [line for text in [*notes, *picture.footer] for line in textwrap.wrap(text, int(wide * CHARACTERS))]
    entries: dict[str, Artist] = {}
    above = HEIGHT[picture.kind] * rows + 0.3
    found = Figure(figsize=(wide, above), layout="constrained")
    parts = found.add_gridspec(2, 1)
    panels, foot = found.add_subfigure(parts[0]), found.add_subfigure(parts[1])
    grid = panels.add_gridspec(rows, across)
    for number, draw in enumerate(drawings):
        entries |= draw(panels, panels.add_subplot(grid[number // across, number % across]))
    columns = max(1, int(wide / 2.6))
    below = ENTRY * -(-len(entries) // columns) + LINE * len(footer) + 0.2
    parts.set_height_ratios([above, below])
    found.set_size_inches(wide, above + below)
    _below(foot.add_subplot(), entries, footer, columns)
    panels.suptitle("\n".join(textwrap.wrap(picture.title, int(wide * 10))), size=11, weight="bold", parse_math=False)
    return found


def _drawings(picture: Picture) -> tuple[Sequence[Draw], list[str]]:
    """What draws each panel, and sentences on what they show otherwise than it is."""
    if picture.spectrum is not None:
        spectrum = spectra.read(picture.spectrum)
        return [lambda _, axes: spectra.draw(axes, spectrum)], [f"{one}." for one in spectrum.left_out]
    found = views(picture)
    path = None if picture.trajectory is None else trajectories.read(picture.trajectory)

    def drawn(view: View) -> Draw:
        def draw(whole: FigureBase, axes: Axes) -> Mapping[str, Artist]:
            if picture.dim == 1:
                return lines.draw(axes, picture, view)
            entries = planes.draw(whole, axes, picture, view)
            if path is None or view.panels[0].role != "cut" or not axes.axison:
                return entries
            return {**entries, **trajectories.draw(axes, path)}

        return draw

    notes = [] if path is None else [path.sentence]
    for view in found:
        said = naming.sentences(view, view.logarithmic and picture.dim > 1)
        notes += [f"{view.title}: {'; '.join(said)}."] if said else []
    return [drawn(view) for view in found], list(dict.fromkeys(notes))


def _below(axes: Axes, entries: Mapping[str, Artist], footer: Sequence[str], columns: int) -> None:
    """The legend and, below it, the footer."""
    axes.set_axis_off()
    if entries:
        legend = axes.legend(
            list(entries.values()), list(entries), loc="upper left", ncols=columns, fontsize=7.5, borderaxespad=0
        )
        legend.set_in_layout(False)
    text = axes.text(0, 0, "\n".join(footer), size=6.5, color=style.MUTED, va="bottom", parse_math=False)
    text.set_in_layout(False)
