"""The table of `nwedge count`: its rows are those of the tasks, its numbers theirs."""

import re

import pytest

from nwedge.cli import main
from nwedge.specs.claims import CLAIMS
from nwedge.specs.cost import count, has_data, total
from nwedge.specs.count import Count
from nwedge.specs.replicate import Replicate


def table(lines: list[str]) -> dict[str, list[str]]:
    """The cells of each row by its name."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[1 : lines.index("")]]
    return {name: cells for name, *cells in rows}


def test_the_rows_are_the_training_the_sheets_and_the_claims_and_add_up() -> None:
    rows = table(Count(seeds=2).lines())
    assert list(rows) == ["training", "sheets", *(claim.id for claim in CLAIMS), "all"]
    numbers = {name: [int(cell.replace(",", "")) for cell in cells] for name, cells in rows.items()}
    whole = numbers.pop("all")
    assert whole == [sum(column) for column in zip(*numbers.values(), strict=True)]
    tasks = Replicate(seeds=2).tasks()
    network = total(count(task) for task in tasks if has_data(task.landscape))
    assert whole[:3] == [len(tasks), network.passes, network.search]


def test_what_is_not_asked_for_is_not_counted() -> None:
    some = table(Count(claims=("tunnels",), landscapes=("network",), seeds=2).lines())
    assert list(some) == ["training", "tunnels", "all"]
    assert some["tunnels"][0] == "2"
    assert some["tunnels"][3] == "0"
    quick = table(Count(claims=("tunnels",), landscapes=("network",), seeds=2, quick=True).lines())
    assert quick["training"] == some["training"]
    assert int(quick["tunnels"][1].replace(",", "")) < int(some["tunnels"][1].replace(",", ""))


def test_a_time_for_each_pass_gives_minutes() -> None:
    arguments = {"claims": ("tunnels", "sections"), "landscapes": ("network",), "seeds": 2}
    lines = Count(**arguments, milliseconds_per_example=0.06).lines()
    rows = table(lines)
    passes, search = (int(cell.replace(",", "")) for cell in rows["sections"][1:3])
    assert rows["sections"][4] == f"{passes * 1e-6:,.1f} to {(passes + search) * 1e-6:,.1f}"
    assert rows["tunnels"][4] == f"{int(rows['tunnels'][1].replace(',', '')) * 1e-6:,.1f}"
    assert "CPU minutes" in lines[0]
    assert any("0.06 ms" in line for line in lines)
    assert not any("CPU" in line for line in Count(**arguments).lines())


def test_the_units_are_stated() -> None:
    text = "\n".join(Count(claims=("tunnels",), seeds=2).lines())
    assert "a gradient counts as 3, a Hessian-vector product as 8" in text
    assert "at most" in text


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture) -> None:
    assert main(["count", "--claims", "tunnels", "--seeds", "2", "--milliseconds-per-example", "0.1"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == Count(claims=("tunnels",), seeds=2, milliseconds_per_example=0.1).lines()
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--preset", "imagenet"], "unknown preset 'imagenet'; valid: "),
        (["--milliseconds-per-example", "0"], "--milliseconds-per-example must be positive and finite; got 0"),
        (["--milliseconds-per-example", "inf"], "--milliseconds-per-example must be positive and finite; got inf"),
        (["--milliseconds-per-example", "nan"], "--milliseconds-per-example must be positive and finite; got nan"),
        (["--milliseconds-per-example", "fast"], "expected a number; got 'fast'"),
        (["--seeds", "1"], "--seeds must be at least 2"),
        (["--seeds", "two"], "expected an integer; got 'two'"),
        (["--out", "here"], "unknown flag '--out': `nwedge count` takes --preset, --claims, --landscapes, --seeds"),
        (["--claims", "two-halves", "--landscapes", "control-bowl"], "nothing to do: of two-halves, none is measured"),
    ],
)
def test_bad_arguments_get_one_line(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["count", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert sentence in line
    assert "Error parsing Count" not in line
