"""The README's examples run, its commands exist, and its picture is there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from nwedge.cli import _parse
from nwedge.diagnosis.advice import ONE_PASS
from nwedge.specs.claims import CLAIMS
from nwedge.specs.presets import PRESETS
from nwedge.specs.sweep import Sweep
from nwedge.specs.tasks import ClaimSpec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_landscape_in_ten_lines_passes_and_runs_a_claim(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in BLOCKS if "class Shell" in block)
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("fails - wall on the line")


def test_your_own_network_in_ten_lines_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in BLOCKS if "NetworkLandscape" in block and "tunnel" in block)
    exec(compile(block, "README.md", "exec"), {})
    line, tunnel = map(float, re.findall(r"\d+\.\d+", capsys.readouterr().out))
    assert tunnel < line


def test_a_diagnosis_in_ten_lines_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in BLOCKS if "nwedge.diagnose" in block)
    exec(compile(block, "README.md", "exec"), {})
    one, many, clusters = capsys.readouterr().out.splitlines()
    assert one.split()[0] in ONE_PASS
    assert many
    assert clusters == "[['a'], ['b'], ['c']]"


@pytest.mark.parametrize(
    ("adapter", "packages"), [("KerasLandscape", ("tensorflow", "keras")), ("JaxLandscape", ("jax", "flax"))]
)
def test_your_model_of_another_framework_in_ten_lines_runs(
    adapter: str, packages: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for package in packages:
        pytest.importorskip(package)
    (block,) = (block for block in BLOCKS if adapter in block)
    exec(compile(block, "README.md", "exec"), {})
    tunnel, line = map(float, re.findall(r"\d+\.\d+", capsys.readouterr().out))
    assert tunnel < line / 2


def test_links_to_files_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_table_of_results_names_every_claim_and_landscape() -> None:
    for claim in CLAIMS:
        assert f"`{claim.id}`" in README
    for subject in (subject for members in PRESETS["digits"].subjects.values() for subject in members):
        assert f"`{subject.name}`" in README


def stored(preset: str) -> dict[tuple[str, str], dict]:
    """The verdicts in docs/results, by claim and landscape."""
    rows = json.loads((ROOT / "docs/results" / preset / "verdicts.json").read_text())
    return {(row["claim"], row["landscape"]): row for row in rows}


def told(row: dict) -> str:
    """The statistic and its interval as the tables write them."""
    if row["statistic"] is None:
        return "undefined"
    low, high = row["interval"]
    return f"{row['statistic']:.3g} [{low:.3g}, {high:.3g}]"


def cells(text: str) -> list[list[str]]:
    """The cells of each line of a table that is about a claim."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| `.*\|$", text, re.MULTILINE)
    ]


def test_the_table_of_results_is_that_of_the_stored_verdicts() -> None:
    rows = stored("digits")
    table = {cell[0].strip("`"): cell[1:] for cell in cells(README)}
    assert list(table) == [claim.id for claim in CLAIMS]
    for claim, (*judged, controls) in table.items():
        for name, cell in zip(("toy-complete", "toy-sampled", "network"), judged, strict=True):
            row = rows.pop((claim, name))
            assert cell == f"{row['outcome']}, {told(row)}", (claim, name)
        for name, outcome in re.findall(r"`(.*?)` (\w+)", controls):
            assert outcome == rows.pop((claim, name))["outcome"], (claim, name)
    assert not rows, "every verdict is in the table"


def test_the_table_of_fashion_is_that_of_its_stored_verdicts() -> None:
    rows = stored("fashion")
    table = cells((ROOT / "docs/results/fashion/README.md").read_text())
    assert [cell[0].strip("`") for cell in table] == [claim.id for claim in CLAIMS]
    for claim, *cell in table:
        row = rows[claim.strip("`"), "network"]
        assert cell == [row["outcome"], told(row), f"{row['threshold']:g}"], claim


def test_the_sweep_is_one_that_can_be_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"^nwedge (sweep (?:.*\\\n)*.*)", README, flags=re.MULTILINE)
    (tmp_path / "models.py").write_text("def build(width): ...\ndef data(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    arguments = _parse(shlex.split(command.replace("\\\n", " ")))
    assert isinstance(arguments, Sweep)
    assert len(arguments.combinations()) == 6
    assert len({task.seed for task in arguments.tasks() if isinstance(task, ClaimSpec)}) == 10
