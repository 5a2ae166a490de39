"""The tilted view: linear, unbiased, repeatable, and bound to the batch that it was drawn for."""

import pytest
import torch

from nwedge._random import derive
from nwedge.landscape import Landscape, gradient, hvp
from nwedge.landscapes.tilted import TiltedLandscape
from nwedge.landscapes.wedges import WedgeLandscape

WEDGES = WedgeLandscape(30, 5, wedges=4, profile="squared", noise=0.5, dtype=torch.float64)
POINTS = WEDGES.initial(6, derive(0, "points"))


def generators(count, name="noise"):
    return [derive(0, name, row) for row in range(count)]


def test_is_a_landscape_and_repeats_itself():
    for generator in (derive(0, "noise"), generators(6)):
        view = WEDGES.minibatch(generator)
        assert isinstance(view, Landscape)
        assert (view.dim, view.dtype, view.device) == (30, torch.float64, torch.device("cpu"))
        assert torch.equal(view.loss(POINTS), view.loss(POINTS))
        assert view.minibatch(derive(1)) is view
        assert torch.equal(view.initial(3, derive(2)), WEDGES.initial(3, derive(2)))


def test_one_generator_tilts_all_rows_alike():
    view = WEDGES.minibatch(derive(0, "noise"))
    slopes = gradient(view, POINTS) - gradient(WEDGES, POINTS)
    torch.testing.assert_close(slopes, slopes[:1].expand(6, -1))
    torch.testing.assert_close(view.loss(POINTS), WEDGES.loss(POINTS) + POINTS @ slopes[0])
    torch.testing.assert_close(hvp(view, POINTS, POINTS), hvp(WEDGES, POINTS, POINTS))


def test_a_sequence_tilts_each_row_by_its_own_generator():
    views = [WEDGES.minibatch(one).loss(POINTS[[row]]) for row, one in enumerate(generators(6))]
    torch.testing.assert_close(WEDGES.minibatch(generators(6)).loss(POINTS), torch.cat(views))
    assert len({round(float(view), 6) for view in views}) == 6


@pytest.mark.parametrize("count", [0, 5, 7])
def test_a_batch_of_another_length_is_refused(count):
    view = WEDGES.minibatch(generators(count))
    with pytest.raises(ValueError, match=f"drawn for a batch of {count} points, one generator each; got 6"):
        view.loss(POINTS)


def test_an_empty_sequence_serves_an_empty_batch():
    assert WEDGES.minibatch([]).loss(POINTS[:0]).shape == (0,)


def test_the_tilt_has_mean_zero_and_the_stated_size():
    views = 4000
    one = POINTS[:1]
    tilts = WEDGES.minibatch(generators(views)).loss(one.expand(views, -1)) - WEDGES.loss(one)
    tilts = tilts / (0.5 * one.norm())  # standard normal
    assert tilts.mean().abs() < 5 / views**0.5
    assert (tilts.square().mean() - 1).abs() < 5 * (2 / views) ** 0.5


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="sigma must be at least 0"):
        TiltedLandscape(WEDGES, -1.0, derive(0))
    with pytest.raises(ValueError, match=r"points must have shape \(batch, 30\)"):
        WEDGES.minibatch(derive(0)).loss(POINTS[:, :3])


def test_the_gradient_is_that_of_a_backward_pass():
    for view in (WEDGES.minibatch(derive(0, "noise")), WEDGES.minibatch(generators(6))):
        leaf = POINTS.clone().requires_grad_()
        losses, slopes = view.loss_and_gradient(leaf)
        torch.testing.assert_close(losses, view.loss(POINTS))
        torch.testing.assert_close(slopes, torch.autograd.grad(view.loss(leaf).sum(), leaf)[0])
