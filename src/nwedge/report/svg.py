"""Figures as bytes, and as part of a page: unique ids, colours that follow the page, text for those who cannot see."""

import html
import io
import re

from matplotlib.figure import Figure

from nwedge.report.figures import style

DPI = 150
NO_METADATA = {"svg": {"Date": None, "Creator": None, "Format": None, "Type": None}, "png": {"Software": None}}
"""Neither a date nor a version, so that equal figures are equal bytes."""

VARIABLES = {style.INK: "var(--ink)", style.MUTED: "var(--muted)", style.PAPER: "var(--paper)"}
"""The custom properties of the page that take the place of a figure's neutral colours."""

SMALLEST, LARGEST = 0.75, 1.3
"""The scales below which a figure is scrolled rather than shrunk, where the page sets no `--least-scale` (on a phone it
does, by the figure's smallest letters), and beyond which it is not enlarged."""
FONT = 100
"""Points of the letters that matplotlib writes once and then scales down to where they stand."""


def encode(figure: Figure, kind: str) -> bytes:
    """The figure as the bytes of a file, `kind` "svg" or "png"; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=DPI, metadata=NO_METADATA[kind])
    content = buffer.getvalue()
    return re.sub(rb'\bd="[^"]*"', _rounded, content) if kind == "svg" else content


def inline(svg: bytes, prefix: str, label: str) -> str:
    """The SVG as an element of an HTML page.

    Args:
        svg: as written by matplotlib.
        prefix: of all ids, so that several figures share a page.
        label: what the figure shows, in words.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    least = f"calc(var(--least-scale, {SMALLEST}) * {width(svg):.2f}px)"
    bounds = f"--smallest: {smallest(svg):.4f}; min-width: {least}; max-width: {width(svg) * LARGEST:.0f}px"
    head = f'<svg role="img" aria-label="{html.escape(label)}" style="{bounds}"'
    return text.replace("<svg", head, 1)


def smallest(svg: bytes) -> float:
    """The size of the smallest letters of an SVG, as written by matplotlib, in pixels of a page; exponents count."""
    found = []
    for scale, letters in re.findall(rb'scale\(([\d.]+) -\1\)">(.*?)</g>', svg, re.DOTALL):
        within = re.findall(rb"<use[^>]* scale\(([\d.]+)\)", letters)
        found.append(FONT * float(scale) * min([1.0, *map(float, within)]) * 96 / 72)
    return min(found, default=float(FONT))


def width(svg: bytes) -> float:
    """The width of an SVG, as written by matplotlib, in pixels of a page."""
    return float(re.search(rb'width="([\d.]+)pt"', svg)[1]) * 96 / 72  # pyright: ignore[reportOptionalSubscript]


def _rounded(path: re.Match[bytes]) -> bytes:
    """Path data to a hundredth of a point, which halves the file."""
    return re.sub(rb"\d+\.\d+", lambda number: b"%.2f" % float(number[0]), path[0])
