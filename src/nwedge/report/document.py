"""The report: one figure per claim and one self-contained page, from stored results alone."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from nwedge.report import counted, drawing, overview, page, parting, provenance, surface, svg, swept, tables, words
from nwedge.report.figures import DRAWINGS, intrinsic_dimension
from nwedge.report.figures import fit as fitted
from nwedge.report.figures import sweep as varied
from nwedge.report.results import Results, read
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.tasks import ClaimSpec

TEMPLATE = "report.html.j2"
SHEETS = "m-tunnels"
"""The claim whose section shows the surfaces."""
MATCHING, NEEDS = "intrinsic-dimension", ("sections", "short-directions")
"""The claim whose figure shows numbers of two others, and these."""
FIT, SWEEP = "fit", "sweep"
"""The names of the figures of the fit and of a sweep; those of the claims have their ids."""
COUNTED, NETWORK = "short-directions", "network"
"""The claim and the landscape whose counts stand in a table beside the published ones."""


def write(directory: Path, results: Results | None = None) -> Path:
    """Draw `figures/<claim>.svg` and `.png`, those of the fit, and `report.html` from the results in a directory.

    Every file is written whole or not at all; equal results give equal bytes.

    Args:
        directory: of a replication, with its plan, verdicts and results.
        results: what `report.results.read` found there; None reads it.

    Returns:
        The path of report.html.

    Raises:
        StoreError: no replication or no verdicts there, a damaged plan, or a directory that cannot be written.
    """
    results = results or read(directory)
    texts = {claim.id: claim for claim in CLAIMS}
    asked, columns = overview.asked(results), overview.columns(results)
    surfaces = _surfaces(results) if SHEETS in asked else []
    figures = drawing.files(_figures(asked, results), directory / page.FIGURES)
    return page.write(
        directory / page.REPORT,
        TEMPLATE,
        summary=tables.summary(results.verdicts),
        columns=[{"name": name, "title": words.title(name)} for name in columns],
        overview=overview.rows(results, columns),
        judged=bool(results.verdicts),
        sections=[_section(claim, texts.get(claim), results, figures.get(claim)) for claim in asked],
        replication=not swept.is_sweep(results),
        sweep=_sweep(asked, figures.get(SWEEP)),
        sheets=SHEETS,
        surfaces=surfaces,
        fit=_fit(results, figures.get(FIT)),
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


def _figures(asked: Sequence[str], results: Results) -> dict[str, drawing.Draw]:
    """What there is to draw, by the name of the figure."""
    claims = [claim for claim in asked if claim in DRAWINGS and results.datasets.get(claim)]
    found: dict[str, drawing.Draw] = {
        claim: partial(DRAWINGS[claim].figure, _drawn(claim, results), _verdicts(claim, results)) for claim in claims
    }
    if results.fit is not None:
        found[FIT] = partial(fitted.figure, results.fit)
    rows = swept.rows(results)
    return found | {SWEEP: partial(varied.figure, rows)} if rows else found


def _verdicts(claim: str, results: Results) -> list[Mapping[str, Any]]:
    return [row for row in results.verdicts if row["claim"] == claim]


def _section(claim: str, text: Claim | None, results: Results, figure: bytes | None) -> dict[str, Any]:
    """What the page says of one claim."""
    datasets = results.datasets.get(claim, {})
    names = words.ordered(datasets)
    verdicts = _verdicts(claim, results)
    planned = [task for task in results.plan.tasks if isinstance(task, ClaimSpec) and task.claim == claim]
    drawn = DRAWINGS.get(claim)
    return {
        "claim": claim,
        "text": text.text if text else "",
        "anchor": text.anchor if text else "",
        "figure": _inline(figure, claim, verdicts) if figure else None,
        "caption": f"{drawn.CAPTION}{_left_out(results, names)}" if drawn else "",
        "caveats": drawn.CAVEATS if drawn else "",
        "verdicts": [tables.verdict(row) for row in verdicts],
        "titles": [words.title(name) for name in names],
        "numbers": tables.numbers(datasets, names),
        "counts": counted.table(datasets[NETWORK]) if claim == COUNTED and NETWORK in datasets else None,
        "gaps": tables.gaps(datasets, names),
        "planned": len(planned),
        "done": sum(task.id in results.provenance for task in planned),
        "settings": provenance.settings(results).get(claim, []),
    }


def _left_out(results: Results, names: Sequence[str]) -> str:
    """A sentence on the combinations of a sweep that its figure does not show; empty if there are none."""
    if not swept.is_sweep(results) or len(names) <= swept.WIDEST:
        return ""
    return f" Of {len(names)} combinations the first {swept.WIDEST} are drawn."


def _drawn(claim: str, results: Results) -> Mapping[str, xr.Dataset]:
    """The results that a claim's figure draws, with those that it reads of other claims."""
    own = results.datasets[claim]
    if swept.is_sweep(results):
        return {name: own[name] for name in list(own)[: swept.WIDEST]}
    if claim != MATCHING:
        return own
    others = [results.datasets.get(need, {}) for need in NEEDS]
    return {
        name: intrinsic_dimension.beside(dataset, *(other[name] for other in others))
        if all(name in other for other in others)
        else dataset
        for name, dataset in own.items()
    }


def _fit(results: Results, figure: bytes | None) -> dict[str, Any] | None:
    """What the page says of fit.json."""
    if results.fit is None or figure is None:
        return None
    landscapes = parting.landscapes(results.fit)
    label = f"The number s of short directions by experiment, on {', '.join(one['title'] for one in landscapes)}"
    inlined = svg.inline(figure, FIT, label)
    return {"figure": inlined, "caption": fitted.CAPTION, "landscapes": landscapes}


def _sweep(asked: Sequence[str], figure: bytes | None) -> dict[str, str] | None:
    """The figure of a sweep."""
    if figure is None:
        return None
    label = f"The statistic of {asked[0]} against each setting that is varied"
    return {"figure": svg.inline(figure, SWEEP, label), "caption": varied.CAPTION}


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


def _inline(figure: bytes, claim: str, verdicts: Sequence[Mapping[str, Any]]) -> str:
    """The SVG of a claim's figure as a part of the page."""
    outcomes = "; ".join(f"{row['landscape']} {words.outcome(row['landscape'], row['outcome'])}" for row in verdicts)
    label = f"{DRAWINGS[claim].CAPTION.split('. ')[0]}. Outcomes: {outcomes or 'none'}."
    return svg.inline(figure, claim, label)
