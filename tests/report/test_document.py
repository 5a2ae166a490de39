import html.parser
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import xarray as xr

from nwedge._files import StoreError, read_json, write_json
from nwedge.plan import VERDICTS, Plan
from nwedge.report import words
from nwedge.report.document import write
from nwedge.report.figures import DRAWINGS
from nwedge.specs.claims import CLAIMS
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.tasks import ClaimSpec
from nwedge.store import Result, Store

BLOCKS = {"p", "li", "td", "th", "dt", "dd", "h1", "h2", "h3", "tr", "summary", "figcaption"}
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Page(html.parser.HTMLParser):
    """A page taken apart: tags with their attributes, the text of each section, and every tag that is not closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {"": ""}
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.text[self._section] = ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"/{tag}")
        if tag in BLOCKS:
            self.text[self._section] += " "
        if tag == "section":
            self._section = ""

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.text[self._section] += data

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]

    def says(self, section: str) -> str:
        return " ".join(self.text[section].split())


@pytest.fixture(scope="module")
def drawn(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replication with its report; not to be changed."""
    directory = shutil.copytree(stored, tmp_path_factory.mktemp("drawn") / "replication")
    assert write(directory) == directory / "report.html"
    return directory


@pytest.fixture(scope="module")
def page(drawn: Path) -> Page:
    return Page(drawn / "report.html")


def test_the_page_is_well_formed(page):
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.wrong == []


def test_the_page_is_self_contained_and_small(page):
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert page.values("src") == []
    links = page.values("href") + page.values("xlink:href")
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert all(name.startswith("#") for name in re.findall(r"url\(([^)]*)\)", page.source))
    assert "@import" not in page.source
    assert len(page.source) < 5_000_000


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    ids = Counter(page.values("id"))
    assert [id for id, count in ids.items() if count > 1] == []
    inner = [link[1:] for link in page.values("href") + page.values("xlink:href") if link.startswith("#")]
    inner += re.findall(r"url\(#([^)]*)\)", page.source)
    assert set(inner) <= set(ids)


def test_figures_are_described_for_those_who_cannot_see_them(page):
    figures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(figures) == len(DRAWINGS)
    for figure in figures:
        assert figure["role"] == "img"
        assert "network" in (figure["aria-label"] or "")


def test_every_verdict_appears_with_its_outcome_numbers_and_sentence(page, rows):
    table = page.says("verdicts")
    anchors = page.values("id")
    for row in rows:
        assert f"{row['claim']}--{row['landscape']}" in anchors
        section = page.says(row["claim"])
        head = f"{words.title(row['landscape'])}: {words.SYMBOLS[row['outcome']]} "
        assert f"{head}{words.outcome(row['landscape'], row['outcome'])}. {row['sentence']}" in section
        for part in row["parts"]:
            assert part["part"] in table
            assert part["sentence"] in table
            assert part["reason"] in page.says("provenance")
    cells = [attributes for tag, attributes in page.tags if tag == "td" and "data-label" in attributes]
    tones = Counter((cell.get("class") or "").split(" ")[0] for cell in cells)
    outcomes = Counter(words.expected(row["landscape"], row["outcome"]) for row in rows)
    assert (tones["good"], tones["bad"], tones["open"]) == (outcomes[True], outcomes[False], outcomes[None])
    assert table.count("0.9 [0.85, 0.95] 3 seeds") == sum(row["statistic"] == 0.9 for row in rows)


def test_controls_are_expected_to_fail(page, rows):
    controls = [row for row in rows if row["landscape"].startswith("control")]
    assert page.says("verdicts").count("✗ fails, as it must") == len(controls) > 0


def test_an_undefined_statistic_says_so(page):
    assert "? inconclusive undefined 3 seeds" in page.says("verdicts")


def test_each_claim_has_its_text_anchor_caption_and_caveats(page):
    for claim in CLAIMS:
        section = page.says(claim.id)
        assert claim.text in section
        assert claim.anchor in section
        assert DRAWINGS[claim.id].CAPTION in section
        assert DRAWINGS[claim.id].CAVEATS in section


def test_undefined_values_are_counted(page):
    assert "control-isolated: 96 of 96 values of changed are undefined (NaN)." in page.says("two-halves")
    assert "No stored value is undefined (NaN) or infinite." in page.says("no-obstacles")


