"""Every example of the gallery runs, asserts, and leaves a picture."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shelf() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs" / "_build"))
    try:
        return importlib.import_module("shelf")
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "docs" / "gallery").glob("*.py")))
def test_an_example_runs(name: str, shelf: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (example,) = (example for example in shelf.EXAMPLES if example.name == name)
    assert "assert " in example.code
    title, text = example.words
    assert title
    assert text
    assert example.run(tmp_path / "drawn").strip(), "it says what it found"
    assert [path for path in (tmp_path / "drawn").iterdir() if path.suffix in shelf.PICTURES]


def test_an_example_that_fails_is_found(shelf: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text('"""Wrong.\n\nText.\n"""\n\nassert 1 > 2\n')
    with pytest.raises(RuntimeError, match="AssertionError"):
        shelf.Example(path).run(tmp_path / "drawn")


def test_what_did_not_change_is_not_run_again(
    shelf: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.py"
    path.write_text(
        '"""Short.\n\nText.\n"""\n\nfrom pathlib import Path\n\nPath("a.svg").write_text("<svg/>")\nprint(1)\n'
    )
    example: Any = shelf.Example(path)
    monkeypatch.setattr(shelf, "EXAMPLES", (example,))
    monkeypatch.setattr(shelf, "DRAWN", tmp_path / "gallery")
    shelf.main()
    assert capsys.readouterr().out.startswith("short: ")
    assert list(shelf.pictures()) == ["gallery/short/a.svg"]
    assert "![Short](short/a.svg)" in shelf.example_page(example)
    shelf.main()
    assert capsys.readouterr().out == ""
    path.write_text(path.read_text() + "print(2)\n")
    shelf.main()
    assert capsys.readouterr().out.startswith("short: ")
