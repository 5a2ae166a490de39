"""Cuts whose numbers are kept part by part: they are those of a cut in one piece, and a broken one goes on."""

import math

import pytest
import torch
import xarray as xr
from torch import Tensor

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.geometry import Plane
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.cutting import cut
from nwedge.methods.measuring import PARTS

SIDE = 21
AXIS = torch.linspace(-1, 1, SIDE)


def measured(**options) -> xr.Dataset:
    generator = derive(0, "data")
    x, y = torch.randn(3000, 6, generator=generator), torch.randint(3, (3000,), generator=generator)
    landscape = NetworkLandscape(mlp(6, 3, (8,)), (x, y))
    u, v, origin = landscape.initial(3, derive(1))
    metrics = ("loss", "accuracy")
    return cut(landscape, Plane(u, v), [AXIS, AXIS], origin=origin, metrics=metrics, floor=0.1, **options)


class Book:
    """Parts by name; after so many new ones it breaks off."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, Tensor]] = {}
        self.left = math.inf

    def __call__(self, name, compute):
        if name not in self.parts:
            if not self.left:
                raise KeyboardInterrupt
            self.parts[name] = compute()
            self.left -= 1
        return self.parts[name]


@pytest.mark.parametrize("options", [{}, {"tolerance": 0.02}, {"refine": 0.1}, {"tolerance": 0.02, "refine": 0.1}])
def test_a_broken_cut_goes_on_and_is_that_in_one_piece(options):
    book, whole = Book(), measured(**options)
    for left in (2, 5):
        book.left = left
        with pytest.raises(KeyboardInterrupt):
            measured(**options, keep=book)
    book.left = math.inf
    found = measured(**options, keep=book)
    xr.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    assert found.attrs == whole.attrs
    if "tolerance" in options:  # as many examples: the parts share the anchors
        xr.testing.assert_equal(found["loss_examples"], whole["loss_examples"])
    again = Book()
    xr.testing.assert_identical(measured(**options, keep=again), found)


@pytest.mark.parametrize("tolerance", [None, 0.02])
def test_parts_are_as_equal_as_can_be(tolerance):
    book = Book()
    measured(tolerance=tolerance, keep=book)
    columns = {"1-whole-": "accuracy"} | ({"1-loss-": "loss"} if tolerance else {})
    for number in range(PARTS):
        for name, column in columns.items():
            assert len(book.parts[f"{name}{number}"][column]) in (SIDE**2 // PARTS, SIDE**2 // PARTS + 1)
    anchors = [len(part["losses"]) for key, part in book.parts.items() if "anchors" in key]
    assert sum(anchors) == (4 if tolerance else 0)
    assert all(count == 1 for count in anchors)
