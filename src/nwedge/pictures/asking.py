"""What a picture was asked to be, settled: all that its numbers depend on, under one id, in picture.json."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from nwedge import __version__
from nwedge._files import StoreError, read_json, remove, write_json
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.pictures.checking import all_examples
from nwedge.pictures.keeping import PARTS, remove_parts
from nwedge.specs.picture import PictureArguments
from nwedge.specs.references import digest

SPEC = "picture.json"
PAGES = ("picture.html", "picture.svg", "picture.png", SPEC)
NUMBERS = (
    "network",
    "draw-[0-9]*",
    "wedge-model",
    "wedge-model-draw-[0-9]*",
    "checkpoints",
    "directions",
    "directions-[0-9]*",
    "short-directions",
    "spectrum",
    "trajectory",
)
LIBRARIES = ("torch", "numpy", "scipy")
"""Those whose versions numbers depend on."""
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
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "device": _kind_of(landscape.device),
        "arguments": given | {name: _plain(value) for name, value in settled.items()},
        "checkpoints": {str(path): _digest_of(path) for path in files},
        "functions": {what: digest(reference) for what, reference in arguments.functions.items()},
        "buffers": digest_of_tensors(dict(landscape.model.named_buffers())),
        "data": {name: digest_of_tensors(_leaves(own)) for name, own in data.items()},
    }
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return {"id": hashlib.sha256(text.encode()).hexdigest()[:16], **spec}


def enter(directory: Path, spec: Mapping[str, Any], *, overwrite: bool, first: bool) -> None:
    """Make a directory that of a picture, with what was done of it before; nothing of that if it is to be overwritten.

    Raises:
        StoreError: another process draws there, or it holds numbers of another picture, or files of no picture by
            names of ours, and these are not to be overwritten.
    """
    if not first:
        raise StoreError(f"another process draws in {directory}: wait for it, or give another directory")
    if not overwrite:
        earlier = _earlier(directory)
        if earlier is not None and earlier["id"] == spec["id"]:
            return
        _check_free(directory, earlier, spec)
    clear(directory)
    write_json(directory / SPEC, dict(spec))


def clear(directory: Path) -> None:
    """Delete what a picture has left in a directory, and nothing else (StoreError if it cannot be deleted)."""
    remove_parts(directory)
    for pattern in WRITTEN:
        for path in directory.glob(pattern):
            remove(path)


def _earlier(directory: Path) -> dict[str, Any] | None:
    """Which picture a directory is of; None where it is of none."""
    found = None
    with contextlib.suppress(StoreError):
        found = read_json(directory / SPEC)
    return found if isinstance(found, dict) and {"picture", "id"} <= set(found) else None


def _check_free(directory: Path, earlier: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> None:
    """Refuse (StoreError) a directory where something would be lost."""
    held = [path.name for pattern in WRITTEN for path in directory.glob(pattern)]
    if earlier is None and held:
        raise StoreError(
            f"{directory} holds {held[0]}, which is of no picture and would be replaced: give another --out, or "
            "--overwrite to delete it"
        )
    measured = any(name != SPEC and not name.startswith("directions") for name in held)
    if earlier is not None and (measured or any((directory / PARTS).glob("*.nc"))):
        raise StoreError(
            f"{directory} holds another picture ({_differing(earlier, spec)} differ): give another --out, or "
            "--overwrite to delete it"
        )


def _differing(earlier: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """The names of what is not the same."""
    before, now = earlier.get("arguments") or {}, spec["arguments"]
    names = [
        f"--{name.replace('_', '-')}" for name in {**now, **before} if before.get(name) != now.get(name)
    ]  # fmt: skip
    parts = ("picture", "version", "libraries", "device", "checkpoints", "functions", "buffers", "data")
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


def _kind_of(device: torch.device) -> str:
    """The model of an accelerator, or the instructions that torch uses of a CPU: others round differently."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}" if device.type == "cpu" else device.type


def _leaves(landscape: NetworkLandscape) -> dict[str, Tensor]:
    leaves = pytree.tree_leaves(all_examples(landscape))
    return {str(number): leaf for number, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of tensors with their names, dtypes and shapes."""
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
