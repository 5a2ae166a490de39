"""The losses of single examples: a mean over a batch of one is the loss of its example."""

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils import _pytree as pytree

from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.functional import Function


class OneByOne:
    """A user's loss of each example, from batches of one: stacked by vmap where that works, else one after another.

    Args:
        evaluation: how the network is evaluated.
        loss: its value on a batch is the mean over the batch.
        point: where the ways are tried out, on first use, shape (dim,).
        few: the examples on which they are.
    """

    def __init__(self, evaluation: Evaluation, loss: Function, point: Tensor, few: Any) -> None:
        self._evaluation, self._loss, self._points, self._few = evaluation, loss, point[None], few

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss of each example of a batch, shape (examples,)."""
        return self._stacked(model, batch) if self._stacks else self._in_turn(model, batch)

    @functools.cached_property
    def _stacks(self) -> bool:
        """Whether vmap works here.

        Raises:
            ValueError: the loss of the few examples is not the mean of their losses.
        """
        losses = self._tried(self._in_turn)
        mean = self._tried(self._loss)
        if not _agree(losses.mean(1), mean):
            raise ValueError(
                f"loss(model, batch) must be the mean over the examples of the batch; got {mean.item():.6g} on "
                f"{losses.shape[1]} examples, and {losses.mean().item():.6g} as the mean of batches of one"
            )
        try:
            return _agree(self._tried(self._stacked), losses)
        except Exception:  # whatever a user's function does under vmap
            return False

    def _stacked(self, model: nn.Module, batch: Any) -> Tensor:
        return vmap(lambda one: self._loss(model, _batch_of(one)))(batch)

    def _in_turn(self, model: nn.Module, batch: Any) -> Tensor:
        count = len(pytree.tree_leaves(batch)[0])
        singles = (pytree.tree_map(lambda leaf, row=row: leaf[row : row + 1], batch) for row in range(count))
        return torch.stack([self._loss(model, single) for single in singles])

    def _tried(self, function: Function) -> Tensor:
        with torch.no_grad():
            return self._evaluation.values(function, self._points.repeat(2, 1), None, self._few)[:1]


def _batch_of(example: Any) -> Any:
    return pytree.tree_map(lambda leaf: leaf[None], example)


def _agree(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, rtol=1e-3, atol=1e-5, equal_nan=True)
