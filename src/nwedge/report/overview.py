"""The verdict table: for each claim its verdicts on toys and networks, its controls, and what was published."""

from collections.abc import Mapping, Sequence
from typing import Any

from nwedge.report import swept, tables, words
from nwedge.report.results import Results
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.presets import PRESETS
from nwedge.specs.tasks import ClaimSpec

CONTROL = "control"


def asked(results: Results) -> list[str]:
    """The claims that were planned or judged, in the order of `CLAIMS`, others after them."""
    planned = [task.claim for task in results.plan.tasks if isinstance(task, ClaimSpec)]
    found = dict.fromkeys([*planned, *(row["claim"] for row in results.verdicts)])
    known = [claim.id for claim in CLAIMS]
    return [claim for claim in known if claim in found] + [claim for claim in found if claim not in known]


def columns(results: Results) -> list[str]:
    """The toys and networks of the preset, and those that were planned or judged beside them."""
    preset = PRESETS.get(results.plan.arguments.get("preset", ""))
    names = [subject.name for members in preset.subjects.values() for subject in members] if preset else []
    names += [task.landscape.name for task in results.plan.tasks if isinstance(task, ClaimSpec)]
    names += [row["landscape"] for row in results.verdicts]
    return [name for name in words.ordered(names) if words.kind(name) != CONTROL]


def rows(results: Results, across: Sequence[str]) -> list[dict[str, Any]]:
    """A row for every claim, measured or not, and for every other that was judged; of a sweep, for its claim alone.

    Each cell and each control holds its `verdict` or, where there is none, `why`; `verdicts` holds those whose parts
    unfold below the row, in the order of the cells and the controls.

    Args:
        results: of a replication.
        across: the landscapes of the cells, in order.
    """
    texts: dict[str, Claim] = {claim.id: claim for claim in CLAIMS}
    known = asked(results)
    verdicts = {(row["claim"], row["landscape"]): tables.verdict(row) for row in results.verdicts}
    found = []
    for id in known if swept.is_sweep(results) else dict.fromkeys([*texts, *known]):
        about = texts.get(id)
        judged = [name for claim, name in verdicts if claim == id and words.kind(name) == CONTROL]
        controls = list(dict.fromkeys([*(about.controls if about else ()), *judged]))
        cells = [_cell(id, name, verdicts, results) for name in [*across, *controls]]
        found.append(
            {
                "claim": id,
                "text": about.text if about else "",
                "published": about.anchor if about else "",
                "shown": id in known,
                "cells": cells[: len(across)],
                "controls": cells[len(across) :],
                "verdicts": [cell["verdict"] for cell in cells if cell["verdict"]],
            }
        )
    return found


def why(claim: str, landscape: str, results: Results) -> str:
    """Why a claim has no verdict on a landscape."""
    about = {one.id: one for one in CLAIMS}.get(claim)
    preset = PRESETS.get(results.plan.arguments.get("preset", ""))
    for subject in [one for members in preset.subjects.values() for one in members] if preset else []:
        if subject.name == landscape and claim in subject.meaningless:
            return subject.meaningless[claim]
    if about and words.kind(landscape) == CONTROL and landscape not in about.controls:
        return "not a control of this claim"
    source = about.derived.get(landscape, landscape) if about else landscape
    planned = [
        task
        for task in results.plan.tasks
        if isinstance(task, ClaimSpec) and (task.claim, task.landscape.name) == (claim, source)
    ]
    if not planned:
        return "not planned in this run"
    done = sum(task.id in results.provenance for task in planned)
    return f"no verdict: {done} of {words.count(len(planned), 'measurement')} done"


def _cell(claim: str, landscape: str, verdicts: Mapping[tuple[str, str], Any], results: Results) -> dict[str, Any]:
    verdict = verdicts.get((claim, landscape))
    return {
        "title": words.title(landscape),
        "short": words.title(landscape).partition(": ")[2] or words.title(landscape),
        "verdict": verdict,
        "why": "" if verdict else why(claim, landscape, results),
    }
