"""Laws of the minibatches: views that are landscapes and whose expectation is the loss."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nwedge.landscape import evaluate, loss_and_gradient
from nwedge.testing.case import ROUNDING, Case
from nwedge.testing.derivatives import gradient_agrees_with_differences, gradient_is_there
from nwedge.testing.losses import batch_does_not_matter, has_attributes, one_loss_a_point, two_calls_agree

DRAWS = 200
"""Minibatches whose mean is compared with the loss; it must lie within 4 standard errors."""


def views_are_alike(case: Case) -> None:
    """A view of one generator has the landscape's dim, dtype and device, one loss a point and a gradient."""
    view = _view(case)
    has_attributes(view.landscape, view.where)
    for name in ("dim", "dtype", "device"):
        expected, came = getattr(case.landscape, name), getattr(view.landscape, name)
        case.require(expected == came, "minibatches", f"views of {name} {expected}", came)
    one_loss_a_point(view)
    gradient_is_there(view)


def views_are_landscapes(case: Case) -> None:
    """A view of one generator keeps the laws of a landscape, and the same generator state draws the same view."""
    view, again = _view(case), _view(case)
    for law in (two_calls_agree, batch_does_not_matter, gradient_agrees_with_differences):
        law(view)
    first, second = evaluate(view.landscape, case.points), evaluate(again.landscape, case.points)
    case.require_equal(first, second, "minibatches", "the same view from the same generator state")


def _view(case: Case) -> Case:
    view = case.landscape.minibatch(case.generator("view"))
    return dataclasses.replace(case, landscape=view, where=" in a minibatch")


def each_row_has_its_own_draw(case: Case) -> None:
    """With a sequence of generators, row i has the loss and gradient that it has alone with its own generator."""

    def seen(rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        view = case.landscape.minibatch([case.generator("row", row) for row in rows])
        return loss_and_gradient(view, case.points[list(rows)])

    law, rows = "minibatches", range(len(case.points))
    losses, slopes = seen(rows)
    alone = [seen([row]) for row in rows]
    expected = "of row i in a sequence of generators to be that of its own generator alone"
    case.require_equal(losses, torch.cat([loss for loss, _ in alone]), law, f"the loss {expected}")
    error = (slopes - torch.cat([slope for _, slope in alone])).norm(dim=1)
    allowed = case.algebra * slopes.norm(dim=1) + ROUNDING * case.eps
    case.require_median(error, allowed, law, f"the gradient {expected}")


def expectation_is_loss(case: Case) -> None:
    """The mean over an epoch is the loss; that over draws is within 4 standard errors. Waived by `unbiased = False`."""
    landscape, points, law = case.landscape, case.points[:3], "expectation"
    if getattr(landscape.minibatch(case.generator("draw", 0)), "unbiased", True) is False:
        return
    losses = evaluate(landscape, points)
    if hasattr(landscape, "epoch"):
        views = [evaluate(view, points) for view in landscape.epoch(case.generator("epoch"))]
        expected = "the mean loss over the views of an epoch to be the loss"
        case.require_equal(torch.stack(views).mean(0), losses, law, expected)
    drawn = torch.stack([evaluate(landscape.minibatch(case.generator("draw", i)), points) for i in range(DRAWS)])
    gap, margin = (drawn.mean(0) - losses).abs(), 4 * drawn.std(0) / math.sqrt(DRAWS)
    allowed = margin + case.same * losses.abs().max() + case.eps
    expected = f"the mean loss over {DRAWS} minibatches to lie within 4 standard errors of the loss"
    case.require((gap <= allowed).all(), law, expected, f"gaps {gap.tolist()} where {allowed.tolist()} is allowed")
