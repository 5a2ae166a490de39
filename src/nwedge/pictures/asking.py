"""What a picture was asked to be, settled: all that its numbers depend on, under one id, in picture.json."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from nwedge import __version__
from nwedge._files import StoreError, read_json, remove, there, write_json
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.pictures.checking import all_examples
from nwedge.pictures.keeping import remove_parts
from nwedge.specs.picture import PictureArguments
from nwedge.specs.references import digest

SPEC = "picture.json"
PAGES = ("picture.html", "picture.svg", "picture.png", SPEC)
NUMBERS = (
    "network",
    "draw-*",
    "wedge-model*",
    "checkpoints",
    "directions",
    "short-directions",
    "spectrum",
    "trajectory",
)
SUFFIXES = (".nc", ".vti", ".vtr", ".vtp")
WRITTEN = (*(name + suffix for name in NUMBERS for suffix in SUFFIXES), *PAGES)
"""What a picture leaves in its directory; what says of which picture it is comes last."""


def asked(
    arguments: PictureArguments,
    landscape: NetworkLandscape,
    files: Sequence[Path],
    settled: Mapping[str, Any],
) -> dict[str, Any]:
    """What a picture is of, for JSON, with the id that stands for it.

    Args:
        arguments: as given; the directory and what is written beside the page count for nothing.
        landscape: the network on its data, of which digests are taken.
        files: the checkpoints.
        settled: what the arguments left open.

    Raises:
        ValueError: a function whose module has no file.
        StoreError: a checkpoint that cannot be read.
    """
    given = {
        field.name: _plain(getattr(arguments, field.name))
        for field in dataclasses.fields(arguments)
        if field.name not in arguments.OF_FILES
    }
    data = {"training": landscape} | ({} if landscape.held_out is None else {"held-out": landscape.held_out})
    spec = {
        "picture": arguments.kind,
        "version": __version__,
        "arguments": given | {name: _plain(value) for name, value in settled.items()},
        "checkpoints": {str(path): _digest_of(path) for path in files},
        "functions": {what: digest(reference) for what, reference in arguments.functions.items()},
        "data": {name: _digest_of_data(own) for name, own in data.items()},
    }
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return {"id": hashlib.sha256(text.encode()).hexdigest()[:16], **spec}


def enter(directory: Path, spec: Mapping[str, Any], *, overwrite: bool, first: bool) -> None:
    """Make a directory that of a picture.

    Raises:
        StoreError: another process draws there, or it holds another picture that is not to be overwritten.
    """
    if not first:
        raise StoreError(f"another process draws in {directory}: wait for it, or give another directory")
    path = directory / SPEC
    if there(path):
        earlier = read_json(path)
        earlier = earlier if isinstance(earlier, dict) else {}
        if earlier.get("id") == spec["id"]:
            return
        if not overwrite:
            raise StoreError(
                f"{directory} holds another picture ({_differing(earlier, spec)} differ): give another --out, or "
                "--overwrite to delete it"
            )
        clear(directory)
    write_json(path, dict(spec))


def clear(directory: Path) -> None:
    """Delete what a picture has left in a directory, and nothing else (StoreError if it cannot be deleted)."""
    remove_parts(directory)
    for pattern in WRITTEN:
        for path in directory.glob(pattern):
            remove(path)


def _differing(earlier: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """The names of what is not the same."""
    before, now = earlier.get("arguments") or {}, spec["arguments"]
    names = [
        f"--{name.replace('_', '-')}" for name in {**now, **before} if before.get(name) != now.get(name)
    ]  # fmt: skip
    parts = ("picture", "version", "checkpoints", "functions", "data")
    names += [f"the {what}" for what in parts if earlier.get(what) != spec[what]]
    return ", ".join(names) or "its contents"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _digest_of(path: Path) -> str:
    """The SHA-256 of a file or, of a folder, of the names and digests of its files."""
    try:
        if path.is_dir():
            inner = sorted(one for one in path.rglob("*") if one.is_file())
            text = "\n".join(f"{one.relative_to(path)} {_digest_of(one)}" for one in inner)
            return hashlib.sha256(text.encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def _digest_of_data(landscape: NetworkLandscape) -> str:
    """The SHA-256 of the examples, dtypes and shapes included."""
    found = hashlib.sha256()
    for leaf in pytree.tree_leaves(all_examples(landscape)):
        if isinstance(leaf, Tensor):
            found.update(f"{leaf.dtype}{tuple(leaf.shape)}".encode())
            found.update(leaf.cpu().contiguous().numpy().data)
    return found.hexdigest()
