"""The report: one figure per claim and one self-contained page, from stored results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from nwedge._files import whole
from nwedge.report import counted, overview, parting, provenance, surface, svg, tables, words
from nwedge.report.figures import DRAWINGS, intrinsic_dimension, style
from nwedge.report.figures import fit as fitted
from nwedge.report.results import Results, read
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.tasks import ClaimSpec

REPORT, FIGURES = "report.html", "figures"
TEMPLATE = "report.html.j2"
FIT, SHEETS = "fit", "m-tunnels"
"""The section and the files of the fit; the claim whose section shows the surfaces."""
MATCHING, NEEDS = "intrinsic-dimension", ("sections", "short-directions")
"""The claim whose figure shows numbers of two others, and these."""
COUNTED, NETWORK = "short-directions", "network"
"""The claim and the landscape whose counts stand in a table beside the published ones."""


def write(directory: Path) -> Path:
    """Draw `figures/<claim>.svg` and `.png`, those of the fit, and `report.html` from the results in a directory.

    Every file is written whole or not at all; equal results give equal bytes.

    Args:
        directory: of a replication, with its plan, verdicts and results.

    Returns:
        The path of report.html.

    Raises:
        StoreError: no replication or no verdicts there, a damaged plan, or a directory that cannot be written.
    """
    results = read(directory)
    texts = {claim.id: claim for claim in CLAIMS}
    asked, columns = overview.asked(results), overview.columns(results)
    environment = Environment(
        loader=PackageLoader("nwedge.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    surfaces = _surfaces(results) if SHEETS in asked else []
    page = environment.get_template(TEMPLATE).render(
        summary=tables.summary(results.verdicts),
        columns=[{"name": name, "title": words.title(name)} for name in columns],
        overview=overview.rows(results, columns),
        judged=bool(results.verdicts),
        sections=[_section(claim, texts.get(claim), results, directory / FIGURES) for claim in asked],
        sheets=SHEETS,
        surfaces=surfaces,
        fit=_fit(results, directory / FIGURES),
        lacking=parting.missing(asked, results.datasets),
        facts=provenance.facts(results),
        seeds=provenance.seeds(results),
        subjects=provenance.landscapes(results),
        cuts=provenance.cuts(results),
        thresholds=tables.thresholds(results.verdicts),
        tasks=provenance.tasks(results),
        missing=len(results.missing),
        failed=len(results.failures),
        damaged=results.damaged,
    )
    path = directory / REPORT
    with whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _section(claim: str, text: Claim | None, results: Results, figures: Path) -> dict[str, Any]:
    """What the page says of one claim; draws its figure."""
    datasets = results.datasets.get(claim, {})
    names = words.ordered(datasets)
    verdicts = [row for row in results.verdicts if row["claim"] == claim]
    planned = [task for task in results.plan.tasks if isinstance(task, ClaimSpec) and task.claim == claim]
    drawing = DRAWINGS.get(claim)
    return {
        "claim": claim,
        "text": text.text if text else "",
        "anchor": text.anchor if text else "",
        "figure": _draw(claim, _drawn(claim, results), verdicts, figures) if drawing and datasets else None,
        "caption": drawing.CAPTION if drawing else "",
        "caveats": drawing.CAVEATS if drawing else "",
        "verdicts": [tables.verdict(row) for row in verdicts],
        "titles": [words.title(name) for name in names],
        "numbers": tables.numbers(datasets, names),
        "counts": counted.table(datasets[NETWORK]) if claim == COUNTED and NETWORK in datasets else None,
        "gaps": tables.gaps(datasets, names),
        "planned": len(planned),
        "done": sum(task.id in results.provenance for task in planned),
        "settings": provenance.settings(results).get(claim, []),
    }


def _drawn(claim: str, results: Results) -> Mapping[str, xr.Dataset]:
    """The results that a claim's figure draws, with those that it reads of other claims."""
    own = results.datasets[claim]
    if claim != MATCHING:
        return own
    others = [results.datasets.get(need, {}) for need in NEEDS]
    return {
        name: intrinsic_dimension.beside(dataset, *(other[name] for other in others))
        if all(name in other for other in others)
        else dataset
        for name, dataset in own.items()
    }


def _fit(results: Results, figures: Path) -> dict[str, Any] | None:
    """What the page says of fit.json; draws its figure."""
    if results.fit is None:
        return None
    with style.applied():
        figure = _files(fitted.figure(results.fit), FIT, figures)
    landscapes = parting.landscapes(results.fit)
    label = f"The number s of short directions by experiment, on {', '.join(one['title'] for one in landscapes)}"
    return {"figure": svg.inline(figure, FIT, label), "caption": fitted.CAPTION, "landscapes": landscapes}


def _surfaces(results: Results) -> list[dict[str, str]]:
    """The sheets over three optima of toys and networks, to be turned."""
    found = []
    for name in words.ordered(results.sheets):
        if words.kind(name) != "control":
            shape = surface.surface(results.sheets[name]["optima"], results.sheets[name]["vertices"])
            height, centre = (words.number(float(value)) for value in (shape.points[:, 2].max(), shape.vertices[-1, 2]))
            text = f"greatest height {height}, at the centre {centre}"
            label = f"{words.title(name)}: a sheet over three optima as a surface above their plane; {text}"
            found.append({"title": words.title(name), "text": text, "svg": surface.draw(shape, label)})
    return found


def _draw(claim: str, datasets: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Write the two files of a claim's figure; the SVG as a part of the page."""
    drawing = DRAWINGS[claim]
    with style.applied():
        content = _files(drawing.figure(datasets, verdicts), claim, folder)
    outcomes = "; ".join(f"{row['landscape']} {words.outcome(row['landscape'], row['outcome'])}" for row in verdicts)
    label = f"{drawing.CAPTION.split('. ')[0]}. Outcomes: {outcomes or 'none'}."
    return svg.inline(content, claim, label)


def _files(figure: Figure, name: str, folder: Path) -> bytes:
    """Write a figure as SVG and PNG; the bytes of the SVG."""
    style.settle(figure)
    files = {kind: svg.encode(figure, kind) for kind in ("svg", "png")}
    for kind, content in files.items():
        with whole(folder / f"{name}.{kind}") as temporary:
            temporary.write_bytes(content)
    return files["svg"]
