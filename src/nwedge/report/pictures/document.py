"""The page of a picture: one file that holds all it needs, with the figures beside it."""

from functools import partial
from pathlib import Path

from nwedge.report import drawing, page, svg
from nwedge.report.pictures import describing, interactive, static, tables
from nwedge.report.pictures.picture import Picture

TEMPLATE = "pictures/page.html.j2"
NAME, PAGE = "picture", "picture.html"
"""Of the figures picture.svg and picture.png, and of the page."""


def write(directory: Path, picture: Picture) -> Path:
    """Write `picture.html`, which needs nothing else, and `picture.svg` and `picture.png` beside it.

    Every file is written whole or not at all; equal pictures give equal bytes.

    Args:
        directory: where they are written, made if needed.
        picture: what is shown.

    Returns:
        The path of picture.html.

    Raises:
        StoreError: a directory that cannot be written.
    """
    figure = drawing.files({NAME: partial(static.figure, picture)}, directory)[NAME]
    shown = interactive.shown(picture)
    return page.write(
        directory / PAGE,
        TEMPLATE,
        picture=picture,
        label=describing.label(picture),
        caption=describing.caption(picture),
        figure=svg.inline(figure, NAME, describing.label(picture)),
        titles=[one.title for one in shown],
        ways=list(shown[0].figures),
        data=interactive.data(shown),
        library=interactive.library(),
        rows=tables.rows(picture),
        marks=list(picture.marks),
        errors=any(row.error for row in tables.rows(picture)),
        counts=tables.counts(picture),
    )
