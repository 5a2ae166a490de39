"""The gallery: examples in docs/gallery, what they drew and printed in build/gallery, and their pages.

`python docs/_build/shelf.py` runs the examples that changed, or the package below them did.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from links import ROOT

DRAWN = ROOT / "build" / "gallery"
PICTURES = (".svg", ".png")
"""Of what kind a picture may be; of one that is there twice the first is shown."""
PRINTED, DIGEST = "printed.txt", "digest.txt"


@dataclass(frozen=True)
class Example:
    """A script that draws a picture and asserts what it shows; its docstring is a title and a text in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """That of the file."""
        return self.path.stem

    @property
    def words(self) -> tuple[str, str]:
        """The title and the text."""
        title, _, text = (ast.get_docstring(ast.parse(self.path.read_text())) or "").partition("\n\n")
        return title.removesuffix("."), text

    @property
    def code(self) -> str:
        """What comes after the docstring."""
        lines = self.path.read_text().splitlines()
        return "\n".join(lines[ast.parse(self.path.read_text()).body[0].end_lineno :]).strip()

    @property
    def folder(self) -> Path:
        """Where its pictures are."""
        return DRAWN / self.name

    def digest(self) -> str:
        """Of the example and of all of the package."""
        found = hashlib.sha256(self.path.read_bytes())
        for path in sorted((ROOT / "src").rglob("*.py")):
            found.update(path.read_bytes())
        return found.hexdigest()

    def run(self, folder: Path) -> str:
        """Run it in an empty folder, where it leaves its pictures; what it prints.

        Raises:
            RuntimeError: it failed.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-W", "error::UserWarning", str(self.path)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{self.path}:\n{done.stderr}")
        return done.stdout


EXAMPLES = tuple(Example(path) for path in sorted((ROOT / "docs" / "gallery").glob("[!_]*.py")))


def drawn(example: Example) -> list[Path]:
    """The pictures that an example left, one of each name."""
    found = {path.stem: path for kind in reversed(PICTURES) for path in sorted(example.folder.glob(f"*{kind}"))}
    return list(found.values())


def turning(example: Example) -> list[Path]:
    """The pages that an example left, with pictures that can be turned."""
    return sorted(example.folder.glob("*.html"))


def pictures() -> dict[str, Path]:
    """The pictures and pages of all examples, by their path below docs."""
    return {
        f"gallery/{example.name}/{path.name}": path
        for example in EXAMPLES
        for path in (*drawn(example), *turning(example))
    }


def index_page() -> str:
    """The page of all pictures."""
    cards = []
    for example in EXAMPLES:
        title, _ = example.words
        seen = [f'<img src="{example.name}/{path.name}" alt="" loading="lazy">' for path in drawn(example)[:1]]
        cards.append(f'<a href="{example.name}/">{"".join(seen)}{title}</a>')
    grid = "\n".join(cards)
    return (
        "# Gallery\n\nEach picture was drawn by the code on its page, in seconds, and the "
        f'code asserts what it shows.\n\n<div class="gallery">\n{grid}\n</div>\n'
    )


def example_page(example: Example) -> str:
    """The page of one example: its words, its pictures, what it printed, and its code."""
    title, text = example.words
    images = [f"![{title}]({example.name}/{path.name})" for path in drawn(example)]
    images += [
        f'[The same, to be turned and looked at closely]({example.name}/{page.name}){{: target="_blank" }}'
        for page in turning(example)
    ]
    note = "*`make gallery` draws the picture.*"
    printed = example.folder / PRINTED
    said = f"```text\n{printed.read_text().strip()}\n```" if printed.exists() and printed.read_text().strip() else ""
    code = f'```python title="docs/gallery/{example.path.name}"\n{example.code}\n```'
    return "\n\n".join([f"# {title}", text, *(images or [note]), said, code]) + "\n"


def main() -> None:
    """Run what changed."""
    for example in EXAMPLES:
        stamp, digest = example.folder / DIGEST, example.digest()
        if stamp.exists() and stamp.read_text() == digest:
            continue
        start = time.perf_counter()
        printed = example.run(example.folder)
        (example.folder / PRINTED).write_text(printed)
        stamp.write_text(digest)
        print(f"{example.name}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
