"""Laws of landscapes that predict: probabilities, accuracies and held-out data."""

import dataclasses

import torch
from torch import Tensor

from nwedge.testing.case import Case
from nwedge.testing.losses import has_attributes, one_loss_a_point


def predictions_are_probabilities(case: Case) -> None:
    """`predict` gives probabilities that sum to 1 over the classes, `accuracy` a fraction for each point."""
    landscape, points, law = case.landscape, case.points, "predictions"
    if not hasattr(landscape, "predict"):
        return
    probabilities = landscape.predict(points)
    came = type(probabilities).__name__
    case.require(isinstance(probabilities, Tensor), law, "`predict` to give a torch.Tensor", came)
    shape = tuple(probabilities.shape)
    case.require(len(shape) == 3, law, "`predict` to give the shape (batch, examples, classes)", shape)
    case.require_tensor(probabilities, law, "the result of `predict`", (len(points), *shape[1:]))
    case.require((probabilities >= 0).all(), law, "probabilities of 0 or more", probabilities.min().item())
    totals = probabilities.sum(-1)
    case.require_equal(totals, torch.ones_like(totals), law, "probabilities that sum to 1 over the classes")
    again = landscape.predict(points)
    case.require_equal(probabilities, again, law, "two calls of `predict` at the same points to agree")
    case.require(hasattr(landscape, "accuracy"), law, "a method `accuracy` beside `predict`", "none")
    accuracy = landscape.accuracy(points)
    case.require_tensor(accuracy, law, "the result of `accuracy`", (len(points),))
    case.require(((accuracy >= 0) & (accuracy <= 1)).all(), law, "accuracies between 0 and 1", accuracy.tolist())


def held_out_is_alike(case: Case) -> None:
    """Held-out data, where there are any, are a landscape of the same dim, dtype and device, predictive if it is."""
    held_out = getattr(case.landscape, "held_out", None)
    if held_out is None:
        return
    where = " on the held-out data"
    has_attributes(held_out, where)
    for name in ("dim", "dtype", "device"):
        expected, came = getattr(case.landscape, name), getattr(held_out, name)
        case.require(expected == came, "predictions", f"held-out data of {name} {expected}", came)
    alike = hasattr(held_out, "predict") or not hasattr(case.landscape, "predict")
    case.require(alike, "predictions", "held-out data with a method `predict`", "none")
    for law in (one_loss_a_point, predictions_are_probabilities):
        law(dataclasses.replace(case, landscape=held_out, where=where))
