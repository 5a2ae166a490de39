"""Numbers of a picture, kept as they come: a run that was killed goes on from them."""

import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from nwedge._files import StoreError, there
from nwedge.store import CorruptResult, read_dataset, write_dataset

ID = "nwedge_picture"
"""The attribute that says of which picture the numbers are."""
PARTS = "parts"
MOST, LEAST = 8, 100
"""Parts of a cut at most, and points of each at least: a tolerance takes an anchor for a hundred points at once."""


@dataclass(frozen=True)
class Keeper:
    """Datasets of one picture in a directory, `<name>.nc` when they are whole and `parts/<name>.nc` before.

    Attributes:
        directory: where they lie.
        id: of the picture; numbers of another one are not used.
    """

    directory: Path
    id: str

    def dataset(self, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """The kept dataset of a name, or the computed one, which is kept from now on.

        Raises:
            StoreError: a file that cannot be written or read.
        """
        path = self.directory / f"{name}.nc"
        found = self._kept(path)
        if found is None:
            write_dataset(path, compute().assign_attrs({ID: self.id}))
            found = self._kept(path)
            if found is None:
                raise StoreError(f"{path} is not what was written a moment ago: does another process work there?")
        return found

    def part(self, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """The same for a part, which is no file of its own in the end."""
        return self.dataset(f"{PARTS}/{name}", compute)

    def has_part(self, name: str) -> bool:
        """Whether a part of this name is kept."""
        return self._kept(self.directory / PARTS / f"{name}.nc") is not None

    def _kept(self, path: Path) -> xr.Dataset | None:
        if there(path):
            with contextlib.suppress(CorruptResult):
                found = read_dataset(path)
                if found.attrs.pop(ID, None) == self.id:
                    return found
        return None


def remove_parts(directory: Path) -> None:
    """Delete the parts that are kept in a directory (StoreError if they cannot be deleted)."""
    folder = directory / PARTS
    if there(folder):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(f"cannot remove {folder}: {error.strerror}") from error


def rows_of(sizes: Sequence[int]) -> list[slice]:
    """The rows of a grid, along its first axis, that each part holds: at most 8 parts, of at least 100 points each."""
    count, across = sizes[0], 1
    for size in sizes[1:]:
        across *= size
    rows = max(-(-count // MOST), -(-LEAST // across))
    return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]


def joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """The cut whose rows the parts are: what was counted is added, what was told of the chart is that of the first."""
    if len(parts) == 1:
        return parts[0]
    whole = xr.concat(parts, dim="c0", data_vars="all", coords="minimal", compat="override", combine_attrs="override")
    for name, variable in whole.data_vars.items():
        if "nonfinite" in variable.attrs:
            variable.attrs["nonfinite"] = sum(int(part[name].attrs["nonfinite"]) for part in parts)
    return whole.assign_attrs(evaluations=sum(int(part.attrs["evaluations"]) for part in parts))
