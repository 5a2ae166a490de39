import sys

import numpy as np
import pytest

from nwedge._files import StoreError
from nwedge.report.pictures.vtk import write_vti, write_vtp

pyvista = pytest.importorskip("pyvista", reason="files for ParaView need pyvista: pip install pyvista")


@pytest.mark.parametrize("dim", [2, 3])
def test_every_value_is_where_it_was(make_cut, tmp_path, dim):
    cut = make_cut(dim, ("loss", "accuracy"), error=True, nan=3)
    cut["evaluated"] = cut["loss"] > 1
    path = write_vti(tmp_path / "cut.vti", cut)
    grid = pyvista.read(path)
    assert isinstance(grid, pyvista.ImageData)
    assert set(grid.point_data.keys()) == set(cut.data_vars)
    rng = np.random.default_rng(0)
    for _ in range(20):
        at = tuple(int(rng.integers(size)) for size in cut["loss"].shape)
        place = [float(cut[f"distance{axis}"][i]) for axis, i in enumerate(at)] + [0.0] * (3 - dim)
        index = grid.find_closest_point(place)
        np.testing.assert_allclose(grid.points[index], place, atol=1e-9)
        for name in cut.data_vars:
            np.testing.assert_equal(float(grid.point_data[str(name)][index]), float(cut[name].values[at]))
    assert np.isnan(grid.point_data["loss"]).sum() == np.isnan(cut["loss"].values).sum()


def test_uneven_steps_give_a_rectilinear_grid_and_the_angle_is_kept(make_cut, tmp_path):
    cut = make_cut(2, angle=61.0).isel(c0=[0, 1, 4, 5])
    path = write_vti(tmp_path / "cut.vti", cut)
    assert path.suffix == ".vtr"
    grid = pyvista.read(path)
    np.testing.assert_allclose(grid.x, cut["distance0"])
    np.testing.assert_allclose(grid.point_data["loss"], cut["loss"].values.ravel(order="F"))
    assert grid.field_data["angle"] == pytest.approx(61.0)


def test_without_distances_the_axes_are_chart_coordinates(make_cut, tmp_path):
    grid = pyvista.read(write_vti(tmp_path / "cut.vti", make_cut(2).drop_vars("distance0")))
    assert grid.bounds[:2] == pytest.approx((-1, 1))


def test_a_path_is_one_line_with_what_is_known_of_each_checkpoint(make_trajectory, tmp_path):
    trajectory = make_trajectory()
    mesh = pyvista.read(write_vtp(tmp_path / "path.vtp", trajectory))
    assert mesh.n_lines == 1
    np.testing.assert_allclose(mesh.points[:, :2], trajectory["position"].values, rtol=1e-6)
    for name in ("step", "loss", "off_plane", "distance"):
        np.testing.assert_allclose(mesh.point_data[name], trajectory[name].values)
    assert "loss" not in pyvista.read(write_vtp(tmp_path / "b.vtp", make_trajectory(loss=False))).point_data


def test_what_cannot_be_written_is_refused_in_a_sentence(make_cut, make_trajectory, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="must have the dimensions c0, c1 and perhaps c2; got c0"):
        write_vti(tmp_path / "a.vti", make_cut(1))
    with pytest.raises(ValueError, match="at least 2 checkpoints to be a line; got 1"):
        write_vtp(tmp_path / "a.vtp", make_trajectory(1))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_vti(tmp_path / "file" / "a.vti", make_cut(2))
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(ImportError, match="need pyvista: install it with"):
        write_vti(tmp_path / "a.vti", make_cut(2))
