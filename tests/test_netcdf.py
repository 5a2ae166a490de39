from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nwedge import _netcdf

AXES = {"run": 3, "step": 2, "none": 0, "time": 1}
DTYPES = [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
NAMES = st.sampled_from(["loss", "flag", "lr", "word", "Größe", "run", "step", "time"])


def check(dataset: xr.Dataset, path: Path) -> None:
    """What is read from a written dataset is what xarray reads."""
    dataset.to_netcdf(path, engine="h5netcdf", encoding={name: {"_FillValue": None} for name in dataset.variables})
    options = {"engine": "h5netcdf", "mask_and_scale": False, "decode_times": False, "decode_timedelta": False}
    with xr.open_dataset(path, **options) as file:
        same(_netcdf.read(path), file.load())


def same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Equal in names, order, roles, dimensions, dtypes, bits and attributes."""
    assert list(found.data_vars) == list(expected.data_vars)
    assert list(found.coords) == list(expected.coords)
    assert repr(found.attrs) == repr(expected.attrs)
    for name, variable in expected.variables.items():
        assert found.variables[name].dims == variable.dims
        assert repr(found.variables[name].attrs) == repr(variable.attrs)
        values, right = found.variables[name].values, variable.values
        if right.dtype.kind in "OUT":
            assert (values.dtype.kind, values.tolist()) == ("U", right.tolist())
        else:
            assert (values.dtype, values.tobytes()) == (right.dtype, right.tobytes())


@st.composite
def datasets(draw) -> xr.Dataset:
    dataset = xr.Dataset(attrs=draw(st.dictionaries(st.sampled_from("ab"), TEXT | st.floats() | st.integers(0, 9))))
    for name in draw(st.lists(NAMES, unique=True)):
        axes = [name] if name in AXES else draw(st.lists(st.sampled_from(list(AXES)), unique=True, max_size=3))
        shape = tuple(AXES[axis] for axis in axes)
        numbers = st.sampled_from(DTYPES).flatmap(lambda dtype, shape=shape: arrays(dtype, shape))
        words = arrays(object, shape, elements=TEXT)
        attributes = draw(st.dictionaries(st.sampled_from("cd"), TEXT | st.floats() | st.integers(0, 9)))
        dataset[name] = axes, draw(words if name == "word" else numbers), attributes
    return dataset.set_coords(draw(st.sets(st.sampled_from(list(dataset.data_vars)))) if dataset.data_vars else [])


@settings(deadline=None, max_examples=60)
@given(datasets())
def test_it_reads_what_xarray_reads(tmp_path_factory, dataset):
    check(dataset, tmp_path_factory.mktemp("netcdf") / "file.nc")


def test_a_variable_that_has_the_name_of_a_dimension_but_is_not_along_it(tmp_path):
    dataset = xr.Dataset({"step": (("run", "time"), np.ones((3, 1))), "loss": (("step",), [1.0, np.nan])})
    check(dataset, tmp_path / "file.nc")
    with h5py.File(tmp_path / "file.nc") as file:
        assert "_nc4_non_coord_step" in file


def test_the_attributes_of_the_file_alone(tmp_path):
    dataset = xr.Dataset({"loss": 1.0}, attrs={"text": "Größe", "number": 2, "undefined": np.nan})
    check(dataset, tmp_path / "file.nc")
    assert repr(_netcdf.attributes(tmp_path / "file.nc")) == repr(_netcdf.read(tmp_path / "file.nc").attrs)
    assert _netcdf.attributes(tmp_path / "file.nc")["text"] == "Größe"


def test_what_is_no_file_of_this_kind_is_refused(tmp_path):
    (tmp_path / "file.nc").write_text("nonsense")
    for reader in (_netcdf.read, _netcdf.attributes):
        with pytest.raises(OSError, match="signature"):
            reader(tmp_path / "file.nc")
        with pytest.raises(FileNotFoundError):
            reader(tmp_path / "missing.nc")
