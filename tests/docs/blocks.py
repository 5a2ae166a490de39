"""Fenced blocks of a page, executed as a reader would: files are written, commands and code run in one folder."""

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\S[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its classes (.shown is not run), the file that it is, and its text."""

    language: str
    classes: tuple[str, ...]
    title: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of python and sh of a page in Markdown, which begin as ```sh, ```{ .sh .shown } or with a title."""
    return [block for block in (_block(*found) for found in FENCE.findall(page)) if block.language in ("python", "sh")]


def _block(opening: str, text: str) -> Block:
    title = TITLE.search(opening)
    language, *classes = re.findall(r"[\w-]+", TITLE.sub("", opening))
    return Block(language, tuple(classes), title and title[1], text)


def execute(page: str, folder: Path, root: Path) -> None:
    """Run all blocks of a page in order, in one namespace and an empty folder, which is the working directory.

    A block with a title is written to a file of that name. One of sh is run by bash, with `nwedge` of this checkout.
    One that is only shown, or needs a package that is not there, is left.
    """
    namespace: dict[str, Any] = {}
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            for block in blocks(page):
                if "shown" in block.classes or not all(map(_there, block.classes)):
                    continue
                if block.title is not None:
                    Path(block.title).write_text(block.text)
                elif block.language == "python":
                    exec(compile(block.text, "a block of the page", "exec"), namespace)
                else:
                    _shell(block.text, folder, root)
        finally:
            sys.path.remove(str(folder))


def _there(name: str) -> bool:
    """Whether the package of a class such as needs-jax is installed."""
    return not name.startswith("needs-") or importlib.util.find_spec(name.removeprefix("needs-")) is not None


def _shell(script: str, folder: Path, root: Path) -> None:
    program = folder / "bin" / "nwedge"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom nwedge.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{root / 'src'}:{folder}",
    }
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