def test_the_provenance_holds_command_versions_times_and_all_tasks(page, stored):
    text = page.says("provenance")
    plan = Plan.read(stored)
    for words_ in ("nwedge replicate --preset digits", "torch 2.13.0", "device cpu", "threads 2", "commit unknown"):
        assert words_ in text
    assert all(task.id in text for task in plan.tasks)
    tunnels = sum(task.folder == "tunnels" for task in plan.tasks)
    assert f"wall time, sum over the tasks {words.duration(1.5 * len(plan.tasks))}" in text
    assert f"wall time of tunnels {1.5 * tunnels:.1f} s in {tunnels} tasks" in text
    assert "seeds 0, 1, 2" in text


def test_a_complete_run_raises_no_alarm(page):
    assert "alert" not in page.values("class")


def test_figures_are_files_and_a_second_report_is_the_same_bytes(drawn, tmp_path):
    names = {f"{claim}.{kind}" for claim in DRAWINGS for kind in ("svg", "png")}
    assert {path.name for path in (drawn / "figures").iterdir()} == names
    assert not list(drawn.rglob("*.tmp"))
    again = shutil.copytree(drawn, tmp_path / "again")
    for path in ["report.html", *(f"figures/{name}" for name in names)]:
        (again / path).write_text("old")
    write(again)
    for path in ["report.html", *(f"figures/{name}" for name in names)]:
        assert (again / path).read_bytes() == (drawn / path).read_bytes(), path
    assert (drawn / "figures/tunnels.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_without_verdicts_is_refused_in_one_sentence(replication):
    (replication / VERDICTS).unlink()
    with pytest.raises(
        StoreError, match=r"^.* holds no verdicts \(no verdicts.json\): finish `nwedge replicate --out .*`$"
    ):
        write(replication)
    assert not (replication / "report.html").exists()


def test_a_directory_that_is_no_replication_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no replication"):
        write(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"claim": "tunnels"}]', "nonsense"])
def test_verdicts_that_are_none_are_refused(replication, content):
    (replication / VERDICTS).write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        write(replication)


def test_what_is_missing_failed_or_damaged_is_said_and_the_rest_is_shown(replication):
    store = Store(replication)
    tasks = [task for task in Plan.read(replication).tasks if isinstance(task, ClaimSpec)]
    halves = [task for task in tasks if task.claim == "two-halves"]
    for task in halves:
        store.remove(task)
    write_json(replication / "failures" / f"{halves[0].id}.json", {"error": "ValueError: <no> way"})
    damaged = next(task for task in tasks if task.claim == "tunnels")
    store.path(damaged).write_bytes(b"nonsense")
    write_json(replication / VERDICTS, [row for row in read_json(replication / VERDICTS) if row["claim"] == "tunnels"])
    page = Page(write(replication))
    assert f"{len(halves)} have no result (1 of them failed), and 1 stored results cannot be read" in page.says("")
    assert f"No result is stored for this claim: {len(halves)} measurements are planned" in page.says("two-halves")
    assert "planned measurements are done" in page.says("tunnels")
    assert "failed: ValueError: <no> way" in page.says("provenance")
    assert "is damaged" in page.says("provenance")
    assert page.wrong == []
    assert not (replication / "figures/two-halves.svg").exists()


def test_a_run_without_any_verdict_still_has_a_page(replication):
    write_json(replication / VERDICTS, [])
    assert "No claim has been judged yet." in Page(_without_results(replication)).says("verdicts")


def test_a_later_claim_without_a_figure_has_its_tables(replication):
    plan = Plan.read(replication)
    task = ClaimSpec(claim="later", landscape=plan.tasks[0].landscape, seed=0, config=NoObstaclesConfig(), reads=())
    Plan(plan.arguments, (task,)).write(replication)
    Store(replication).write(task, Result(xr.Dataset({"width": ("run", [1.0, 3.0])})), {})
    row = {"claim": "later", "landscape": task.landscape.name, "outcome": "holds", "statistic": 2.0, "interval": None}
    write_json(replication / VERDICTS, [row])
    page = Page(write(replication))
    assert "✓ holds 2 number of seeds unknown" in page.says("verdicts")
    assert "Not part of this run: no-obstacles, tunnels, two-halves" in page.says("verdicts")
    assert "This claim has no figure" in page.says("later")
    assert "2 (1 to 3)" in page.says("later")
    assert page.wrong == []


def test_the_report_needs_no_torch():
    code = "import sys, nwedge.report.document; assert 'torch' not in sys.modules, 'torch was imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _without_results(directory: Path) -> Path:
    """The report of a directory whose results are gone."""
    shutil.rmtree(directory / "results")
    plan = json.loads((directory / "plan.json").read_text())
    (directory / "plan.json").write_text(json.dumps(plan | {"tasks": []}))
    return write(directory)
