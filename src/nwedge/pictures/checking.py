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
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.methods.measuring import ERROR
from nwedge.pictures.cuts import chosen
from nwedge.pictures.sections import Section
from nwedge.specs.picture import CutArguments
from nwedge.specs.references import find

AGREE = 1e-4
"""The relative difference up to which two evaluations of a loss are one: more than rounding in float32."""
FLOOR = 0.01
"""The loss below which differences are relative to the floor: a loss near 0 is rounded absolutely."""
LOSSES = ("loss", "held_out_loss")
Function = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True)
class Check:
    """Losses that were evaluated twice.

    Attributes:
        points: how many there were.
        difference: the largest one, relative to the loss; infinite where one of the two is finite and the other not.
    """

    points: int
    difference: float

    @property
    def passed(self) -> bool:
        """Whether the two differ by no more than rounding."""
        return self.difference <= AGREE

    @property
    def sentence(self) -> str:
        """What was found."""
        told = (
            f"Self-check: at {self.points} points of the picture the loss was evaluated again, in a plain loop over "
            f"your own module; the largest relative difference is {self.difference:.1e}"
        )
        return f"{told}." if self.passed else f"{told}, more than rounding ({AGREE:.0e}): do not trust this picture."


def self_check(
    arguments: CutArguments,
    landscape: NetworkLandscape,
    draws: Mapping[str, Section],
    cuts: Mapping[str, xr.Dataset],
) -> tuple[Check, list[float]]:
    """The losses of a few points of a picture against the plain loop's, and how far off estimates are.

    Losses that were measured on all examples are checked as they are stored; where they were estimated, those that the
    landscape now gives on all examples.

    Args:
        arguments: of the picture.
        landscape: the network.
        draws: the sections, by label.
        cuts: their values, by label.

    Returns:
        The check, and the distance of each estimate from the loss on all examples, in its standard errors.
    """
    places = chosen(draws, cuts, derive(arguments.seed, "picture", "check"))
    points = torch.stack([point for _, _, point in places])
    own = None if arguments.loss is None else find(arguments.loss)
    shown: list[float] = []
    plain: list[float] = []
    deviations: list[float] = []
    for metric in [name for name in LOSSES if name in arguments.metrics] or LOSSES[:1]:
        held_out = metric != LOSSES[0]
        loop = plain_losses(landscape, points, own, held_out=held_out)
        plain += loop
        stored = [cuts[label].get(metric) for label, _, _ in places]
        errors = [cuts[label].get(metric + ERROR) for label, _, _ in places]
        values = [
            math.nan if one is None else float(one.values[at]) for one, (_, at, _) in zip(stored, places, strict=True)
        ]
        if all(one is not None for one in stored) and all(one is None for one in errors):
            shown += values
        else:
            shown += evaluate(landscape.held_out if held_out else landscape, points).tolist()
        for value, exact, error, (_, at, _) in zip(values, loop, errors, places, strict=True):
            if error is not None and float(error.values[at]) > 0:
                deviations.append(abs(value - exact) / float(error.values[at]))
    return compare(shown, plain, points=len(places)), deviations


def compare(shown: Sequence[float], plain: Sequence[float], *, points: int) -> Check:
    """The check of losses of so many points as they are shown against those of the plain loop."""
    return Check(points, max(map(_difference, shown, plain)))


def plain_losses(
    landscape: NetworkLandscape,
    points: Float[Tensor, "batch dim"],
    loss: Function | None = None,
    *,
    held_out: bool = False,
) -> list[float]:
    """The loss of the user's module at each point: weights copied in, then one forward pass after another.

    Where BatchNorm is recomputed, its layers first see all training data in training mode, as in
    `torch.optim.swa_utils.update_bn`. Batches are as large as those of the landscape.

    Args:
        landscape: the network on its training data.
        points: shape (batch, dim).
        loss: the user's loss(model, batch); None is the cross-entropy of (x, y).
        held_out: of the held-out data.
    """
    training = list(_batches(landscape))
    data = list(_batches(landscape.held_out)) if held_out else training
    function, found = loss or _cross_entropy, []
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


def _cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def _difference(shown: float, plain: float) -> float:
    if not (math.isfinite(shown) and math.isfinite(plain)):
        return 0.0 if shown == plain or (math.isnan(shown) and math.isnan(plain)) else math.inf
    return abs(shown - plain) / max(abs(plain), FLOOR)
