"""Whether two replications agree: in each outcome, and each statistic with the other's interval. Light."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwedge._files import StoreError, read_json, there
from nwedge.plan import VERDICTS

ROUNDING = 1e-6
"""Statistics outside an interval by less than this, relative to them or to 1, are inside: equal values have a point."""

NAMED = 3
"""Verdicts that one of the two has alone, which are named; of more, the number is given."""
Part = tuple[float | None, tuple[float, float] | None]
"""A statistic and its interval; None where undefined."""
Rows = Mapping[tuple[str, str], "Row"]
"""Verdicts by claim and landscape."""


@dataclass(frozen=True)
class Row:
    """A verdict: its outcome, and its parts by name."""

    outcome: str
    parts: Mapping[str, Part]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Row":
        """The verdict as verdicts.json holds it (KeyError, TypeError or ValueError if it does not)."""
        return cls(row["outcome"], {part["part"]: _part(part["statistic"], part["interval"]) for part in row["parts"]})


@dataclass(frozen=True)
class Comparison:
    """What two replications have in common.

    Attributes:
        rows: verdicts, and `parts` of verdicts, that both have.
        parts: see `rows`.
        others: verdicts that one of them has alone, in words.
        differences: a line for each outcome, and each statistic of a part, that differs.
    """

    rows: int
    parts: int
    others: Sequence[str]
    differences: Sequence[str]

    def lines(self) -> list[str]:
        """The comparison in words."""
        lines = [*self.differences]
        if self.others:
            more = f" and {len(self.others) - NAMED} more" if len(self.others) > NAMED else ""
            lines.append(f"not compared, since one of them has it alone: {', '.join(self.others[:NAMED])}{more}")
        found = f"{len(self.differences)} differences" if self.differences else "no difference"
        rule = "the same outcome, and every part's statistic in the other's interval"
        return [*lines, f"{found} in {self.rows} verdicts with {self.parts} parts ({rule})"]


def compare(directory: Path, other: Path) -> Comparison:
    """Compare the verdicts of two directories.

    Raises:
        StoreError: a directory without a readable verdicts.json, or two without a verdict in common.
    """
    ours, theirs = _read(directory), _read(other)
    common = [key for key in ours if key in theirs]
    if not common:
        raise StoreError(f"{directory} and {other} have no claim on the same landscape in common")
    differences: list[str] = []
    parts = 0
    for key in common:
        differences += _differences(" on ".join(key), ours[key], theirs[key])
        parts += len(ours[key].parts)
    alone = [" on ".join(key) for key in [*ours, *theirs] if (key in ours) != (key in theirs)]
    return Comparison(len(common), parts, alone, differences)


def _read(directory: Path) -> Rows:
    if not there(directory):
        raise StoreError(f"there is no directory {directory}")
    path = directory / VERDICTS
    if not there(path):
        raise StoreError(f"{directory} has no {VERDICTS}: it is there once a replication has ended")
    try:
        return {(row["claim"], row["landscape"]): Row.of(row) for row in read_json(path)}
    except (KeyError, TypeError, ValueError) as error:
        what = f"{path} is damaged or of another version"
        raise StoreError(f"{what}: make it anew with `nwedge replicate --out {directory}`") from error


def _part(statistic: Any, interval: Any) -> Part:
    """A statistic and an interval, each a number or a pair of numbers, or None (TypeError, ValueError if not)."""
    if interval is not None:
        low, high = interval
        interval = float(low), float(high)
    return None if statistic is None else float(statistic), interval


def _differences(name: str, row: Row, other: Row) -> Iterator[str]:
    if row.outcome != other.outcome:
        yield f"{name}: {row.outcome} in the first, {other.outcome} in the second"
    for part in dict.fromkeys([*row.parts, *other.parts]):
        if part not in row.parts or part not in other.parts:
            yield f"{name}, {part}: in the {'first' if part in row.parts else 'second'} alone"
        elif not _agree(row.parts[part], other.parts[part]):
            yield f"{name}, {part}: {_words(row.parts[part])} in the first, {_words(other.parts[part])} in the second"


def _agree(part: Part, other: Part) -> bool:
    """Whether each statistic is in the other's interval; an undefined one agrees with an undefined one alone."""
    if part[0] is None or other[0] is None:
        return part[0] is other[0]
    return _inside(part[0], other[1]) and _inside(other[0], part[1])


def _inside(statistic: float, interval: tuple[float, float] | None) -> bool:
    """A single seed has no interval, and contradicts nothing."""
    low, high = interval or (-math.inf, math.inf)
    slack = ROUNDING * max(1.0, abs(statistic))
    return low - slack <= statistic <= high + slack


def _words(part: Part) -> str:
    statistic, interval = part
    if statistic is None:
        return "undefined"
    return f"{statistic:.3g} [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else f"{statistic:.3g}"
