"""A page from a template of this folder."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nwedge._files import whole

REPORT, FIGURES = "report.html", "figures"
"""Where a page and its figures are, in the directory that they report on."""


def write(path: Path, template: str, **content: Any) -> Path:
    """Write a page, whole or not at all; texts are escaped, and a name that the template misses is an error.

    Args:
        path: of the page, returned.
        template: its path in the folder of the report.
        content: what the template shows, by name.

    Raises:
        StoreError: the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("nwedge.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**content)
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
