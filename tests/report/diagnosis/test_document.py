import html.parser
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nwedge._files import StoreError
from nwedge.report import words
from nwedge.report.diagnosis import describing, options
from nwedge.report.diagnosis.document import write
from nwedge.report.diagnosis.reading import KEYS, read

CASES = ("one", "two", "five", "fifty", "undefined")
FIGURES = {"options", "barriers", "graph", "ways", "disagreement", "angles"}
DRAWN = {
    "one": {"options"},
    "two": FIGURES,
    "five": FIGURES | {"plane", "statistics"},
    "fifty": FIGURES | {"plane"},
    "undefined": FIGURES | {"plane"},
}
SECTIONS = [
    "recommendation", "options", "warnings", "wedges", "functions", "plane", "checkpoints", "prediction", "guide",
    "settings",
]  # fmt: skip
VOID = {"meta", "br"}


class Page(html.parser.HTMLParser):
    """A page taken apart: tags with their attributes, the text of each section, and every tag that is not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {"": ""}
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(source)
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
        self.text[self._section] += " " if tag in ("td", "th", "li", "p", "summary", "br", "h2", "h3") else ""

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"/{tag}")
        if tag == "section":
            self._section = ""

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.text[self._section] += data

    def says(self, section: str) -> str:
        return " ".join(self.text[section].split())

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]


@pytest.fixture(scope="module")
def pages(directories: dict[str, Path]) -> dict[str, Page]:
    return {name: Page((path / "report.html").read_text(encoding="utf-8")) for name, path in directories.items()}


@pytest.mark.parametrize("case", CASES)
def test_each_page_is_well_formed_and_self_contained(pages, case):
    page = pages[case]
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.wrong == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    links = page.values("href") + page.values("xlink:href")
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "@import" not in page.source
    assert len(page.source) < 5_000_000
    ids = Counter(page.values("id"))
    assert [id for id, count in ids.items() if count > 1] == []
    inner = {link[1:] for link in links if link.startswith("#")} | set(re.findall(r"url\(#([^)]*)\)", page.source))
    assert inner <= set(ids)


@pytest.mark.parametrize("case", CASES)
def test_the_sections_come_in_the_order_in_which_one_asks_and_the_contents_lead_to_them(pages, case):
    assert [section for section in pages[case].text if section] == SECTIONS
    assert [link[1:] for link in pages[case].values("href") if link[1:] in SECTIONS] == SECTIONS


@pytest.mark.parametrize("case", CASES)
def test_what_scrolls_can_be_reached_by_the_keyboard_and_tables_say_what_heads_what(pages, case):
    for tag, attributes in pages[case].tags:
        if attributes.get("class") == "scroll":
            assert (attributes["tabindex"], attributes["role"]) == ("0", "group")
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in ("row", "col", "colgroup")


@pytest.mark.parametrize("case", CASES)
def test_each_figure_is_a_file_and_part_of_the_page_with_a_text_and_a_caption(pages, directories, case):
    names = {f"{name}.{kind}" for name in DRAWN[case] for kind in ("svg", "png")}
    assert {path.name for path in (directories[case] / "figures").iterdir()} == names
    assert not list(directories[case].rglob("*.tmp"))
    svgs = [attributes for tag, attributes in pages[case].tags if tag == "svg"]
    assert len(svgs) == len(DRAWN[case])
    assert all(attributes["role"] == "img" for attributes in svgs)
    found = " ".join(pages[case].source.split())
    assert all(describing.CAPTIONS[name] in found for name in DRAWN[case])


def test_alternative_texts_hold_the_main_numbers(pages, with_statistics):
    texts = {attributes["aria-label"] for tag, attributes in pages["five"].tags if tag == "svg"}
    found = read(with_statistics)
    assert texts == {describing.label(name, found) for name in DRAWN["five"]}
    everything = " ".join(filter(None, texts))
    assert "greedy soup 95.5\xa0% [94.5\xa0%,\xa096.5\xa0%] (recommended)" in everything
    for name, say in (("barriers", words.number), ("angles", words.degrees), ("disagreement", words.percent)):
        pairs = [with_statistics[name][i][j] for i in range(5) for j in range(i)]
        assert f"from {say(min(pairs))} (" in everything
        assert f"to {say(max(pairs))} (" in everything
    assert "straight line 0." in everything
    assert "<b>a</b> & co, b and c: 0." in everything


def test_the_answer_and_the_advice_come_first_with_reasons_and_scores(pages):
    assert "In part: 2 of the 5 can, the greedy soup." in pages["five"].says("")
    text = pages["five"].says("recommendation")
    assert (
        "One pass at inference Take the greedy soup, the average of the weights of 2 of the 5 checkpoints: "
        "<b>a</b> & co and b. Why, on the choosing half: soup <is> best. On the scoring half, greedy soup: accuracy "
        "95.5 % [94.5 %, 96.5 %], loss 0.145 [0.135, 0.155] nats, calibration error (ECE) 0.03 [0.02, 0.04]." in text
    )
    assert (
        "As many passes as checkpoints Average the predictions of all 5 checkpoints, an ensemble. Why, on the choosing "
        "half: ensemble gains 1.50% & more. On the scoring half, ensemble: accuracy 97.0 % [96.0 %, 98.0 %]" in text
    )


def test_every_option_has_its_row(pages, with_statistics):
    text = pages["five"].says("options")
    for name, one in with_statistics["options"].items():
        scores = options.scores(one["scores"])
        members = {1: "<b>a</b> & co", 2: "<b>a</b> & co, b"}.get(len(one["members"]), "all 5")
        numbers = " ".join(" ".join([*scores.values(), str(one["passes"]), members]).split())
        assert numbers in text
        assert f"{options.title(name)} {name}" in text
    assert text.count("★ ") >= 2
    assert "An arrow at the left end" in text


def test_barriers_stand_in_a_table_with_errors_and_low_ones_are_ticked(pages, with_statistics):
    text = pages["five"].says("wedges")
    for i in range(5):
        for j in range(i):
            value, error = with_statistics["barriers"][i][j], with_statistics["barrier_errors"][i][j]
            tick = " ✓" if value <= with_statistics["level"] else ""
            assert text.count(f"{words.number(value)} ± {words.number(error, 2)}{tick}") == 2
            assert words.number(with_statistics["averaged_statistics"][i][j]) in text
    low = sum(attributes.get("class") == "number good" for tag, attributes in pages["five"].tags if tag == "td")
    assert low >= 2 * 4
    assert "The 5 checkpoints lie on 2 wedges: together are 3 (<b>a</b> & co, c and d) and 2 (b and e)." in text
    assert "at most the level, 0.1 nats" in text
    line = words.number(with_statistics["barriers"][0][1])
    assert f"<b>a</b> & co to b: {line} on the straight line, 0.002 on the trained path, which is low" in text
    assert words.number(with_statistics["aligned_barriers"][1]) in text
    assert "not trained" in text


def test_each_checkpoint_alone_prediction_warnings_and_settings(pages):
    page = pages["five"]
    row = (
        "c 2 99.9 % 94.8 % [93.8 %, 95.8 %] 0.152 [0.142, 0.162] 0.03 [0.02, 0.04] 42.0° 40.9 ± 6.2 3.0 ± 0.01 0.0 ± 0"
    )
    assert row in page.says("checkpoints")
    assert "at least 90°" in page.says("checkpoints")
    assert "Predicted 0.25 nats, measured 0.5. The loss is 2 times as high as predicted." in page.says("prediction")
    assert "<i>nothing</i> is aligned" in page.says("warnings")
    assert "seed17" in page.says("settings").replace(" ", "")


def test_names_and_texts_are_escaped(pages):
    source = pages["five"].source
    assert "&lt;b&gt;a&lt;/b&gt; &amp; co" in source
    assert not any(text in source for text in ("<b>a", "<i>nothing", "<is>"))


def test_one_checkpoint_has_neither_pairs_nor_a_second_budget(pages):
    page = pages["one"]
    assert "There is one checkpoint: nothing to average." in page.says("")
    assert "As many passes" not in page.says("recommendation")
    assert "there are no pairs" in page.says("wedges")
    assert "A plane takes three checkpoints; there is one." in page.says("plane")
    assert "no average to predict" in page.says("prediction")


def test_two_checkpoints_have_pairs_and_no_plane(pages):
    assert "each lies on a wedge of its own" in pages["two"].says("wedges")
    assert "there are 2" in pages["two"].says("plane")
    assert "nothing to predict" in pages["two"].says("prediction")
    assert "Average the predictions of both checkpoints" in pages["two"].says("recommendation")


def test_fifty_checkpoints_have_short_labels_full_names_and_folded_lists(pages, fifty):
    page = pages["fifty"]
    assert "lr0.0/seed-00, lr0.1/seed-01" in page.says("recommendation")
    assert "and 20 more" in page.says("recommendation")
    assert all(one["name"] in page.says("checkpoints") for one in fifty["checkpoints"])
    assert "25 of 50" in page.says("options")
    assert "The members of each cluster" in page.says("wedges")


def test_undefined_numbers_say_so(pages):
    page = pages["undefined"]
    assert "accuracy undefined, loss undefined nats" in page.says("recommendation")
    assert "10 of 10 pairs undefined" in page.says("wedges")
    assert "The two cannot be compared" in page.says("prediction")
    assert not re.search(r"\bnan\b|None", " ".join(page.text.values()).replace("None.", ""))


def test_equal_diagnoses_give_equal_bytes(directories, make, tmp_path):
    diagnosis = make(["a", "b"], [[0], [1]])
    (tmp_path / "report.html").write_text("old")
    write(tmp_path, dict(reversed(diagnosis.items())))
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(files) == 1 + 2 * len(FIGURES)
    for path in files:
        assert (tmp_path / path).read_bytes() == (directories["two"] / path).read_bytes(), path


def test_a_directory_that_cannot_be_written_is_told(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"cannot write {tmp_path / 'file'}"):
        write(tmp_path / "file", make(["a"], [[0]]))


@pytest.mark.parametrize("key", KEYS)
def test_what_is_no_diagnosis_is_refused_before_anything_is_written(make, tmp_path, key):
    diagnosis = make(["a"], [[0]])
    del diagnosis[key]
    with pytest.raises(ValueError, match=rf"must be what Diagnosis.to_json\(\) gives; got one without {key}$"):
        write(tmp_path, diagnosis)
    assert not list(tmp_path.iterdir())


def test_the_page_needs_neither_torch_nor_the_diagnosis():
    code = (
        "import sys, nwedge.report.diagnosis.document\n"
        "assert not {'torch', 'nwedge.diagnosis'} & set(sys.modules), 'more was imported than needed'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_guide_tells_the_constants_of_the_diagnosis(pages):
    from nwedge.diagnosis import diagnose, records
    from nwedge.diagnosis import options as measured

    assert (measured.SHEET, records.BINS, records.CONFIDENCE) == (5, 15, 0.95)
    assert (diagnose.WIDTH_LEVEL, diagnose.LEVEL, diagnose.TUNNELS) == (1 / 5, 1 / 20, 3)
    guide = pages["one"].says("guide")
    for text in ("at most five", "15 bins", "a fifth of that of blind guessing", "95 % confidence"):
        assert text in guide
    assert "log(classes) / 20" in pages["one"].says("settings")


def test_figures_of_an_earlier_diagnosis_are_removed_and_those_of_others_stay(tmp_path, make):
    write(tmp_path, make(names=["a", "b"], clusters=[[0, 1]]))
    (tmp_path / "figures" / "own.png").touch()
    write(tmp_path, make(names=["a"], clusters=[[0]]))
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"options.svg", "options.png", "own.png"}
