"""The default loss and predictions: cross-entropy and softmax of model(x), for batches (x, y)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge.landscapes.networks.examples import Examples, describe, labels_of
from nwedge.landscapes.networks.functional import Function

FEW_CLASSES = 16
"""Below it, softmax is taken over a leading axis: over a last axis shorter than a vector register it is ten times
slower on a CPU."""


def classification_loss(model: nn.Module, batch: Any) -> Tensor:
    """Mean cross-entropy of model(x) and y, for a batch (x, y)."""
    inputs, labels = batch
    logits, labels = model(inputs), labels.long()
    if logits.shape[1] >= FEW_CLASSES:
        return cross_entropy(logits, labels)
    return -logits.t().log_softmax(0).gather(0, labels[None]).mean()


def class_probabilities(model: nn.Module, batch: Any) -> Tensor:
    """softmax(model(x)), for a batch whose first element is x.

    Raises:
        ValueError: a batch that is no tuple.
    """
    if not isinstance(batch, tuple | list):
        raise ValueError(
            f"predictions need batches (x, y); got {describe(batch)}: give predict=, a function(model, batch)"
        )
    logits = model(batch[0])
    return (
        logits.softmax(-1) if logits.shape[-1] >= FEW_CLASSES else logits.transpose(0, -1).softmax(0).transpose(0, -1)
    )


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


def accuracy_of(predict: Function) -> Function:
    """The function of a model and a batch whose value is the share of examples that are predicted right."""

    def accuracy(model: nn.Module, batch: Any) -> Tensor:
        probabilities = predict(model, batch)
        right = (probabilities.argmax(-1) == labels_of(batch)).to(probabilities.dtype)
        return torch.where(probabilities.isnan().any(-1), torch.nan, right).mean()

    return accuracy


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
