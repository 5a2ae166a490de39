"""The default loss and predictions: cross-entropy and softmax of model(x), for batches (x, y)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nwedge.landscapes.networks.examples import Examples, describe, labels_of
from nwedge.landscapes.networks.functional import Function

FEW_CLASSES = 16
"""Below it, softmax is taken over a leading axis: over a last axis shorter than a vector register it is ten times
slower on a CPU."""

EXACT = 1e-3
"""How far probabilities may be from a sum of 1, but for coarser dtypes."""


@dataclass(frozen=True)
class OfLogits:
    """A function of a model and a batch (x, y) that sees the model through its logits alone.

    Attributes:
        of: its value for logits (*, classes, examples) and labels (*, examples) or (examples,).
    """

    of: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """The value for model(x), of shape (examples, classes)."""
        inputs, labels = batch
        return self.of(model(inputs).mT, labels)


def _over_classes(softmax: Callable[[Tensor, int], Tensor], logits: Tensor) -> Tensor:
    """A softmax of logits (*, classes, examples), over the axis on which it is fast."""
    side_by_side = logits.stride(-2) == 1 and logits.shape[-2] >= FEW_CLASSES
    return softmax(logits.mT, -1).mT if side_by_side else softmax(logits, -2)


def _cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    picked = labels.long()[..., None, :].expand(*logits.shape[:-2], 1, -1)
    return -_over_classes(torch.log_softmax, logits).gather(-2, picked).squeeze(-2)


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return _cross_entropies(logits, labels).mean(-1)


def _probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    return _over_classes(torch.softmax, logits).mT


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return share_right(_probabilities(logits, labels), labels)


cross_entropies = OfLogits(_cross_entropies)
"""The cross-entropy of model(x) and y for each example of a batch (x, y), shape (examples,)."""
classification_loss = OfLogits(_cross_entropy)
"""Mean cross-entropy of model(x) and y, for a batch (x, y)."""
class_probabilities = OfLogits(_probabilities)
"""softmax(model(x)), of shape (examples, classes), for a batch (x, y)."""


def checked_loss(loss: Function) -> Function:
    """The loss, refused (ValueError) where its value on a batch is no scalar."""

    def checked(model: nn.Module, batch: Any) -> Tensor:
        value = loss(model, batch)
        if not isinstance(value, Tensor) or value.shape != ():
            raise ValueError(
                f"loss(model, batch) must return the mean over the batch, a tensor of shape (); got {describe(value)}"
            )
        return value

    return checked


def checked_predictions(predict: Function) -> Function:
    """The predictions, refused (ValueError) where they are not of shape (examples, classes)."""

    def checked(model: nn.Module, batch: Any) -> Tensor:
        probabilities = predict(model, batch)
        if not isinstance(probabilities, Tensor) or probabilities.ndim != 2:
            raise ValueError(
                "predict(model, batch) must return probabilities of shape (examples, classes); got "
                f"{describe(probabilities)}"
            )
        return probabilities

    return checked


def checked_probabilities(found: Tensor) -> Tensor:
    """The values, refused (ValueError) where they are negative or do not sum to 1 over the last axis; NaN may be."""
    sums = found.sum(-1, dtype=torch.float64)
    unlike = (found < 0).any(-1) | ((sums - 1).abs() > max(EXACT, 4 * torch.finfo(found.dtype).eps))
    if bool(unlike.any()):
        least, total = found[unlike][0].min().item(), sums[unlike][0].item()
        raise ValueError(
            "predict(model, batch) must return probabilities, at least 0 and of sum 1 for each example; got a row with "
            f"minimum {least:.3g} and sum {total:.3g}: are they logits? Give softmax(logits)"
        )
    return found


def share_right(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The share of examples whose most probable class is the label, NaN where a probability is.

    Args:
        probabilities: shape (*, examples, classes).
        labels: shape (*, examples) or (examples,).
    """
    right = (probabilities.argmax(-1) == labels).to(probabilities.dtype)
    return torch.where(probabilities.isnan().any(-1), torch.nan, right).mean(-1)


def accuracy_of(predict: Function) -> Function:
    """The function of a model and a batch whose value is the share of examples that are predicted right."""
    if predict is class_probabilities:
        return OfLogits(_accuracy)
    return lambda model, batch: share_right(predict(model, batch), labels_of(batch))


def check_pairs(examples: Examples, name: str) -> None:
    """Refuse data that the default loss cannot use: anything but (x, y) with integer labels y of shape (examples,).

    Raises:
        ValueError: saying what they are.
    """
    batch = examples.batch(slice(None), slice(None))
    pair = isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch)
    if not pair or batch[1].ndim != 1 or batch[1].is_floating_point():
        raise ValueError(
            f"the default loss, cross-entropy, needs {name} data (x, y) with integer labels y of shape (examples,); "
            f"got {describe(batch)}: give loss=, a function(model, batch)"
        )


def check_logits(logits: Any, count: int) -> None:
    """Refuse a model whose output for `count` examples is not of shape (count, classes) (ValueError)."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != count or not logits.is_floating_point():
        raise ValueError(
            f"the default loss, cross-entropy, needs a model output of shape (examples, classes), here ({count}, "
            f"classes); got {describe(logits)}: give loss=, a function(model, batch)"
        )


def check_labels(examples: Examples, classes: int, name: str) -> None:
    """Refuse labels outside [0, classes) (ValueError)."""
    labels = labels_of(examples.batch(slice(None), slice(None)))
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= classes:
        raise ValueError(
            f"the {name} labels must be between 0 and {classes - 1}, since the model has {classes} outputs; got "
            f"{least if least < 0 else most}"
        )
