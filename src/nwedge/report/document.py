"""The report: one figure per claim and one self-contained page, from stored results alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nwedge._files import whole
from nwedge.report import provenance, svg, tables, words
from nwedge.report.figures import DRAWINGS, style
from nwedge.report.results import Results, read
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.tasks import ClaimSpec

REPORT, FIGURES = "report.html", "figures"
TEMPLATE = "report.html.j2"


def write(directory: Path) -> Path:
    """Draw `figures/<claim>.svg` and `.png` and write `report.html` from the results in a directory.

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
    asked = _asked(results)
    environment = Environment(
        loader=PackageLoader("nwedge.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    landscapes = words.ordered([*_planned(results), *(row["landscape"] for row in results.verdicts)])
    page = environment.get_template(TEMPLATE).render(
        summary=tables.summary(results.verdicts),
        landscapes=[{"name": name, "title": words.title(name), "kind": words.kind(name)} for name in landscapes],
        overview=tables.overview(asked, landscapes, results.verdicts),
        sections=[_section(claim, texts.get(claim), results, directory / FIGURES) for claim in asked],
        unasked=[claim for claim in texts if claim not in asked],
        facts=provenance.facts(results),
        seeds=provenance.seeds(results),
        subjects=provenance.landscapes(results),
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


def _asked(results: Results) -> list[str]:
    """The claims that were planned or judged, in the order of `CLAIMS`, others after them."""
    planned = [task.claim for task in results.plan.tasks if isinstance(task, ClaimSpec)]
    found = dict.fromkeys([*planned, *(row["claim"] for row in results.verdicts)])
    known = [claim.id for claim in CLAIMS]
    return [claim for claim in known if claim in found] + [claim for claim in found if claim not in known]


def _planned(results: Results) -> list[str]:
    return [task.landscape.name for task in results.plan.tasks if isinstance(task, ClaimSpec)]


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
        "figure": _draw(claim, datasets, verdicts, figures) if drawing and datasets else None,
        "caption": drawing.CAPTION if drawing else "",
        "caveats": drawing.CAVEATS if drawing else "",
        "verdicts": [tables.verdict(row) for row in verdicts],
        "titles": [words.title(name) for name in names],
        "numbers": tables.numbers(datasets, names),
        "gaps": tables.gaps(datasets, names),
        "planned": len(planned),
        "done": sum(task.id in results.provenance for task in planned),
        "settings": provenance.settings(results).get(claim, ""),
    }


def _draw(claim: str, datasets: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Write the two files of a claim's figure; the SVG as a part of the page."""
    drawing = DRAWINGS[claim]
    with style.applied():
        figure = drawing.figure(datasets, verdicts)
        style.settle(figure)
        files = {kind: svg.encode(figure, kind) for kind in ("svg", "png")}
    for kind, content in files.items():
        with whole(folder / f"{claim}.{kind}") as temporary:
            temporary.write_bytes(content)
    outcomes = "; ".join(f"{row['landscape']} {words.outcome(row['landscape'], row['outcome'])}" for row in verdicts)
    label = f"{drawing.CAPTION.split('. ')[0]}. Outcomes: {outcomes or 'none'}."
    return svg.inline(files["svg"], claim, label)
