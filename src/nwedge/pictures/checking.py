"""The self-check of a picture: the loss at a few of its points by a plain loop over the user's own module."""

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from nwedge._random import derive
from nwedge.landscape import evaluate
from nwedge.landscapes.networks.examples import labels_of
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.methods.measuring import ERROR
from nwedge.pictures.cuts import chosen
from nwedge.pictures.sections import Section
from nwedge.specs.picture import METRICS, CutArguments
from nwedge.specs.references import find

AGREE = 1e-4
"""The relative difference up to which two evaluations are one: more than rounding in float32."""
FLOOR = 0.01
"""The value below which differences are relative to the floor: a loss near 0 is rounded absolutely."""
FAR = 6
"""Standard errors beyond which an estimate is wrong: its error is itself uncertain, by more than a normal law says."""
HELD_OUT = "held_out_"
WORDS = {
    "loss": "training loss",
    "accuracy": "training accuracy",
    "held_out_loss": "held-out loss",
    "held_out_accuracy": "held-out accuracy",
}
Function = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True)
class Pair:
    """A value as it is shown, and the plain loop's.

    Attributes:
        shown: in the picture.
        plain: by the loop.
        error: the standard error of what is shown; 0 or NaN where it is no estimate.
        step: a difference that rounding may make: of an accuracy one example, whose classes may tie.
    """

    shown: float
    plain: float
    error: float = 0.0
    step: float = 0.0

    @property
    def estimated(self) -> bool:
        """Whether the value is an estimate with an error."""
        return self.error > 0

    @property
    def difference(self) -> float:
        """Relative to the loop's or, of estimates, in standard errors; infinite where only one of them is finite."""
        if not (math.isfinite(self.shown) and math.isfinite(self.plain)):
            return 0.0 if self.shown == self.plain or (math.isnan(self.shown) and math.isnan(self.plain)) else math.inf
        apart, size = abs(self.shown - self.plain), max(abs(self.plain), FLOOR)
        if self.estimated:
            return max(0.0, apart - AGREE * size) / self.error
        return 0.0 if apart <= self.step else apart / size


@dataclass(frozen=True)
class Check:
    """Values of a picture that were computed twice.

    Attributes:
        points: how many points were looked at.
        compared: what was compared, in words.
        difference: the largest relative one of values that are no estimates; None where all are.
        deviation: the largest one of estimates, in their standard errors; None where there are none.
    """

    points: int
    compared: str
    difference: float | None
    deviation: float | None

    @property
    def passed(self) -> bool:
        """Whether values differ by no more than rounding, and estimates by no more than chance."""
        return (self.difference is None or self.difference <= AGREE) and (
            self.deviation is None or self.deviation <= FAR
        )

    @property
    def sentence(self) -> str:
        """What was found."""
        found = []
        if self.difference is not None:
            found.append(f"the largest relative difference is {self.difference:.1e} ({AGREE:.0e} may be rounding)")
        if self.deviation is not None:
            found.append(
                f"estimates lie up to {self.deviation:.1f} standard errors from the values on all examples "
                f"({FAR} may be chance)"
            )
        told = (
            f"Self-check of {self.compared} at {self.points} points, computed again on all examples in a plain loop "
            f"over your own module: {', and '.join(found)}"
        )
        return f"{told}." if self.passed else f"{told}: do not trust this picture."


