"""The site builds strictly, wants nothing of other hosts, and leaves out no command, public name or claim."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

import nwedge
from nwedge import geometry
from nwedge.cli import main
from nwedge.specs.claims import CLAIMS

pytest.importorskip("mkdocs", reason="the extra docs is not installed: pip install 'nwedge[docs]'")
ROOT = Path(__file__).parents[2]


def build(checkout: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(checkout / "src")}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is made of, and nothing that was built."""
    folder = tmp_path_factory.mktemp("checkout")
    for tree in ("docs", "src"):
        shutil.copytree(ROOT / tree, folder / tree, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "mkdocs.yml", *ROOT.glob("*.md")):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(checkout, folder)
    assert done.returncode == 0, done.stderr
    return folder


def words(page: Path) -> str:
    """The text of a page, without marks."""
    return unescape(re.sub(r"<[^>]*>", "", page.read_text()))


def test_nothing_is_asked_of_other_hosts(site: Path) -> None:
    asked = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    pages = [page for page in site.rglob("*.html") if page.parent.parent != site / "results"]
    assert len(pages) > 30
    assert {found for page in pages for found in asked.findall(page.read_text()) if "canonical" not in found} == set()
    styles = [sheet.read_text() for sheet in site.rglob("*.css")]
    assert not any(re.search(r"url\([\"']?(?:https?:)?//", sheet) for sheet in styles)


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    anchors = {
        name for page in (site / "reference").rglob("*.html") for name in re.findall(r'id="([^"]+)"', page.read_text())
    }
    public = {f"nwedge.{name}" for name in nwedge.__all__ if name != "geometry"}
    public |= {f"nwedge.geometry.{name}" for name in geometry.__all__}
    assert public - anchors == set()


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The commands that the help of a command lists, one in a line behind a bullet."""
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return re.findall(r"• ([\w-]+)", capsys.readouterr().out)


def test_every_command_is_there_with_its_help(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = words(site / "command-line" / "index.html")
    commands = [[command] for command in listed(capsys)]
    assert len(commands) >= 8
    for command in [*commands, *([*above, below] for above in commands for below in listed(capsys, *above))]:
        assert f"usage: nwedge {' '.join(command)} " in page
    assert "--gpus-per-task" in page, "flags are there, too"


def test_every_claim_is_there_with_its_verdicts(site: Path) -> None:
    page = words(site / "claims" / "index.html")
    for claim in CLAIMS:
        assert claim.text[1:] in page
    assert "holds, 0.998 [0.995, 1]" in page
    assert "inconclusive, 0.0902 [-0.0211, 0.202]" in page


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#no-such-part"])
def test_a_broken_link_breaks_the_build(link: str, checkout: Path, tmp_path: Path) -> None:
    page = checkout / "docs" / "how-to" / "width.md"
    whole = page.read_text()
    page.write_text(f"{whole}\n[broken](../{link})\n")
    try:
        done = build(checkout, tmp_path)
    finally:
        page.write_text(whole)
    assert done.returncode != 0
    assert link in done.stderr
