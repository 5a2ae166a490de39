"""Data that are held once the model and its loss have been tried out on a few of them."""

from typing import Any

from torch import nn

from nwedge.landscapes.networks.classification import check_labels, check_logits, check_pairs
from nwedge.landscapes.networks.determinism import check_deterministic
from nwedge.landscapes.networks.examples import Examples, hold
from nwedge.landscapes.networks.functional import Function

PROBED = 8
"""Examples with which a model and its loss are tried out."""
EVERY = slice(None)


def hold_tried(name: str, data: Any, *, model: nn.Module, loss: Function | None) -> Examples:
    """The examples, in the dtype and on the device of the model.

    Args:
        name: what errors call the data.
        data: as `NetworkLandscape` takes them.
        model: in the mode in which it is evaluated.
        loss: (model, batch) -> mean over the batch; None: the cross-entropy of model(x) and y for batches (x, y).

    Raises:
        ValueError, TypeError: data that are empty, of unequal lengths or hold NaN, labels that are no classes, or a
            model or a loss that is random, changes in a pass, or gives something else than it should.
    """
    weight = next(model.parameters())
    examples = hold(data, name, dtype=weight.dtype, device=weight.device)
    few = examples.batch(EVERY, slice(PROBED))
    if loss is None:
        check_pairs(examples, name)
        result = check_deterministic(model, lambda probed, batch: probed(batch[0]), few, weight.device)
        check_logits(result, len(few[0]))
        check_labels(examples, result.shape[1], name)
    else:
        result = check_deterministic(model, loss, few, weight.device)
    if result.dtype != weight.dtype:
        raise TypeError(f"the loss must have the landscape's dtype, {weight.dtype}; got {result.dtype}")
    return examples