def self_check(
    arguments: CutArguments,
    landscape: NetworkLandscape,
    draws: Mapping[str, Section],
    cuts: Mapping[str, xr.Dataset],
) -> Check:
    """The values of a few points of a picture, as they are stored, against those of the plain loop.

    Losses and accuracies are checked. Where a picture shows functions of the user's alone, no loop can do that again:
    the training loss of the landscape that they were given is checked.

    Args:
        arguments: of the picture.
        landscape: the network.
        draws: the sections, by label.
        cuts: their values, by label.
    """
    places = chosen(draws, cuts, derive(arguments.seed, "picture", "check"))
    points = torch.stack([point for _, _, point in places])
    shown = [name for name in arguments.metrics if name in METRICS]
    pairs: list[Pair] = []
    for metric in shown:
        of_loss = metric.endswith("loss")
        given = arguments.loss if of_loss else arguments.predict
        own = None if given is None else find(given)
        function = (own or _cross_entropy) if of_loss else share_right(own or _logits)
        held_out = metric.startswith(HELD_OUT)
        plain = plain_values(landscape, points, function, held_out=held_out)
        examples = (landscape.held_out if held_out else landscape).examples
        for value, (label, at, _) in zip(plain, places, strict=True):
            error = cuts[label].get(metric + ERROR)
            step = 0.0 if of_loss else 1.5 / examples
            pairs.append(
                Pair(
                    float(cuts[label][metric].values[at]),
                    value,
                    0.0 if error is None else float(error.values[at]),
                    step,
                )
            )
    if not shown:
        own = None if arguments.loss is None else find(arguments.loss)
        plain = plain_values(landscape, points, own or _cross_entropy)
        pairs = [Pair(*values) for values in zip(evaluate(landscape, points).tolist(), plain, strict=True)]
    words = " and ".join(f"the {WORDS[name]}" for name in shown) or "the training loss, which is not shown"
    return check_of(pairs, points=len(places), compared=words)


def check_of(pairs: Sequence[Pair], *, points: int, compared: str) -> Check:
    """The check of values at so many points."""
    exact = [pair.difference for pair in pairs if not pair.estimated]
    estimated = [pair.difference for pair in pairs if pair.estimated]
    return Check(points, compared, max(exact, default=None), max(estimated, default=None))


def plain_values(
    landscape: NetworkLandscape,
    points: Float[Tensor, "batch dim"],
    function: Function,
    *,
    held_out: bool = False,
) -> list[float]:
    """A mean over examples of the user's module at each point: weights copied in, then one pass after another.

    Where BatchNorm is recomputed, its layers first see all training data in training mode, as in
    `torch.optim.swa_utils.update_bn`. Batches are as large as those of the landscape.

    Args:
        landscape: the network on its training data.
        points: shape (batch, dim).
        function: from the model and a batch to the mean over the batch.
        held_out: of the held-out data.
    """
    training = list(_batches(landscape))
    data = list(_batches(landscape.held_out)) if held_out else training
    found = []
    with torch.no_grad():
        for point in points:
            model = _at(landscape, point)
            if landscape.recomputes:
                _recompute(model, function, training)
            total = sum(function(model, batch).double() * size for size, batch in data)
            found.append(float(total / sum(size for size, _ in data)))
    return found


def all_examples(landscape: NetworkLandscape) -> Any:
    """The examples of a landscape as one batch."""
    every = torch.arange(landscape.examples)
    return landscape.take(every, alone=True).pass_of(landscape.examples).batch


def _batches(landscape: NetworkLandscape) -> Iterator[tuple[int, Any]]:
    """The size of each batch, and the batch."""
    whole, total = all_examples(landscape), landscape.examples
    count = math.ceil(total / landscape.chunk)
    ends = [total * number // count for number in range(count + 1)]
    for start, stop in itertools.pairwise(ends):
        yield stop - start, pytree.tree_map(operator.itemgetter(slice(start, stop)), whole)


def _at(landscape: NetworkLandscape, point: Tensor) -> nn.Module:
    """The user's module with the weights of a point, copied one parameter after another."""
    model = landscape.model.to(landscape.device, landscape.dtype)
    start = 0
    for parameter in model.parameters():
        stop = start + parameter.numel()
        parameter.copy_(point[start:stop].view(parameter.shape))
        start = stop
    return model


def _recompute(model: nn.Module, function: Function, batches: Sequence[tuple[int, Any]]) -> None:
    """The average over batches, by their sizes, of what each BatchNorm layer sees, then its evaluation mode."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    seen = 0
    for size, batch in batches:
        seen += size
        for layer in layers:
            layer.momentum = size / seen
        function(model, batch)
    for layer in layers:
        layer.eval()


def share_right(scores: Function) -> Function:
    """The share of a batch whose label has the largest score, NaN where a score is, of a model and a batch."""

    def share(model: nn.Module, batch: Any) -> Tensor:
        found = scores(model, batch)
        right = (found.argmax(1) == labels_of(batch)).double()
        return right.where(~found.isnan().any(1), torch.nan).mean()

    return share


def _cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def _logits(model: nn.Module, batch: Any) -> Tensor:
    return model(batch[0])
