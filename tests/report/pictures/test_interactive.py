import dataclasses
import json

import numpy as np
import pytest

from nwedge.report.pictures import hovering, interactive, moving, trajectories
from nwedge.report.pictures.panels import views


@pytest.mark.parametrize("kind", ["line", "plane", "trajectory", "spectrum"])
def test_every_way_and_scale_is_plain_json(make, kind):
    choices = json.loads(interactive.data(interactive.shown(make(kind, **({} if kind == "spectrum" else {"nan": 4})))))
    for choice in choices:
        assert set(choice["figures"]) == ({"contours", "surface"} if kind in ("plane", "trajectory") else {"lines"})
        for scales in choice["figures"].values():
            assert set(scales) == {"log", "linear"} == set(choice["told"])


@pytest.mark.parametrize("log", [False, True])
def test_heights_are_the_values_undefined_ones_stay_undefined_and_low_ones_are_put_at_the_floor(make, log):
    (cut,) = make("plane").cuts.values()
    cut["loss"].values[0, :4] = np.nan, np.inf, 0, -1
    (view,) = views(dataclasses.replace(make("plane"), cuts={"a": cut}))
    values = cut["loss"].values
    heights = interactive.heights(values, view, log)
    assert np.isnan(heights[0, :2]).all()
    assert np.isfinite(heights).sum() == values.size - 2
    if log:
        assert (heights[0, 2:4] == np.log10(view.floor)).all()
        np.testing.assert_allclose(10 ** heights[1:], values[1:])
    else:
        np.testing.assert_array_equal(heights[1:], values[1:])


def test_values_that_have_no_logarithm_leave_the_linear_scale_alone_and_say_so(make, make_cut):
    picture = dataclasses.replace(make("plane"), cuts={"a": make_cut(2, low=-100.0)})
    (choice,) = interactive.shown(picture)
    assert set(choice.told) == {"linear"}
    assert "no value is positive" in choice.told["linear"]


def test_what_is_said_of_a_place_is_its_value_error_and_distances(make):
    picture = make("plane", error=True, nan=1)
    (view,) = views(picture)
    texts = hovering.texts(picture, view.panels[0])
    assert texts.shape == view.panels[0].values.shape
    assert "undefined" in texts[0, 0]
    assert "±" in texts[5, 6]
    assert "filter-normalised direction 2" in texts[5, 6]


def test_the_path_says_the_loss_of_the_checkpoint_and_how_far_off_it_lies(make):
    (choice,) = interactive.shown(make("trajectory"))
    path = choice.figures["contours"]["log"]["data"][1]
    assert path["name"] == "checkpoints"
    assert "off the plane" in path["text"][3]
    assert "loss at the checkpoint itself" in path["text"][3]


@pytest.mark.parametrize("way", ["contours", "surface"])
def test_a_legend_says_what_the_sizes_of_checkpoints_mean(make, way):
    (choice,) = interactive.shown(make("trajectory"))
    figure = choice.figures[way]["log"]
    legend = {trace["name"]: trace["marker"]["size"] for trace in figure["data"] if trace.get("showlegend")}
    path = trajectories.read(make("trajectory").trajectory)
    marks = next(trace for trace in figure["data"] if trace.get("name") == "checkpoints")["marker"]["size"]
    scale = moving.FLAT if way == "contours" else moving.RAISED
    assert legend == {label: pytest.approx(size * scale) for label, size in path.legend.items()}
    assert marks == pytest.approx(path.sizes * scale)


def test_texts_of_the_user_cannot_end_the_script(make):
    picture = dataclasses.replace(make("plane"), marks={"</script><b>": (0.0, 0.0)})
    assert "</script>" not in interactive.data(interactive.shown(picture))
