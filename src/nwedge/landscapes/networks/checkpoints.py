"""Checkpoints of anybody's, read without running code that they hold, and written as safetensors."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from nwedge._files import StoreError, read_json, whole
from nwedge.landscapes.networks.weights import some
from nwedge.landscapes.networks.wrappers import state_of

SAFETENSORS = ".safetensors"
INDEX = ".index.json"
SUFFIXES = (SAFETENSORS, ".pt", ".pth", ".bin", ".ckpt", ".tar")
"""Of the files that a folder is searched for."""
HUGGING_FACE = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What a folder of Hugging Face's holds, the first of them that is there."""
KEYS = (
    *("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params"),
    *("ema", "model_ema", "ema_state_dict", "state_dict_ema", "params_ema"),
)
"""Under which training checkpoints hold the weights."""
EXTRA_STATE = "_extra_state"
"""How the names of entries of a state dict end that may be of any type: they are left out."""

ZIP, PICKLE, LFS = b"PK\x03\x04", b"\x80", b"version https://git-lfs"
"""How files begin: of torch.save, of torch.save before 1.6, and of what Git keeps in the place of a large file."""


def read_checkpoint(path: str | Path, *, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, on the CPU, as stored; no code is run that the file may hold.

    It may be a safetensors file; a file of torch.save that holds a state dict, or one under a usual key such as
    "state_dict" (as Lightning's do); the index of several such files; a folder of Hugging Face's, sharded or not; or a
    folder with exactly one checkpoint. Files are mapped into memory where their format allows it, so they must not be
    changed in place while the tensors are in use.

    Args:
        path: the file or folder.
        key: under which a training checkpoint holds the weights; None: the only usual one. A file of weights alone has
            none and is read in any case.

    Raises:
        StoreError: there is no such path, it is no checkpoint or a damaged one, a shard is missing, the weights may be
            in several places, or the file can only be read by running code (pickled models and other objects).
    """
    path = Path(path)
    if path.is_dir():
        path = _file_of(path)
    if not path.exists():
        raise StoreError(f"there is no file or folder {path}: give the path of a checkpoint")
    if path.name.endswith(INDEX):
        return _read_shards(path)
    return _read_file(path, key)


def write_checkpoint(path: str | Path, state: nn.Module | Mapping[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        path: the file, in place of an older one if there is one.
        state: tensors by name, each of which is stored even where several share their memory; or a module, whose state
            dict is stored by the names of the architecture, without those that torch.compile or
            DistributedDataParallel add.

    Raises:
        TypeError: something else, or tensors that are sharded, sparse or quantised.
        ValueError: no tensors.
        StoreError: the file cannot be written.
    """
    path = Path(path)
    if isinstance(state, nn.Module):
        state = state_of(state)
    if not isinstance(state, Mapping):
        raise TypeError(f"a checkpoint is written from a module or a state dict; got {type(state).__name__}")
    if not state:
        raise ValueError("a checkpoint must hold at least one tensor; got none")
    copies = {name: _copy(name, value) for name, value in state.items()}
    with whole(path) as temporary:
        try:
            safetensors.torch.save_file(copies, temporary, metadata={"format": "pt"})
        except SafetensorError as error:
            raise StoreError(f"cannot write {path}: {error}") from error


def _copy(name: str, value: Any) -> Tensor:
    """A dense copy on the CPU that shares its memory with no other."""
    if not isinstance(value, Tensor):
        raise TypeError(f"'{name}' must be a tensor; got {type(value).__name__}")
    if type(value.detach()) is not Tensor or not _is_dense(value):
        kind = type(value).__name__ if type(value.detach()) is not Tensor else _kind(value)
        raise TypeError(f"'{name}' must be a plain dense tensor; got a {kind} one: gather or convert it first")
    return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _file_of(folder: Path) -> Path:
    """The one checkpoint of a folder."""
    for name in HUGGING_FACE:
        if (folder / name).is_file():
            return folder / name
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}") from error
    if not names:
        raise StoreError(f"{folder} holds no checkpoint: expected a file that ends in {', '.join(SUFFIXES)}")
    if len(names) > 1:
        raise StoreError(f"{folder} holds several checkpoints, {some(names)}: give the path of one of them")
    return folder / names[0]


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors that an index lists, from the files beside it."""
    places = read_json(index)
    places = places.get("weight_map") if isinstance(places, dict) else None
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise StoreError(f'{index} is damaged: expected {{"weight_map": {{name: file}}}}')
    files = sorted(set(places.values()))
    elsewhere = [file for file in files if Path(file).name != file]
    if elsewhere:
        raise StoreError(f"{index} is damaged: its shards must lie beside it; got {some(elsewhere)}")
    missing = [file for file in files if not (index.parent / file).is_file()]
    if missing:
        raise StoreError(f"{index.parent} lacks {some(missing)}, which {index.name} lists: fetch it again")
    shards = {file: _read_file(index.parent / file, None) for file in files}
    lacking = [name for name, file in places.items() if name not in shards[file]]
    if lacking:
        raise StoreError(
            f"{index} lists {some(lacking)}, but the file that it names does not hold it: fetch both again"
        )
    return {name: shards[file][name] for name, file in places.items()}


def _read_file(path: Path, key: str | None) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            head = file.read(len(LFS))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if head.startswith(LFS):
        raise StoreError(f"{path} is a pointer of Git LFS and not the file itself: run `git lfs pull` there")
    if path.suffix == SAFETENSORS or _has_safe_header(head):
        state = _load_safetensors(path)
    elif head.startswith((ZIP, PICKLE)):
        state = _weights_in(path, _load_torch(path, mapped=head.startswith(ZIP)), key)
    else:
        raise StoreError(f"{path} is no checkpoint: expected a safetensors file, or one that torch.save wrote")
    if not state:
        raise StoreError(f"{path} holds no tensors")
    for name, value in state.items():
        if not _is_dense(value):
            raise StoreError(f"{path}: '{name}' must be a dense tensor; got a {_kind(value)} one: convert it first")
    return {name: value.detach() for name, value in state.items()}


def _has_safe_header(head: bytes) -> bool:
    """Whether a file begins like safetensors: the length of the header, which is below 2^40, and JSON."""
    return head[5:9] == b"\0\0\0{"


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise StoreError(f"{path} is damaged or no safetensors file ({error}): replace it") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _load_torch(path: Path, *, mapped: bool) -> Any:
    """What a file of torch.save holds, by an unpickler that knows tensors and plain values and calls nothing else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # of a damaged file anything may come
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = foreign[1] if foreign else "a TorchScript archive" if "TorchScript" in str(error) else None
        if what is None:
            unpickling = isinstance(error, pickle.UnpicklingError)
            reason = (
                "an unknown kind of pickle" if unpickling else str(error).partition("\n")[0] or type(error).__name__
            )
            raise StoreError(f"{path} is damaged or no file of torch.save ({reason}): replace it") from error
        raise StoreError(
            f"{path} holds more than tensors and plain values ({what}) and was not read, since that would run code of "
            "the file: if you trust it, load it yourself and save model.state_dict() alone, or as safetensors"
        ) from error


def _weights_in(path: Path, content: Any, key: str | None) -> dict[str, Tensor]:
    """The state dict that a file is, or the one that it holds under the key."""
    if _is_state(content):
        return _tensors(content)
    states = [name for name in content if _is_state(content[name])] if isinstance(content, Mapping) else []
    found = [name for name in KEYS if name in states] if key is None else [key] if key in states else []
    if len(found) == 1:
        return _tensors(content[found[0]])
    if found:
        raise StoreError(f"{path} holds weights under {some(found)}: give one of them as the key")
    if states:
        expected = "a usual key" if key is None else f"the key '{key}'"
        raise StoreError(
            f"{path} holds no weights under {expected}, but under {some(states)}: give one of them as the key"
        )
    raise StoreError(f"{path} holds no state dict, neither itself nor under a key: save model.state_dict()")


def _is_state(value: Any) -> bool:
    """Whether it is a dictionary of tensors."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    tensors = [isinstance(entry, Tensor) for name, entry in value.items() if not name.endswith(EXTRA_STATE)]
    return bool(tensors) and all(tensors)


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.endswith(EXTRA_STATE)}


def _is_dense(value: Tensor) -> bool:
    return value.layout is torch.strided and not value.is_quantized and not value.is_meta


def _kind(value: Tensor) -> str:
    """A word for a tensor that is not dense."""
    if value.is_meta:
        return "meta"
    return "quantised" if value.is_quantized else str(value.layout).removeprefix("torch.")
