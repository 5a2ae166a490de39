"""The axes of a picture in words, and what must be said of them."""

import textwrap

from nwedge.report import words
from nwedge.report.pictures.panels import HELD_OUT, Panel, View
from nwedge.report.pictures.picture import Picture

THIN = 4
"""The ratio of two extents beyond which the axes have scales of their own."""

CHARACTERS = 40
"""Of a line of a panel's title."""


def labels(picture: Picture, panel: Panel) -> list[str]:
    """The label of each axis and, on a line of its own, what its numbers are."""
    unit = "distance in weight space" if panel.distances else "chart coordinate"
    return [f"{label}\n({unit})" for label in picture.axes]


def heading(view: View) -> str:
    """The title of a view, in lines that fit a panel."""
    return "\n".join(textwrap.wrap(view.title, CHARACTERS))


def quantity(view: View) -> str:
    """What all lines of a view show, with its units."""
    first = view.panels[0]
    if len({panel.metric for panel in view.panels}) == 1:
        return first.described
    name = first.metric.removeprefix(HELD_OUT).replace("_", " ")
    return name if first.units in ("", "1") else f"{name} ({first.units})"


def equal(panel: Panel) -> bool:
    """Whether both axes have one scale: they are orthogonal, in weight-space distances, and about as long."""
    if not panel.distances or not panel.orthogonal:
        return False
    across, up = (float(axis[-1] - axis[0]) for axis in panel.places)
    return min(across, up) > 0 and 1 / THIN <= up / across <= THIN


def told(view: View) -> str:
    """What must be known of a plane's axes that the picture does not show; empty where nothing."""
    panel = view.panels[0]
    if len(panel.places) < 2 or equal(panel):
        return ""
    if not panel.distances:
        return "axes in chart coordinates: shapes are not those in weight space"
    if panel.angle is None:
        return "the angle of the axes is unknown"
    if not panel.orthogonal:
        return f"axes at {words.degrees(panel.angle)}, drawn as if orthogonal"
    return "axes with scales of their own"


def sentences(view: View, log: bool) -> list[str]:
    """What is drawn otherwise than it is: undefined values, those below a logarithmic scale, the axes."""
    found = []
    if view.nonfinite:
        found.append(f"{words.count(view.nonfinite, 'value')} undefined (NaN or infinite)")
    if log and view.lowered and view.floor is not None:
        found.append(
            f"{words.count(view.lowered, 'value')} below the floor of the logarithmic scale, "
            f"{words.number(view.floor)}, drawn there"
        )
    if (interpolated := sum(int((~panel.evaluated).sum()) for panel in view.panels if panel.evaluated is not None)) > 0:
        found.append(f"{words.count(interpolated, 'value')} interpolated")
    return [*found, *filter(None, [told(view)])]
