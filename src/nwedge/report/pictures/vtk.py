"""Cuts and trajectories as files for ParaView and other readers of VTK's XML formats."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nwedge._files import whole

EVEN = 1e-4
"""The relative difference of steps up to which a grid is even: distances of points in float32 are rounded."""


def write_vti(path: Path, cut: xr.Dataset) -> Path:
    """Write a cut of two or three dimensions as an image (.vti), or as a rectilinear grid (.vtr) if its steps differ.

    The axes are weight-space distances, or chart coordinates where the cut has no distances that grow with them; every
    variable is data of the points, errors and NaN included; the angles of the axes are field data, since the grid is
    written as if they were orthogonal.

    Args:
        path: of the file; its suffix is replaced by that of the grid's format.
        cut: dims c0, c1 and perhaps c2.

    Returns:
        The path written.

    Raises:
        ImportError: pyvista is not installed.
        ValueError: a cut of another dimension.
        StoreError: the file cannot be written.
    """
    pyvista = _pyvista()
    dims = [f"c{axis}" for axis in range(len(cut.sizes))]
    if set(map(str, cut.sizes)) != set(dims) or len(dims) not in (2, 3):
        raise ValueError(f"a cut must have the dimensions c0, c1 and perhaps c2; got {', '.join(map(str, cut.sizes))}")
    places = _places(cut, dims)
    flat = [np.zeros(1)] * (3 - len(dims))
    if all(_even(axis) for axis in places):
        spacing = [float(axis[-1] - axis[0]) / max(1, len(axis) - 1) or 1.0 for axis in (*places, *flat)]
        grid = pyvista.ImageData(
            dimensions=[len(axis) for axis in (*places, *flat)],
            spacing=spacing,
            origin=[float(axis[0]) for axis in (*places, *flat)],
        )
    else:
        grid = pyvista.RectilinearGrid(*places, *flat)
    for name, values in cut.data_vars.items():
        own = np.asarray(values.transpose(*dims).values)
        grid.point_data[str(name)] = own.ravel(order="F").astype(np.uint8 if own.dtype == bool else own.dtype)
    if "angle" in cut.attrs:
        grid.field_data["angle"] = np.atleast_1d(np.asarray(cut.attrs["angle"], dtype=float))
    return _save(grid, path.with_suffix(".vti" if isinstance(grid, pyvista.ImageData) else ".vtr"))


def write_vtp(path: Path, trajectory: xr.Dataset) -> Path:
    """Write a trajectory as a polygonal line (.vtp) in its plane, z = 0.

    Every variable of the checkpoints is data of the points: step and loss where they are stored, off_plane, distance.

    Args:
        path: of the file; its suffix is replaced by .vtp.
        trajectory: position (checkpoint, axis) and what else there is.

    Returns:
        The path written.

    Raises:
        ImportError: pyvista is not installed.
        ValueError: fewer than two checkpoints.
        StoreError: the file cannot be written.
    """
    pyvista = _pyvista()
    count = trajectory.sizes["checkpoint"]
    if count < 2:
        raise ValueError(f"a trajectory needs at least 2 checkpoints to be a line; got {count}")
    position = np.asarray(trajectory["position"].transpose("checkpoint", "axis").values, dtype=float)
    line = pyvista.PolyData(np.column_stack([position, np.zeros(count)]), lines=[count, *range(count)])
    for name, values in trajectory.variables.items():
        if values.dims == ("checkpoint",) and np.issubdtype(values.dtype, np.number):
            line.point_data[str(name)] = np.asarray(values.values)
    return _save(line, path.with_suffix(".vtp"))


def _places(cut: xr.Dataset, dims: list[str]) -> list[np.ndarray]:
    """Where the grid's points lie along each axis: all in distances, or all in chart coordinates."""
    names = [f"distance{axis}" for axis in range(len(dims))]
    if all(name in cut.coords and (np.diff(cut[name].values) > 0).all() for name in names):
        dims = names
    return [np.asarray(cut[name].values, dtype=float) for name in dims]


def _even(axis: np.ndarray) -> bool:
    steps = np.diff(axis)
    return bool(len(steps) < 2 or np.ptp(steps) <= EVEN * np.abs(steps).max())


def _save(mesh: Any, path: Path) -> Path:
    """Write whole or not at all; pyvista chooses the format by the suffix, which a temporary name lacks."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / path.name
        mesh.save(written)
        content = written.read_bytes()
    with whole(path) as temporary:
        temporary.write_bytes(content)
    return path


def _pyvista() -> Any:
    try:
        import pyvista
    except ImportError as error:
        raise ImportError("files for ParaView need pyvista: install it with pip install 'nwedge[vtk]'") from error
    return pyvista
