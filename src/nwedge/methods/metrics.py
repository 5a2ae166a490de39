"""What is measured at points, by name: a loss, an accuracy, or any function of the user's own."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from nwedge._checks import check_choice
from nwedge.landscape import Landscape, evaluate

Function = Callable[[Any, Tensor], Tensor]
"""From a landscape and its points (batch, dim) to one number each, (batch,)."""
Metrics = Sequence[str] | Mapping[str, Function | str]
TAKEN = re.compile(r"(c|distance)\d+|evaluated|.*_(error|examples)")
"""Names of what is stored beside metrics."""
HELD_OUT = "held_out_"
NAMES = ("loss", "accuracy", "held_out_loss", "held_out_accuracy")


@dataclass(frozen=True, eq=False)
class Metric:
    """A number at every point; two of them are equal only if they are one, whatever their landscapes.

    Attributes:
        name: by which its values are stored.
        landscape: on whose data it is taken.
        function: from that landscape and points, shape (batch, dim), to values, shape (batch,).
        long_name: in words.
        units: "nats", "fraction" or "1".
        estimable: whether it is a landscape's loss, which few examples may estimate.
    """

    name: str
    landscape: Any
    function: Function
    long_name: str
    units: str
    estimable: bool = False

    def __call__(self, points: Tensor) -> Float64[Tensor, " batch"]:
        """The values at points, shape (batch,), without a graph.

        Raises:
            ValueError, TypeError: a function that does not return one real number a point.
        """
        with torch.no_grad():
            found = self.function(self.landscape, points)
        expected = f"metric '{self.name}' must return one number a point, a tensor of shape ({len(points)},)"
        if not isinstance(found, Tensor):
            raise TypeError(f"{expected}; got {type(found).__name__}")
        if found.shape != (len(points),):
            raise ValueError(f"{expected}; got shape {tuple(found.shape)}: reduce it, or give each part a name")
        if found.is_complex():
            raise TypeError(f"{expected} and real; got {found.dtype}")
        return found.double()


def metrics_of(landscape: Landscape, metrics: Metrics) -> list[Metric]:
    """The metrics that are asked for by name, or by name and function.

    Args:
        landscape: any landscape.
        metrics: names among "loss", "accuracy", "held_out_loss" and "held_out_accuracy"; or, by names of one's own,
            functions (landscape, points) -> (batch,) or such names.

    Raises:
        ValueError: none, an unknown or repeated name, or one that needs held-out data or predictions where the
            landscape has none.
        TypeError: something that is neither names nor functions by name.
    """
    if not metrics:
        raise ValueError(f"metrics must be at least one of {', '.join(NAMES)}, or functions by name; got none")
    if isinstance(metrics, Mapping):
        return [_own(landscape, name, function) for name, function in metrics.items()]
    names = [metrics] if isinstance(metrics, str) or not isinstance(metrics, Iterable) else list(metrics)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"metrics must be names, or functions by names of one's own; got {metrics!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must be different; got {', '.join(map(str, names))}")
    return [_known(landscape, name) for name in names]


def _known(landscape: Any, name: str) -> Metric:
    check_choice("a metric", name, NAMES)
    kind, whose = name.removeprefix(HELD_OUT), type(landscape).__name__
    if kind != name:
        landscape = getattr(landscape, "held_out", None)
        if landscape is None:
            raise ValueError(f"the metric '{name}' needs held-out data, and this {whose} has none: give it some")
    data = "held-out" if kind != name else "training"
    if kind == "loss":
        units = getattr(landscape, "units", "1")
        words = f"{data} loss" if hasattr(landscape, "examples") else "loss"
        return Metric(name, landscape, evaluate, words, units, estimable=True)
    if not hasattr(landscape, "accuracy"):
        raise ValueError(f"the metric '{name}' needs predictions of classes, and this {whose} makes none: use 'loss'")
    return Metric(name, landscape, lambda own, points: own.accuracy(points), f"{data} accuracy", "fraction")


def _own(landscape: Any, name: Any, function: Function | str) -> Metric:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"a metric's name must be a word of letters, digits and underscores; got {name!r}")
    if TAKEN.fullmatch(name):
        raise ValueError(f"a metric must not be called '{name}', which is the name of something else: give it another")
    if isinstance(function, str):
        return replace(_known(landscape, function), name=name)
    if not callable(function):
        raise TypeError(
            f"metric '{name}' must be a function (landscape, points) -> (batch,); got {type(function).__name__}"
        )
    return Metric(name, landscape, function, name.replace("_", " "), "1")
