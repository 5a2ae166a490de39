"""`check_landscape`: every law of the protocol, in order."""

from typing import Any

from torch import Tensor

from nwedge._checks import check_points
from nwedge._random import derive
from nwedge.testing import derivatives, examples, losses, minibatches, predictions, purity, restriction
from nwedge.testing.case import Case

POINTS = 4
"""Points drawn from `initial` where none are given."""

LAWS = (
    purity.losses_change_nothing,
    losses.one_loss_a_point,
    losses.initial_losses_are_finite,
    purity.derivatives_change_nothing,
    derivatives.gradient_is_there,
    derivatives.loss_and_gradient_are_those_of_two_calls,
    losses.two_calls_agree,
    losses.batch_does_not_matter,
    derivatives.gradient_agrees_with_differences,
    derivatives.hvp_is_linear_and_symmetric,
    derivatives.hvp_agrees_with_differences,
    restriction.restriction_commutes_with_embedding,
    minibatches.views_are_alike,
    purity.minibatches_change_nothing,
    minibatches.views_are_landscapes,
    minibatches.each_row_has_its_own_draw,
    minibatches.expectation_is_loss,
    purity.predictions_change_nothing,
    predictions.predictions_are_probabilities,
    predictions.held_out_is_alike,
    examples.examples_make_up_the_loss,
)
"""One small function a law; an earlier one is what a later one stands on."""


def check_landscape(landscape: Any, *, points: Tensor | None = None, seed: int = 0) -> None:
    """Hold a landscape to every law of the protocol, one after the other; return nothing if all of them hold.

    The laws: dim, dtype and device; initial points; one loss a point; nothing but the result changes (points, modules,
    global state); two calls agree; a point's loss does not depend on its batch; gradient and hvp agree with central
    differences; restriction commutes with embedding; minibatches have the loss as their expectation; probabilities;
    the losses of examples have the loss as their mean.

    Two losses are equal up to rounding, as sums may be taken in another order: 1e-9 of the largest in float64, 1e-4 in
    float32. Derivatives are judged by the median over 8 pairs of a point and a direction, as a step may cross a kink.

    Args:
        landscape: an object with the attributes of `nwedge.Landscape`, and of `Predictive` if it has `predict`.
        points: where the laws are tested, shape (batch, dim) with batch at least 2; None draws 4 from `initial`.
        seed: of all the draws; the outcome depends on it and on the landscape alone.

    Raises:
        LandscapeError: a law is broken; the message says which, what was expected and what came.
        ValueError, TypeError: `points` that do not belong to the landscape, or fewer than 2.
    """
    losses.has_attributes(landscape)
    untouched = purity.untouched_state(landscape)
    losses.initial_points_are_points(landscape, seed)
    tested: Tensor = landscape.initial(POINTS, derive(seed, "check_landscape", "points")) if points is None else points
    check_points(landscape, tested)
    if len(tested) < 2:
        raise ValueError(f"points must be at least 2, since their batch may matter; got {len(tested)}")
    case = Case(landscape, tested.detach().clone(), seed, untouched)
    for law in LAWS:
        law(case)
