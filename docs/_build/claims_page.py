"""The page of the claims: what each says, and what came out, from the verdicts that are kept in docs/results."""

import json
from typing import Any

from links import ROOT

from nwedge.specs.claims import CLAIMS, Claim

RESULTS = ROOT / "docs" / "results"
RUNS = {"digits": "Digits", "fashion": "Fashion-MNIST"}
"""The kept results, by folder."""
INTRODUCTION = """# The claims

What Fort and Jastrzebski ([arXiv 1906.04724](https://arxiv.org/abs/1906.04724)) say of the landscape, each claim
measured alike on wedge models, on a real network and on controls, and judged by a rule that was fixed before. The
number is the statistic of the worst part with its 95 % interval; a claim *holds* where the interval lies above the
threshold, *fails* where it lies below, and is *inconclusive* where it contains it or something is undefined. Of every
control it is told whether it fails the claim, as it must.

Everything below is read from the kept results when these pages are built. They are of two replications, whose whole
reports are kept, too:
"""


def claims() -> str:
    """The page."""
    kept = {folder: json.loads((RESULTS / folder / "verdicts.json").read_text()) for folder in RUNS}
    listed = [
        f"- {title}: [what was run](results/{folder}/README.md), [the report](results/{folder}/report.html){{: "
        f'target="_blank"}}, [the verdicts](results/{folder}/verdicts.json)'
        for folder, title in RUNS.items()
    ]
    overview = [_row("claim", *RUNS.values()), _row("---", *["---"] * len(RUNS))]
    overview += [
        _row(f"[`{claim.id}`](#{claim.id})", *(_outcome(kept[folder], claim.id, "network") for folder in RUNS))
        for claim in CLAIMS
    ]
    parts = [INTRODUCTION, "\n".join(listed), "What came out on the two networks:", "\n".join(overview)]
    return "\n\n".join([*parts, *(_section(claim, kept) for claim in CLAIMS)]) + "\n"


def _section(claim: Claim, kept: dict[str, list[dict[str, Any]]]) -> str:
    """One claim: its words, its table, and its figures."""
    lines = [_row("landscape", *RUNS.values()), _row("---", *["---"] * len(RUNS))]
    names = dict.fromkeys(row["landscape"] for rows in kept.values() for row in rows if row["claim"] == claim.id)
    lines += [_row(f"`{name}`", *(told(_find(kept[folder], claim.id, name)) for folder in RUNS)) for name in names]
    sentences = [
        f"- {RUNS[folder]}: {row['sentence']}" for folder in RUNS if (row := _find(kept[folder], claim.id, "network"))
    ]
    figures = [
        f"{title}:\n\n[![The figure of {claim.id} on {title}](results/{folder}/figures/{claim.id}.png){{: loading=lazy }}]"
        f"(results/{folder}/figures/{claim.id}.png)"
        for folder, title in RUNS.items()
    ]
    said = f"{claim.text[0].upper()}{claim.text[1:]}."
    return "\n\n".join(
        [
            f"## {claim.id} {{: #{claim.id} }}",
            said,
            f"Published: {claim.anchor}.",
            "\n".join(lines),
            "The network, part by part:",
            "\n".join(sentences),
            *figures,
        ]
    )


def told(row: dict[str, Any] | None) -> str:
    """An outcome with its statistic and interval."""
    if row is None:
        return "not run"
    if row["statistic"] is None:
        return f"{row['outcome']}, undefined"
    low, high = row["interval"]
    return f"{row['outcome']}, {row['statistic']:.3g} [{low:.3g}, {high:.3g}]"


def _outcome(rows: list[dict[str, Any]], claim: str, landscape: str) -> str:
    row = _find(rows, claim, landscape)
    return "not run" if row is None else row["outcome"]


def _find(rows: list[dict[str, Any]], claim: str, landscape: str) -> dict[str, Any] | None:
    return next((row for row in rows if (row["claim"], row["landscape"]) == (claim, landscape)), None)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
