"""What the report tells of a sweep: which setting gave which statistic."""

from typing import Any

from nwedge.report.results import Results
from nwedge.specs.sweep import Sweep

COMMAND = "sweep"
WIDEST = 8
"""Combinations that the figure of a claim shows; the tables show all."""


def is_sweep(results: Results) -> bool:
    """Whether a sweep made the directory, not a replication."""
    return results.plan.command == COMMAND


def rows(results: Results) -> list[dict[str, Any]]:
    """For every judged combination its varied `values` and the numbers of its verdict; none where nothing varies."""
    if not is_sweep(results):
        return []
    arguments = {**results.plan.arguments, "vary": tuple(results.plan.arguments["vary"])}
    combinations = Sweep(**arguments).combinations()
    first = next(iter(combinations.values()))
    varied = [name for name in first if len({row[name] for row in combinations.values()}) > 1]
    verdicts = {row["landscape"]: row for row in results.verdicts}
    return [
        {
            "values": {name: row[name] for name in varied},
            **{name: verdicts[title][name] for name in ("outcome", "statistic", "interval", "threshold")},
        }
        for title, row in combinations.items()
        if varied and title in verdicts
    ]
