"""What the pages tell readers to type works."""

import shlex
from pathlib import Path

import pytest
from tests.docs.blocks import blocks, execute

from nwedge.cli import _parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "how-to").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    execute(page.read_text(), tmp_path, ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_are_only_shown_are_commands(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.py").write_text("def build(width=1): ...\ndef data(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    for block in (block for block in blocks(page.read_text()) if "shown" in block.classes):
        for line in block.text.replace("\\\n", " ").splitlines():
            program, *arguments = shlex.split(line)
            assert program == "nwedge"
            _parse(arguments)


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        execute("```python\n1 / 0\n```\n", tmp_path, ROOT)
    with pytest.raises(AssertionError, match="exit 3"):
        execute("```sh\nexit 3\n```\n", tmp_path, ROOT)


def test_blocks_are_found_whatever_stands_behind_their_language() -> None:
    fences = ('python title="a.py"', "{ .sh .shown }", "python {.needs-jax}", "text")
    text = "\n".join(f"```{fence}\n{number}\n```\n" for number, fence in enumerate(fences, 1))
    found = [(block.language, block.classes, block.title, block.text) for block in blocks(text)]
    assert found == [
        ("python", (), "a.py", "1\n"),
        ("sh", ("shown",), None, "2\n"),
        ("python", ("needs-jax",), None, "3\n"),
    ]
    assert sum(page.read_text().count("\n```\n") for page in PAGES) == sum(
        len(blocks(page.read_text())) for page in PAGES
    ), "every fence of these pages is one that is run or shown"
