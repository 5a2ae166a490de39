import dataclasses

import numpy as np
import pytest
import xarray as xr

from nwedge.report.pictures.panels import metrics, same_grid, spread_panel, views


def test_errors_counts_and_marks_of_evaluation_are_no_metrics(make_cut):
    cut = make_cut(2, ("loss", "held_out_accuracy"), error=True)
    cut["evaluated"] = cut["loss"] > 1
    cut["strange_error"] = cut["loss"]
    assert metrics(cut) == ["loss", "held_out_accuracy", "strange_error"]


def test_values_lie_where_the_cut_has_them_whatever_the_order_of_its_dimensions(make, make_cut):
    cut = make_cut(2)
    turned = dataclasses.replace(make("plane"), cuts={"a": cut.transpose("c1", "c0")})
    (view,) = views(turned)
    (panel,) = view.panels
    np.testing.assert_array_equal(panel.values, cut["loss"].values)
    np.testing.assert_array_equal(panel.places[0], cut["distance0"].values)
    for i, j in ((0, 0), (3, 7), (10, 12)):
        assert panel.at((panel.places[0][i], panel.places[1][j])) == cut["loss"].values[i, j]


@pytest.mark.parametrize("seed", range(3))
def test_between_places_values_are_linear_and_marks_keep_their_chart_coordinates(make, make_cut, seed):
    cut, rng = make_cut(2, seed=seed), np.random.default_rng(seed)
    ((panel,),) = [view.panels for view in views(dataclasses.replace(make("plane"), cuts={"a": cut}))]
    for _ in range(20):
        coordinates = rng.uniform(-1, 1, 2).tolist()
        expected = float(cut["loss"].interp(c0=coordinates[0], c1=coordinates[1]))
        assert panel.at(panel.place(coordinates)) == pytest.approx(expected, rel=1e-9)
    outside = panel.place((2.0, 0.0))
    assert outside[0] == pytest.approx(2 * panel.places[0][-1])
    assert np.isnan(panel.at(outside))


def test_a_value_beside_an_undefined_one_is_its_own(make, make_cut):
    cut = make_cut(1, nan=1)
    ((panel,),) = [view.panels for view in views(dataclasses.replace(make("line"), cuts={"a": cut}))]
    assert np.isnan(panel.at([panel.places[0][0]]))
    assert panel.at([panel.places[0][1]]) == cut["loss"].values[1]
    assert panel.nonfinite == 1


def test_without_growing_distances_chart_coordinates_are_the_places(make, make_cut):
    cut = make_cut(2)
    for changed in (cut.drop_vars("distance1"), cut.assign_coords(distance1=("c1", np.zeros(13)))):
        ((panel,),) = [view.panels for view in views(dataclasses.replace(make("plane"), cuts={"a": changed}))]
        assert not panel.distances
        np.testing.assert_array_equal(panel.places[0], cut["c0"].values)


def test_draws_of_a_plane_share_their_scale_and_have_a_spread_and_what_lies_beside_has_its_own(make, make_cut):
    picture = dataclasses.replace(make("plane", draws=3), beside={"model": make_cut(2, low=100.0)})
    found = views(picture)
    assert [view.panels[0].role for view in found] == ["cut"] * 3 + ["spread", "beside"]
    every = np.concatenate([cut["loss"].values.ravel() for cut in picture.cuts.values()])
    np.testing.assert_array_equal(np.sort(found[1].values), np.sort(every))
    assert found[-1].values.min() > 99
    stacked = np.stack([cut["loss"].values for cut in picture.cuts.values()])
    np.testing.assert_allclose(found[3].panels[0].values, stacked.std(0, ddof=1))


def test_the_spread_is_undefined_where_a_draw_is_and_not_defined_on_other_grids(make, make_cut):
    cuts = {"a": make_cut(2, nan=4), "b": make_cut(2, seed=1)}
    panels = [view.panels[0] for view in views(dataclasses.replace(make("plane"), cuts=cuts))]
    assert panels[2].nonfinite == 4
    uneven = {"a": make_cut(2), "b": make_cut(2, side=9)}
    panels = [view.panels[0] for view in views(dataclasses.replace(make("plane"), cuts=uneven))]
    assert len(panels) == 2
    assert not same_grid(panels)
    assert spread_panel(panels[:1]) is None


def test_a_line_has_a_view_a_quantity_with_training_and_held_out_data_together(make):
    picture = make("line", draws=2, metrics=("loss", "held_out_loss", "accuracy", "held_out_accuracy"))
    assert [(view.title, len(view.panels)) for view in views(picture)] == [("loss", 4), ("accuracy", 4)]


def test_losses_are_on_a_logarithmic_scale_accuracies_and_negative_values_are_not(make, make_cut):
    def scale(cut: xr.Dataset) -> bool:
        return views(dataclasses.replace(make("plane"), cuts={"a": cut}))[0].logarithmic

    assert scale(make_cut(2))
    assert not scale(make_cut(2, ("accuracy",)))
    assert not scale(make_cut(2, low=-1.0))
    assert not scale(make_cut(2, low=100.0))


def test_what_is_too_low_for_a_logarithm_is_counted(make, make_cut):
    cut = make_cut(2)
    cut["loss"].values[:2, 0] = 0, -1
    (view,) = views(dataclasses.replace(make("plane"), cuts={"a": cut}))
    assert view.lowered == 2
    assert view.floor == cut["loss"].values[cut["loss"].values > 0].min()
    cut["loss"].values[:] = -1
    (view,) = views(dataclasses.replace(make("plane"), cuts={"a": cut}))
    assert view.floor is None
