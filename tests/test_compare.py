"""Two replications side by side: what agrees, what differs, and what only one of them has."""

import json
from pathlib import Path
from typing import Any

import pytest

from nwedge._files import StoreError
from nwedge.cli import main
from nwedge.compare import compare


def part(name: str, statistic: float | None, interval: list[float] | None) -> dict[str, Any]:
    return {"part": name, "statistic": statistic, "interval": interval, "outcome": "holds"}


def row(*parts: dict[str, Any], claim: str = "tunnels", outcome: str = "holds") -> dict[str, Any]:
    return {"claim": claim, "landscape": "toy", "outcome": outcome, "parts": list(parts)}


DAMAGED = (
    {"claim": "tunnels"},
    row(part("wall", 0.5, [1.0])),
    row({"part": "wall", "statistic": 0.5, "interval": ["low", "high"]}),
    row({"part": "wall", "statistic": [1], "interval": None}),
)


@pytest.fixture
def write(tmp_path: Path):
    def made(name: str, *rows: dict[str, Any]) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdicts.json").write_text(json.dumps(rows))
        return tmp_path / name

    return made


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ((0.5, [0.4, 0.6]), (0.58, [0.45, 0.7]), True),
        ((0.5, [0.4, 0.6]), (0.65, [0.45, 0.8]), False),  # the second is outside the first's interval alone
        ((0.65, [0.45, 0.8]), (0.5, [0.4, 0.6]), False),
        ((1.0, [1.0, 1.0]), (1.0 + 1e-8, [1.0 + 1e-8, 1.0 + 1e-8]), True),
        ((1.0, [1.0, 1.0]), (1.0 + 1e-4, [1.0 + 1e-4, 1.0 + 1e-4]), False),
        ((None, None), (None, None), True),
        ((None, None), (0.5, [0.4, 0.6]), False),
        ((0.1, None), (0.5, [0.4, 0.6]), False),
        ((0.5, None), (0.9, None), True),  # a single seed contradicts nothing
    ],
)
def test_statistics_lie_in_each_others_intervals(write, one, other, agree: bool) -> None:
    found = compare(write("a", row(part("wall", *one))), write("b", row(part("wall", *other))))
    assert (found.rows, found.parts) == (1, 1)
    assert (not found.differences) == agree
    if not agree:
        assert "tunnels on toy, wall" in found.differences[0]


def test_outcomes_and_parts_that_differ_are_named(write) -> None:
    wall, tunnel = part("wall", 0.5, [0.4, 0.6]), part("tunnel", 0.9, [0.8, 1.0])
    found = compare(write("a", row(wall, tunnel)), write("b", row(wall, outcome="fails")))
    assert found.differences == [
        "tunnels on toy: holds in the first, fails in the second",
        "tunnels on toy, tunnel: in the first alone",
    ]


def test_verdicts_of_one_alone_are_told_and_are_no_difference(write, capsys) -> None:
    wall = part("wall", 0.5, [0.4, 0.6])
    others = [row(wall, claim=f"sections-{number}") for number in range(5)]
    a, b = write("a", row(wall), *others), write("b", row(wall))
    assert main(["compare", str(a), str(b)]) == 0
    told, summary = capsys.readouterr().out.splitlines()
    assert told.endswith("sections-0 on toy, sections-1 on toy, sections-2 on toy and 2 more")
    assert summary.startswith("no difference in 1 verdicts with 1 parts")
    assert main(["compare", str(b), str(write("c", row(wall, outcome="fails")))]) == 1


def test_directories_that_cannot_be_compared(write, tmp_path: Path, capsys) -> None:
    a = write("a", row(part("wall", 0.5, [0.4, 0.6])))
    (tmp_path / "empty").mkdir()
    for other, words in (
        *((write(f"damaged-{index}", one), "is damaged") for index, one in enumerate(DAMAGED)),
        (tmp_path / "missing", "there is no directory"),
        (tmp_path / "empty", "has no verdicts.json"),
        (write("other", row(claim="sections")), "no claim on the same landscape in common"),
    ):
        with pytest.raises(StoreError, match=words):
            compare(a, other)
        assert main(["compare", str(a), str(other)]) == 2
        assert words in capsys.readouterr().err
