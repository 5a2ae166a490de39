"""The page of the command line: the help of every command, as the program prints it."""

import contextlib
import dataclasses
import inspect
import io
import os
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin
from unittest import mock

from nwedge.cli import Command, main

COLUMNS = 80
CODES = " ".join(inspect.cleandoc(main.__doc__ or "").split("\n\n")[1].split())
INTRODUCTION = textwrap.fill(
    f"What `nwedge` and its commands say when they are asked for `--help`. Exit codes are {CODES}", 120
)


def names(choice: Any = Command) -> Iterator[tuple[str, ...]]:
    """The words of all commands and of those below them, such as ("picture", "plane")."""
    for command in get_args(choice):
        kind = get_origin(command) is Annotated and command.__origin__
        if dataclasses.is_dataclass(kind):
            (name,) = (mark.name for mark in command.__metadata__ if getattr(mark, "name", None))
            yield (name,)
            for field in dataclasses.fields(kind):
                yield from ((name, *words) for words in names(field.type))


def said(*arguments: str) -> str:
    """What `nwedge ARGUMENTS --help` prints on a terminal of 80 columns without colours."""
    printed = io.TextIOWrapper(io.BytesIO(), "utf-8")
    terminal = mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TERM": "dumb"})
    with terminal, contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    printed.seek(0)
    return "\n".join(textwrap.fill(line, COLUMNS) for line in printed.read().strip().splitlines())


def commands() -> str:
    """The page."""
    parts = [f"# Command line\n\n{INTRODUCTION}\n", f"```text\n{said()}\n```\n"]
    parts += [f"## nwedge {' '.join(words)}\n\n```text\n{said(*words)}\n```\n" for words in names()]
    return "\n".join(parts)


