"""Links in Markdown files of the repository, as they are within the site."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""The files at the root of the repository, and their pages."""
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def origin(uri: str) -> Path:
    """The file whose text a page shows, from the page's path below docs."""
    roots = {page: ROOT / name for name, page in PAGES.items() if name != "README.md"}
    return roots.get(uri, ROOT / "docs" / uri)


def led(text: str, source: Path) -> str:
    """The text of a file with its links as they are on its page: those to files at the root lead to their pages."""
    page = ROOT / "docs" / PAGES[source.name] if source.parent == ROOT else source

    def one(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / match[1]))
        if target.parent == ROOT and target.name in PAGES:
            target = ROOT / "docs" / PAGES[target.name]
        return f"]({os.path.relpath(target, page.parent)}{match[2] or ''})"

    return LINK.sub(one, text)
