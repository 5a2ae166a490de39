import html.parser
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nwedge._files import StoreError, read_json, write_json
from nwedge.plan import FIT, VERDICTS, Plan
from nwedge.report import words
from nwedge.report.document import write
from nwedge.report.figures import DRAWINGS
from nwedge.report.figures import fit as fitted
from nwedge.specs.claims import CLAIMS
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec, SheetSpec
from nwedge.store import Result, Store

ASKED = ("no-obstacles", "tunnels", "two-halves")
"""The claims of the stored replication."""
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
        if not self._open or self._open[-1] not in ("style", "script"):
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
    assert len(figures) == len(ASKED)
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
            assert part["reason" if part["statistic"] is not None else "sentence"] in table
            assert part["reason"] in page.says("provenance")
    cells = [(attributes.get("class") or "").split(" ")[0] for tag, attributes in page.tags if tag in ("td", "li")]
    tones, outcomes = Counter(cells), Counter(words.expected(row["landscape"], row["outcome"]) for row in rows)
    assert (tones["good"], tones["bad"], tones["open"]) == (outcomes[True], outcomes[False], outcomes[None])
    shown = [row for row in rows if row["statistic"] == 0.9 and words.kind(row["landscape"]) != "control"]
    assert table.count("0.9 [0.85, 0.95] 3 seeds") == len(shown) > 0


def test_controls_are_gathered_and_ticked_where_they_fail(page, rows):
    controls = [row for row in rows if row["landscape"].startswith("control")]
    ticked = [f"✓ {words.PLAIN[row['landscape']]}: fails 0.123 [0.02, 0.2]" for row in controls]
    assert len(ticked) == 4
    assert all(page.says("verdicts").count(text) == ticked.count(text) for text in ticked)


def test_every_claim_has_a_row_with_what_was_published_and_why_a_cell_is_empty(page):
    table = page.says("verdicts")
    for claim in CLAIMS:
        assert f"{claim.id} {claim.text}" in table
        assert claim.anchor in table
    absent = [claim for claim in CLAIMS if claim.id not in ASKED]
    empty = sum(3 + len(claim.controls) for claim in absent)
    assert table.count("not planned in this run") == empty
    assert [f"#{id}" for id in ASKED] == [link for link in page.values("href") if link[1:] in ASKED]
    assert all(f"The parts of {id}" in table for id in ASKED)


def test_the_guide_comes_first(page):
    sections = [section for section in page.text if section]
    assert sections[:2] == ["guide", "verdicts"]
    for word in ("interval", "seed", "part", "control", "barrier", "random section"):
        assert word in page.says("guide")


def test_without_its_claims_the_fit_says_what_is_missing(page):
    assert "Not part of this run: sections, radial-wells, short-directions." in page.says("fit")


def test_an_undefined_statistic_says_so(page):
    assert "? inconclusive undefined 3 seeds" in page.says("verdicts")


def test_each_claim_has_its_text_anchor_caption_and_caveats(page):
    for id in ASKED:
        claim = find_claim(id)
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
    names = {f"{claim}.{kind}" for claim in ASKED for kind in ("svg", "png")}
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
        StoreError, match=r"^.* holds no verdicts \(no verdicts.json\): run its command again to finish$"
    ):
        write(replication)
    assert not (replication / "report.html").exists()


