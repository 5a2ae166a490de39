"""A picture in words: for those who cannot see it, and what its colours and marks mean."""

from nwedge.report import words
from nwedge.report.pictures import tables, trajectories
from nwedge.report.pictures.picture import Picture

CAPTIONS = {
    "line": (
        "Each value along a straight line through weight space, or along another one-dimensional chart. A cross at the "
        "foot marks what is undefined. Several draws are thin lines; the thick one is their mean."
    ),
    "plane": (
        "Filled contours; losses are on a logarithmic scale where they span more than a factor of three. Draws of the "
        "same quantity share their colours. Hatched: the value is undefined (NaN or infinite)."
    ),
    "trajectory": (
        "The path of a run, seen from the plane that holds most of it, over the loss on that plane. A checkpoint lies "
        "off the plane by what its ring's size says, on one scale for all paths, from in the plane to as far off it as "
        "any checkpoint is from the plane's origin: the colour below it is the loss of its shadow, not its own. "
        "Hatched: the value is undefined (NaN or infinite)."
    ),
    "spectrum": (
        "The eigenvalues of the Hessian by size, and how many each stem stands for, by stochastic Lanczos quadrature; "
        "positive and negative ones differ in colour and mark. Dashed: thresholds, with the number above them."
    ),
}
LONGEST = 8
"""The most rows that the text for those who cannot see names."""


def label(picture: Picture) -> str:
    """What the picture shows, with its main numbers."""
    if picture.spectrum is not None:
        return " ".join([f"{picture.title}: spectrum of the Hessian.", *tables.counts(picture)])
    rows = tables.rows(picture)
    parts = [f"{row.title} from {row.least} to {row.largest}, {row.undefined} undefined" for row in rows[:LONGEST]]
    more = f"; and {len(rows) - LONGEST} more" if len(rows) > LONGEST else ""
    return f"{picture.title}: over {words.listed(picture.axes)}. {'; '.join(parts)}{more}."


def caption(picture: Picture) -> str:
    """What colours, lines and marks mean, and how much of a path the plane holds."""
    text = CAPTIONS[picture.kind]
    return text if picture.trajectory is None else f"{text} {trajectories.read(picture.trajectory).sentence}"
