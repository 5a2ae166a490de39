"""What pairs of checkpoints are to each other, in words and tables: barriers, tunnels, disagreement, angles."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nwedge.report import words
from nwedge.report.diagnosis.reading import LISTED, Found


def matrix(
    found: Found,
    values: Float[np.ndarray, "n n"],
    say: Callable[[float], str] = words.number,
    *,
    errors: Float[np.ndarray, "n n"] | None = None,
    level: float | None = None,
) -> dict[str, Any]:
    """A table of all pairs, cluster by cluster; where there is a level, which are low."""
    rows = []
    for one in found.order:
        cells = []
        for other in found.order:
            text = say(float(values[one, other]))
            if errors is not None and errors[one, other] > 0:
                text += f" ± {words.number(float(errors[one, other]), 2)}"
            low = level is not None and one != other and bool(values[one, other] <= level)
            cells.append({"text": "" if one == other else text, "low": low})
        rows.append({"label": found.labels[one], "cells": cells})
    return {"labels": [found.labels[place] for place in found.order], "rows": rows}


def together(found: Found) -> str:
    """Which checkpoints lie on the same wedge, in one sentence."""
    large = [members for members in found.clusters if len(members) > 1]
    alone = [found.labels[members[0]] for members in found.clusters if len(members) == 1]
    if not large:
        return f"No low line connects any two of the {found.count} checkpoints: each lies on a wedge of its own."
    if not alone and len(large) == 1:
        return f"Low lines connect {found.every} checkpoints: they lie on one wedge."
    parts = [f"{len(members)} ({found.named(members)})" for members in large[:LISTED]]
    parts += [f"{len(large) - LISTED} more clusters"] if len(large) > LISTED else []
    rest = f"; {words.count(len(alone), 'other')} alone" if alone else ""
    return (
        f"The {found.count} checkpoints lie on {len(found.clusters)} wedges: together are {words.listed(parts)}{rest}."
    )


def clusters(found: Found) -> list[str]:
    """The members of each cluster of several checkpoints."""
    return [", ".join(found.labels[place] for place in members) for members in found.clusters if len(members) > 1]


def extremes(found: Found, values: Float[np.ndarray, "n n"], say: Callable[[float], str] = words.number) -> str:
    """The least and the greatest of the pairs, and how many are undefined."""
    pairs = list(itertools.combinations(range(found.count), 2))
    known = [(float(values[i, j]), i, j) for i, j in pairs if np.isfinite(values[i, j])]
    missing = len(pairs) - len(known)
    undefined = [f"{missing} of {words.count(len(pairs), 'pair')} undefined"] if missing else []
    ends = [f"{say(value)} ({_pair(found, places)})" for value, *places in (min(known), max(known))] if known else []
    told = [f"from {ends[0]} to {ends[1]}" if len(known) > 1 else ends[0]] if known else []
    return "; ".join([*told, *undefined])


def ways(found: Found) -> dict[str, np.ndarray]:
    """The barriers from the best checkpoint to the others, by the way that one takes; NaN where it is not known."""
    others = found.others
    ways = {LINE: found.barriers[found.best, others]}
    if found.aligned is not None:
        ways[AFTER] = found.aligned[others]
    if found.statistics is not None:
        ways[AVERAGED] = found.statistics[found.best, others]
    trained = {other: barrier for best, other, _, barrier in found.tunnels if best == found.best}
    if trained:
        ways[TRAINED] = np.array([trained.get(other, np.nan) for other in others])
    return ways


LINE, AFTER, AVERAGED, TRAINED = "straight line", "after alignment", "averaged statistics", "trained path"
"""The ways from one checkpoint to another."""


def table(found: Found) -> dict[str, Any]:
    """The barriers from the best checkpoint, a row for each other one and a column for each way."""
    columns = ways(found)

    def cell(way: str, value: float) -> dict[str, Any]:
        absent = way == TRAINED and np.isnan(value)
        return {"text": "not trained" if absent else words.number(value), "low": bool(value <= found.level)}

    rows = [
        {"label": found.labels[other], "cells": [cell(way, float(values[row])) for way, values in columns.items()]}
        for row, other in enumerate(found.others)
    ]
    return {"columns": list(columns), "rows": rows}


def alignment(found: Found) -> str:
    """What the order of the hidden units explains, in one sentence."""
    if found.aligned is None:
        return (
            "Nothing was aligned (see the warnings), so that two checkpoints may be walled off only because their "
            "hidden units are numbered differently."
        )
    before, after = (int((ways(found)[way] <= found.level).sum()) for way in (LINE, AFTER))
    return (
        f"Of {words.count(len(found.others), 'line')} to the best checkpoint ({found.labels[found.best]}) {before} "
        f"{'is' if before == 1 else 'are'} low as the checkpoints stand, and {after} once the hidden units of the "
        "others are in the closest order. Where a wall vanishes, two checkpoints differ mostly by the numbering of "
        "their units; where it stays, they are different solutions, or the search for the order stopped too early."
    )


def trained(found: Found) -> list[str]:
    """What each trained path says, one sentence each."""
    sentences = []
    for one, other, line, barrier in found.tunnels:
        what = "which is low: a tunnel leads around the wall" if barrier <= found.level else "which is not low"
        if np.isnan(barrier):
            what = "where the loss is not finite everywhere"
        sentences.append(
            f"{found.labels[one]} to {found.labels[other]}: {words.number(line)} on the straight line, "
            f"{words.number(barrier)} on the trained path, {what}."
        )
    return sentences


def _pair(found: Found, places: Sequence[int]) -> str:
    return " and ".join(found.labels[place] for place in places)
