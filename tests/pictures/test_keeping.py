"""Numbers that are kept are not computed again; what is of another picture is not used, what is of others stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge.pictures.keeping import PARTS, Keeper, remove_parts
from nwedge.store import read_dataset, write_dataset


def numbers(value: float) -> xr.Dataset:
    return xr.Dataset({"x": ("c0", [value, np.nan])}, attrs={"chart": "line"})


def test_what_is_kept_is_not_computed_again(tmp_path):
    told: list[int] = []
    keeper = Keeper(tmp_path, "one", lambda: told.append(1))
    found = keeper.dataset("x", lambda: numbers(1.0))
    xr.testing.assert_identical(found, numbers(1.0))
    assert not told
    xr.testing.assert_identical(keeper.dataset("x", _never), numbers(1.0))
    assert told


def test_parts_are_tensors_that_leave_nothing_behind(tmp_path):
    keeper = Keeper(tmp_path, "one", int)
    columns = {"losses": torch.rand(2, 3), "examples": torch.tensor([3, 4]), "losses_0": torch.rand(2)}
    for compute in (lambda: columns, _never):
        found = keeper.part("x", compute)
        assert all(torch.equal(found[name], columns[name]) for name in columns)
        assert found["losses"].dtype == torch.float32
    read_dataset(tmp_path / PARTS / "x.nc")
    remove_parts(tmp_path)
    assert not (tmp_path / PARTS).exists()
    remove_parts(tmp_path)


def test_files_of_others_among_the_parts_stay(tmp_path):
    Keeper(tmp_path, "one", int).part("x", lambda: {"losses": torch.rand(2)})
    (tmp_path / PARTS / "mine.nc").write_text("mine")
    write_dataset(tmp_path / PARTS / "another.nc", numbers(1.0))
    remove_parts(tmp_path)
    assert {path.name for path in (tmp_path / PARTS).iterdir()} == {"mine.nc", "another.nc"}


def test_what_is_of_another_picture_or_damaged_is_computed_again(tmp_path):
    Keeper(tmp_path, "one", int).dataset("x", lambda: numbers(1.0))
    other = Keeper(tmp_path, "other", int)
    assert other.dataset("x", lambda: numbers(3.0))["x"][0] == 3.0
    path = Path(tmp_path, "x.nc")
    path.write_bytes(path.read_bytes()[:-100])
    assert other.dataset("x", lambda: numbers(4.0))["x"][0] == 4.0


def test_a_computation_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        Keeper(tmp_path, "one", int).part("x", lambda: {"x": torch.tensor(1 / 0)})
    assert not list(tmp_path.rglob("*.nc"))


def _never() -> Any:
    raise AssertionError("it was kept")
