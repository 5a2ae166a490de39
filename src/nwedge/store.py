"""What is kept: one NetCDF file a task result, one safetensors file a set of weights, written whole or not at all."""

import contextlib
import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import safetensors.numpy
import xarray as xr
from safetensors import SafetensorError

from nwedge._files import StoreError, remove, there, uninterrupted, whole
from nwedge.plan import result_path
from nwedge.specs.tasks import TaskSpec

SPEC, PROVENANCE, WEIGHTS, CHECKSUM = "nwedge_spec", "nwedge_provenance", "nwedge_weights", "nwedge_checksum"
"""The attributes that the store adds to each file; a result must not use them."""


class CorruptResult(StoreError):
    """A stored result that is not what its task wrote: one sentence that names the file."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a task yields: a dataset with named dimensions and, from training, arrays of weights by name."""

    dataset: xr.Dataset
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """Results below a directory: `results/<folder>/<id>.nc` and, where there are weights, `weights/<id>.safetensors`.

    A task is done if and only if its .nc is whole: the weights are written first and the .nc holds their SHA-256, the
    task's spec, the provenance, and a SHA-256 over all variables, coordinates and attributes but the provenance, so
    that equal results have equal checksums. Behind the HDF5 data, where every reader ignores it, stands a SHA-256 of
    the bytes: a damaged HDF5 file can hang its library, so the bytes are verified before it is opened.
    """

    directory: Path

    def path(self, task: TaskSpec) -> Path:
        """The file of a task's result."""
        return result_path(self.directory, task)

    def weights_path(self, task: TaskSpec) -> Path:
        """The file of a task's weights."""
        return self.directory / "weights" / f"{task.id}.safetensors"

    def has(self, task: TaskSpec) -> bool:
        """Whether a file is there for the task; `problem` tells whether it is whole."""
        return there(self.path(task))

    def problem(self, task: TaskSpec) -> str | None:
        """What is wrong with the stored result, in one sentence, or None if it is whole.

        Raises:
            StoreError: the file is missing or may not be read.
        """
        try:
            self._dataset(task)
        except CorruptResult as error:
            return str(error)
        return None

    @uninterrupted()
    def write(self, task: TaskSpec, result: Result, provenance: Mapping[str, Any]) -> None:
        """Store a result, in place of an older one if there is one.

        Args:
            task: the task that yielded it.
            result: variables and coordinates of floats, integers, booleans or strings; attributes that are text or
                numbers; weights of any dtype that safetensors has.
            provenance: where and how it was computed; must survive JSON.

        Raises:
            ValueError: a dataset that NetCDF would not give back as it is.
            StoreError: the files cannot be written.
        """
        dataset = _plain(result.dataset)
        dataset.attrs |= {
            SPEC: task.to_json(),
            PROVENANCE: json.dumps(dict(provenance), sort_keys=True),
            WEIGHTS: self._write_weights(task, result.weights) if result.weights else "",
        }
        dataset.attrs[CHECKSUM] = _checksum(dataset)
        _write(self.path(task), dataset)

    def read(self, task: TaskSpec) -> Result:
        """The stored result, verified.

        Raises:
            CorruptResult: a file that is truncated, altered, of another task, or whose weights are missing or altered.
            StoreError: the file is missing or may not be read.
        """
        dataset, attributes = self._dataset(task)
        weights = safetensors.numpy.load_file(self.weights_path(task)) if attributes[WEIGHTS] else {}
        return Result(dataset, weights)

    def provenance(self, task: TaskSpec) -> dict[str, Any]:
        """Where and how the stored result was computed (errors as in `read`); its arrays are left unread."""
        path = self.path(task)
        _check_seal(path)
        ours = _ours(path)
        self._check(task, ours)
        return json.loads(ours[PROVENANCE])

    def remove(self, task: TaskSpec) -> None:
        """Delete a task's files, the result first (StoreError if they cannot be deleted)."""
        remove(self.path(task))
        remove(self.weights_path(task))

    def _write_weights(self, task: TaskSpec, weights: Mapping[str, np.ndarray]) -> str:
        arrays = {name: np.asarray(_native(array), order="C") for name, array in weights.items()}
        with whole(self.weights_path(task)) as temporary, _said(self.weights_path(task)):
            safetensors.numpy.save_file(arrays, temporary)
            return _file_hash(temporary)

    def _dataset(self, task: TaskSpec) -> tuple[xr.Dataset, dict[str, Any]]:
        """The verified dataset without the store's attributes, and those attributes."""
        path = self.path(task)
        dataset = read_dataset(path)
        ours = {name: dataset.attrs[name] for name in (SPEC, PROVENANCE, WEIGHTS, CHECKSUM)}
        if ours[CHECKSUM] != _checksum(dataset):
            raise CorruptResult(f"{path} is damaged: its content does not match its checksum")
        self._check(task, ours)
        dataset.attrs = _without(dataset.attrs, ours)
        return dataset, ours

    def _check(self, task: TaskSpec, ours: Mapping[str, Any]) -> None:
        """Refuse the result of another task, or one whose weights are not those it was stored with (CorruptResult)."""
        if ours[SPEC] != task.to_json():
            path = self.path(task)
            raise CorruptResult(f"{path} is the result of another task: its spec is not the one its name stands for")
        if ours[WEIGHTS]:
            _check_weights(self.weights_path(task), ours[WEIGHTS])


