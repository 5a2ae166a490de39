"""Numbers that are kept: parts cover the grid, and make the whole; what is of another picture is not used."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import WedgeLandscape
from nwedge.geometry import Plane
from nwedge.methods.cutting import cut
from nwedge.pictures.keeping import LEAST, MOST, PARTS, Keeper, joined, remove_parts, rows_of
from nwedge.store import read_dataset


@pytest.mark.parametrize("sizes", [(51,), (2, 2), (25, 25), (1000, 7), (3, 1000), (9, 40)])
def test_parts_cover_all_rows_once(sizes):
    found = rows_of(sizes)
    assert [row for part in found for row in range(sizes[0])[part]] == list(range(sizes[0]))
    assert len(found) <= MOST
    across = int(np.prod(sizes[1:]))
    assert all((part.stop - part.start) * across >= LEAST for part in found[:-1])


@pytest.mark.parametrize("seed", range(3))
def test_joined_parts_are_the_whole_cut(seed):
    landscape = WedgeLandscape(30, 5, wedges=4, seed=seed, dtype=torch.float64)
    u, v, origin = landscape.initial(3, torch.Generator().manual_seed(seed))

    metrics = {"loss": "loss", "holes": lambda own, points: own.loss(points).log().where(points[:, 0] > 0, torch.nan)}
    rows, columns = torch.linspace(-1, 1, 13), torch.linspace(-2, 1, 20)
    whole = cut(landscape, Plane(u, v), [rows, columns], origin=origin, metrics=metrics)
    parts = [
        cut(landscape, Plane(u, v), [rows[part], columns], origin=origin, metrics=metrics) for part in rows_of((13, 20))
    ]
    assert len(parts) == 3
    found = joined(parts)
    xr.testing.assert_allclose(found, whole, rtol=1e-12)
    assert found["holes"].attrs == whole["holes"].attrs
    assert found["holes"].attrs["nonfinite"] > 0
    assert found.attrs.pop("angle") == pytest.approx(whole.attrs.pop("angle"))
    assert found.attrs == whole.attrs


def numbers(value: float) -> xr.Dataset:
    return xr.Dataset({"x": ("c0", [value, np.nan])}, attrs={"chart": "line"})


def test_what_is_kept_is_not_computed_again(tmp_path):
    keeper = Keeper(tmp_path, "one")
    found = keeper.dataset("x", lambda: numbers(1.0))
    xr.testing.assert_identical(found, numbers(1.0))
    xr.testing.assert_identical(keeper.dataset("x", _never), numbers(1.0))
    assert keeper.part("x", lambda: numbers(2.0))["x"][0] == 2.0
    assert keeper.has_part("x")
    assert read_dataset(tmp_path / PARTS / "x.nc")["x"][0] == 2.0
    remove_parts(tmp_path)
    assert not keeper.has_part("x")
    assert not (tmp_path / PARTS).exists()


def test_what_is_of_another_picture_or_damaged_is_computed_again(tmp_path):
    Keeper(tmp_path, "one").dataset("x", lambda: numbers(1.0))
    other = Keeper(tmp_path, "other")
    assert other.dataset("x", lambda: numbers(3.0))["x"][0] == 3.0
    path = Path(tmp_path, "x.nc")
    path.write_bytes(path.read_bytes()[:-100])
    assert other.dataset("x", lambda: numbers(4.0))["x"][0] == 4.0


def test_a_computation_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        Keeper(tmp_path, "one").part("x", lambda: numbers(1 / 0))
    assert not list(tmp_path.rglob("*.nc"))


def _never() -> xr.Dataset:
    raise AssertionError("it was kept")
