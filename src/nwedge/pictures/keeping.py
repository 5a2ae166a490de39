"""Numbers of a picture, kept as they come: a run that was killed goes on from them."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor

from nwedge._files import StoreError, remove, there
from nwedge.store import CorruptResult, read_dataset, write_dataset

ID = "nwedge_picture"
"""The attribute that says of which picture the numbers are."""
PARTS = ".picture-parts"


@dataclass(frozen=True)
class Keeper:
    """Datasets of one picture in a directory, `<name>.nc` when they are whole and `.picture-parts/<name>.nc` before.

    Attributes:
        directory: where they lie.
        id: of the picture; numbers of another one are not used.
        found: called before numbers that were kept are returned.
    """

    directory: Path
    id: str
    found: Callable[[], object]

    def dataset(self, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        """The kept dataset of a name, or the computed one, which is kept from now on.

        Raises:
            StoreError: a file that cannot be written or read.
        """
        path = self.directory / f"{name}.nc"
        kept = self._kept(path)
        if kept is not None:
            self.found()
            return kept
        write_dataset(path, compute().assign_attrs({ID: self.id}))
        written = self._kept(path)
        if written is None:
            raise StoreError(f"{path} is not what was written a moment ago: does another process work there?")
        return written

    def part(self, name: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The same for tensors by name, on the CPU, which are no file of their own in the end."""

        def computed() -> xr.Dataset:
            columns = {column: values.cpu().numpy() for column, values in compute().items()}
            return xr.Dataset(
                {
                    column: ([f"{column}.{axis}" for axis in range(values.ndim)], values)
                    for column, values in columns.items()
                }
            )

        kept = self.dataset(f"{PARTS}/{name}", computed)
        return {str(column): torch.from_numpy(values.values) for column, values in kept.data_vars.items()}

    def _kept(self, path: Path) -> xr.Dataset | None:
        found = _numbers(path) if there(path) else None
        return found if found is not None and found.attrs.pop(ID, None) == self.id else None


def remove_parts(directory: Path) -> None:
    """Delete the parts of pictures that are kept in a directory, and nothing else (StoreError if that cannot be)."""
    folder = directory / PARTS
    for path in folder.glob("*.nc"):
        found = _numbers(path)
        if found is not None and ID in found.attrs:
            remove(path)
    with contextlib.suppress(OSError):  # something of somebody else's lies there, or there is no folder
        folder.rmdir()


def _numbers(path: Path) -> xr.Dataset | None:
    """What a file holds; None where it is damaged, or was not written here."""
    with contextlib.suppress(CorruptResult):
        return read_dataset(path)
    return None