@uninterrupted()
def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a dataset as NetCDF, whole or not at all, with a SHA-256 of the bytes behind them as in a `Store`.

    Args:
        path: of the file.
        dataset: variables and coordinates of floats, integers, booleans or strings; attributes of text or numbers.

    Raises:
        ValueError: a dataset that NetCDF would not give back as it is.
        StoreError: the file cannot be written.
    """
    _write(path, _plain(dataset))


def read_dataset(path: Path) -> xr.Dataset:
    """The dataset that `write_dataset` wrote.

    Raises:
        CorruptResult: a file whose bytes are not those that were written.
        StoreError: the file is missing or may not be read.
    """
    _check_seal(path)
    return _load(path)


HDF = "HDF error"
"""What netCDF4 says where HDF5 cannot write."""
SEAL = b"\nnwedge sha256 "
_AS_IT_IS = {"_FillValue": None}


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Tell a full disk, of which the libraries of the formats speak in words of their own (StoreError)."""
    try:
        yield
    except SafetensorError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    except RuntimeError as error:
        if HDF not in str(error):
            raise
        raise StoreError(f"cannot write {path}: {error}; is the disk full?") from error


def _write(path: Path, dataset: xr.Dataset) -> None:
    with whole(path) as temporary, _said(path):
        dataset.to_netcdf(temporary, engine="netcdf4", encoding=dict.fromkeys(dataset.variables, _AS_IT_IS))
        if _checksum(_load(temporary)) != _checksum(dataset):
            raise ValueError("the result cannot be stored: NetCDF does not give back what was written")
        _seal(temporary)


@uninterrupted()
def _load(path: Path) -> xr.Dataset:
    options = {"engine": "netcdf4", "mask_and_scale": False, "decode_times": False, "decode_timedelta": False}
    with xr.open_dataset(path, **options) as file:
        return _plain(file.load())


@uninterrupted()
def _ours(path: Path) -> dict[str, Any]:
    with netCDF4.Dataset(path) as file:
        return {name: file.getncattr(name) for name in (SPEC, PROVENANCE, WEIGHTS)}


def _seal(path: Path) -> None:
    seal = SEAL + _file_hash(path).encode()
    with path.open("ab") as file:
        file.write(seal)


def _check_seal(path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    body, mark, digest = content.rpartition(SEAL)
    if not mark or hashlib.sha256(body).hexdigest().encode() != digest:
        raise CorruptResult(f"{path} is damaged: its bytes are not those that were written")


def _check_weights(path: Path, expected: str) -> None:
    try:
        found = _file_hash(path)
    except FileNotFoundError as error:
        raise CorruptResult(f"the weights {path} are missing") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if found != expected:
        raise CorruptResult(f"the weights {path} are damaged: their SHA-256 is not the one that the result holds")


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """The same dataset in native byte order, strings as NumPy's, attributes as Python's, without encodings."""
    try:
        parts = {
            name: (variable.dims, _values(name, variable.values), _attributes(name, variable.attrs))
            for name, variable in dataset.variables.items()
        }
        coords = {name: parts.pop(name) for name in dataset.coords}
        return xr.Dataset(parts, coords, _attributes("the dataset", dataset.attrs))
    except TypeError as error:
        raise ValueError(f"the result cannot be stored: {error}") from error


def _values(name: Hashable, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "fiub" and values.dtype.itemsize <= 8:
        return _native(values)
    if values.dtype.kind in "UOT" and all(isinstance(item, str) for item in values.flat):
        return values.astype(str)
    raise TypeError(f"{name!r} has dtype {values.dtype}; expected floats, integers, booleans or strings")


def _attributes(owner: Hashable, attributes: Mapping[Any, Any]) -> dict[Any, Any]:
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in attributes.items()}
    for key, value in plain.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"attribute {key!r} of {owner} must be text or a number; got {value!r}")
    return plain


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _checksum(dataset: xr.Dataset) -> str:
    """The SHA-256 over names, roles, dimensions, dtypes, shapes, values and attributes (but the provenance)."""
    digest = hashlib.sha256()
    for name, variable in sorted(dataset.variables.items(), key=lambda item: str(item[0])):
        values, text = variable.values, variable.dtype.kind == "U"
        kind = "str" if text else values.dtype.str
        head = [name, name in dataset.coords, variable.dims, kind, values.shape, sorted(variable.attrs.items())]
        digest.update(json.dumps(head).encode() + b"\n")
        digest.update(json.dumps(values.ravel().tolist()).encode() if text else np.ascontiguousarray(values).data)
    digest.update(json.dumps(sorted(_without(dataset.attrs, {PROVENANCE, CHECKSUM}).items())).encode())
    return digest.hexdigest()


def _without(attributes: Mapping[Any, Any], names: Any) -> dict[Any, Any]:
    return {key: value for key, value in attributes.items() if key not in names}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