def test_a_directory_that_is_no_replication_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no results"):
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
    Plan("replicate", plan.arguments, (task,)).write(replication)
    Store(replication).write(task, Result(xr.Dataset({"width": ("run", [1.0, 3.0])})), {})
    row = {"claim": "later", "landscape": task.landscape.name, "outcome": "holds", "statistic": 2.0, "interval": None}
    write_json(replication / VERDICTS, [row])
    page = Page(write(replication))
    assert "✓ holds 2 number of seeds unknown" in page.says("verdicts")
    assert (
        page.says("verdicts").count("not planned in this run") == sum(3 + len(claim.controls) for claim in CLAIMS) + 2
    )
    assert "This claim has no figure" in page.says("later")
    assert "2 (1 to 3)" in page.says("later")
    assert page.wrong == []


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A replication without any result, so without the figures that take long."""
    Plan.of(Replicate(claims=("m-tunnels",), seeds=2)).write(tmp_path)
    write_json(tmp_path / VERDICTS, [])
    return tmp_path


def test_a_fit_has_its_figure_its_sentences_and_its_tables(bare):
    one = {"mean": 15.0, "interval": [14.0, 16.0], "values": [14.0, 16.0]}
    estimates = [
        {"experiment": name, "threshold": threshold, "s": one, "scale": one, "product": one}
        for name, threshold in (("d_lim", None), ("probes", None), ("m-growth", 0.03))
    ]
    growth = [{"threshold": 0.03, "m": [1, 2], "count": [one, one], "fitted": [one, one], "residual": one}]
    ratios = [{"of": "probes", "to": "d_lim", "ratio": 1.5, "interval": [1.2, 1.8]}]
    landscape = {"dim": 300, "true_s": 15, "seeds": [0, 1], "estimates": estimates, "growth": growth, "ratios": ratios}
    landscapes = {"toy-sampled": landscape | {"sentence": "The three <agree>."}}
    write_json(bare / FIT, {"confidence": 0.95, "agree": 0.1, "landscapes": landscapes})
    page = Page(write(bare))
    text = page.says("fit")
    assert "Toy: sampled wedges: The three <agree>." in text
    assert "D = 300, true s = 15, 2 seeds" in text
    assert "m-growth, curvature above 0.03 15 [14, 16] 15 [14, 16] 15 [14, 16] 15 [14, 16]" in text
    assert "Ratios of s: probes / d_lim 1.5 [1.2, 1.8]." in text
    assert fitted.CAPTION in text
    assert (bare / "figures/fit.png").read_bytes().startswith(b"\x89PNG")
    assert page.wrong == []


@pytest.mark.parametrize("content", ["[]", '{"landscapes": []}', "nonsense"])
def test_a_fit_that_is_none_is_refused(bare, content):
    (bare / FIT).write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        write(bare)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a replication whose sheets over three optima are there, the first seed's of the bowl without one."""
    directory = tmp_path_factory.mktemp("turned")
    plan = Plan.of(Replicate(claims=("m-tunnels",), seeds=2))
    plan.write(directory)
    rng = np.random.default_rng(0)
    for task in plan.tasks:
        if isinstance(task, SheetSpec) and task.m == 3:
            weights = {"optima": rng.normal(size=(3, 20)), "vertices": rng.normal(size=(7, 20))}
            if task.landscape.name == "network" and task.seed == 0:
                del weights["vertices"]
            Store(directory).write(task, Result(xr.Dataset({"pooled": False}), weights), {})
    write_json(directory / VERDICTS, [])
    return Page(write(directory))


def test_the_sheets_over_three_optima_can_be_turned_and_stand_still_without_a_script(turned):
    surfaces = [attributes for tag, attributes in turned.tags if tag == "svg"]
    assert [(one["aria-label"] or "").split(":")[0] for one in surfaces] == ["Toy", "Toy", "Network"]
    assert all(one["class"] == "surface" for one in surfaces)
    assert [attributes for tag, attributes in turned.tags if tag == "script"] == [{}]
    assert "greatest height" in turned.says("m-tunnels")
    hint = next(attributes for tag, attributes in turned.tags if attributes.get("class") == "turns")
    assert "hidden" in hint
    assert turned.wrong == []


def test_the_script_is_small_and_asks_for_nothing_from_elsewhere(turned):
    script = turned.source[turned.source.index("<script>") :]
    assert len(script) < 4_000
    assert not re.search(r"https?:|import|fetch|eval|innerHTML", script)


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
