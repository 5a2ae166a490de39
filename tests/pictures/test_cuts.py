"""The cuts of a picture and the values at its checkpoints, many at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import WedgeLandscape, evaluate
from nwedge.geometry import Line
from nwedge.methods.measuring import LEAST
from nwedge.pictures.cuts import cut_all, values_at, with_places
from nwedge.pictures.keeping import Keeper
from nwedge.pictures.progress import Display
from nwedge.pictures.sections import Section
from nwedge.specs.picture import LinePicture


def test_checkpoints_are_evaluated_in_batches():
    landscape = WedgeLandscape(30, 5, wedges=4, seed=0, dtype=torch.float64)
    points = landscape.initial(LEAST + 3, torch.Generator().manual_seed(0))
    sizes, told = [], []

    def own(landscape, points):
        sizes.append(len(points))
        return landscape.loss(points)

    found = values_at(landscape, points, list(map(str, range(len(points)))), {"own": own}, told.append)
    assert sizes == told == [LEAST, 3]
    np.testing.assert_allclose(found["own"], evaluate(landscape, points), rtol=1e-12)


class Noted(Display):
    """Notes how many units are done."""

    def __init__(self) -> None:
        self.done, self.whole = [], 0

    def step(self, share, units):
        self.done.append(self.whole + share * units)

    def advance(self, units):
        self.whole += units


def test_the_progress_of_several_cuts_is_that_of_all(tmp_path):
    landscape = WedgeLandscape(30, 5, wedges=4, seed=0, dtype=torch.float64)
    points = landscape.initial(3, torch.Generator().manual_seed(0))
    axis = torch.linspace(0, 1, 9, dtype=torch.float64)
    draws = {str(n): Section(Line(points[0], points[n]), None, [axis]) for n in (1, 2)}
    arguments = LinePicture(checkpoints=(Path("a"),), network="a:b", data="a:c")
    display = Noted()
    cuts = cut_all(landscape, draws, arguments, {"loss": "loss"}, Keeper(tmp_path, "one", int), display, tolerance=None)
    for n, cut in cuts.items():
        np.testing.assert_allclose(cut["loss"], evaluate(landscape, draws[n].points(axis[:, None])), rtol=1e-12)
    assert display.done == sorted(display.done)
    assert display.done[-1] == display.whole == 18


def test_places_on_a_refined_line_take_part_in_its_cost():
    def line(places, count, share):
        examples = ("c0", [1] * len(places), {"share": share})
        cut = xr.Dataset({"loss_examples": examples, "evaluated": ("c0", [True] * len(places))}, {"c0": places})
        return cut.assign_attrs(evaluations=count)

    both = with_places(line([0.0, 0.5, 1.0], 6, 0.25), line([0.0, 0.3], 2, 0.75), torch.tensor([0.0, 0.3, 0.5, 1.0]))
    assert both["c0"].values.tolist() == [0.0, 0.3, 0.5, 1.0]
    assert both.attrs["evaluations"] == 8
    assert both["loss_examples"].attrs["share"] == pytest.approx(0.375)
