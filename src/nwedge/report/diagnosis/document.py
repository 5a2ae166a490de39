"""The page of a diagnosis: whether checkpoints can be averaged, and what the landscape around them looks like."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nwedge._files import remove
from nwedge.report import drawing, page, svg, words
from nwedge.report.diagnosis import alone, describing, options, pairs
from nwedge.report.diagnosis.figures import accuracies, graph, matrix, plane, ways
from nwedge.report.diagnosis.reading import Found, read

TEMPLATE = "diagnosis/page.html.j2"


def write(directory: Path, diagnosis: Mapping[str, Any]) -> Path:
    """Draw `figures/<name>.svg` and `.png` and `report.html` of a diagnosis; figures of an earlier one are removed.

    Every file is written whole or not at all; equal diagnoses give equal bytes.

    Args:
        directory: where they are written, made if needed.
        diagnosis: what `Diagnosis.to_json` gives, also after a way through JSON.

    Returns:
        The path of report.html.

    Raises:
        StoreError: a directory that cannot be written.
        ValueError: no such diagnosis, or two checkpoints of one name.
    """
    found = read(diagnosis)
    drawn = drawing.files(_figures(found), directory / page.FIGURES)
    for name in describing.CAPTIONS.keys() - drawn:
        for kind in ("svg", "png"):
            remove(directory / page.FIGURES / f"{name}.{kind}")
    return page.write(
        directory / page.REPORT,
        TEMPLATE,
        count=found.count,
        every=found.every,
        answer=options.answer(found),
        advice=options.advice(found),
        options=options.rows(found),
        warnings=diagnosis["warnings"],
        figures={name: _inline(name, content, found) for name, content in drawn.items()},
        together=pairs.together(found),
        clusters=pairs.clusters(found),
        level=words.number(found.level),
        barriers=_table(found, found.barriers, errors=found.errors, level=found.level),
        statistics=None if found.statistics is None else _table(found, found.statistics, level=found.level),
        disagreement=_table(found, found.disagreement, words.percent),
        angles=_table(found, found.angles, words.degrees),
        many=found.count > matrix.NUMBERED,
        ways=pairs.table(found) if found.others else None,
        alignment=pairs.alignment(found),
        tunnels=pairs.trained(found),
        best=found.labels[found.best],
        thresholds=alone.thresholds(found),
        checkpoints=alone.rows(found),
        prediction=alone.prediction(found),
        seed=diagnosis["seed"],
    )


def _figures(found: Found) -> dict[str, drawing.Draw]:
    """What there is to draw, by the name of the figure."""
    content = found.content
    drawn: dict[str, drawing.Draw] = {
        "options": partial(accuracies.figure, content["options"], content["recommendation"])
    }
    if found.count < 2:
        return drawn
    labels = [found.labels[place] for place in found.order]
    heat = partial(matrix.figure, labels=labels, sizes=[len(members) for members in found.clusters])
    maps = {
        "barriers": (found.barriers, "barrier (nats)", matrix.plain, found.level),
        "statistics": (found.statistics, "barrier, statistics averaged (nats)", matrix.plain, found.level),
        "disagreement": (100 * found.disagreement, "disagreement (%)", matrix.tenths, None),
        "angles": (found.angles, "angle (degrees)", matrix.whole, None),
    }
    for name, (values, quantity, say, level) in maps.items():
        if values is not None:
            ordered = values[found.order][:, found.order]
            drawn[name] = partial(heat, ordered, quantity=quantity, say=say, level=level)
    drawn["graph"] = partial(graph.figure, found.barriers, found.level, found.clusters, found.labels)
    others = [found.labels[place] for place in found.others]
    drawn["ways"] = partial(ways.figure, pairs.ways(found), others, found.level)
    if content["plane"] is not None:
        three = [found.labels[place] for place in found.places(content["plane"]["names"])]
        drawn["plane"] = partial(plane.figure, content["plane"], three)
    return drawn


def _table(found: Found, values: Any, *say: Any, **extra: Any) -> dict[str, Any]:
    """A table of all pairs, with the range of its values in words."""
    return pairs.matrix(found, values, *say, **extra) | {"range": pairs.extremes(found, values, *say)}


def _inline(name: str, content: bytes, found: Found) -> dict[str, Any]:
    """A figure as a part of the page."""
    label = describing.label(name, found)
    return {
        "svg": svg.inline(content, name, label),
        "caption": describing.caption(name, found),
        "label": label.split(":")[0],
    }
