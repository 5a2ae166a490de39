"""Means over examples of a function of points, in blocks of points and chunks of examples."""

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from nwedge.landscape import differentiated
from nwedge.landscapes.networks.classification import OfLogits, classification_loss
from nwedge.landscapes.networks.dropout import dropping
from nwedge.landscapes.networks.examples import Drawn, Examples
from nwedge.landscapes.networks.functional import Function, Network
from nwedge.landscapes.networks.stacked import Stacked
from nwedge.landscapes.networks.stacked_curvature import ChainHessian
from nwedge.landscapes.networks.strategy import BLOCK, DIFFERENTIATED, HELD, place


@dataclass(frozen=True)
class Evaluation:
    """How a network is evaluated at many points on many examples.

    Attributes:
        network: the network.
        strategy: "stacked", "vmap" or "loop".
        chunk: examples evaluated at once.
        stacked: the network as a chain of dense layers, with "stacked".
    """

    network: Network
    strategy: str
    chunk: int
    stacked: Stacked | None = None

    def mean(
        self,
        function: Function,
        points: Tensor,
        statistics: Tensor | None,
        examples: Examples | Drawn,
        *,
        seeds: Sequence[int] | None = None,
        whole: bool = False,
    ) -> Tensor:
        """The mean over the examples of function(model at the point, batch), shape (batch,).

        Args:
            function: its value on a batch is a mean over the batch.
            points: shape (batch, dim).
            statistics: of the BatchNorm layers, shape (batch, statistics); None takes each batch's own.
            examples: those that are averaged over.
            seeds: of the dropout masks, one per row; None turns dropout off.
            whole: take the examples as one batch, however many they are.
        """

        def piece(rows: slice, points: Tensor, statistics: Tensor | None, batch: Any) -> Tensor:
            own_seeds = None if seeds is None else seeds[rows]
            return self.values(function, points, statistics, batch, per_row=examples.per_row, seeds=own_seeds)

        return self._mean(piece, points, statistics, examples, whole)

    def mean_and_gradient(
        self, function: Function, points: Tensor, statistics: Tensor, examples: Examples
    ) -> tuple[Tensor, Tensor]:
        """The mean over the examples and its gradient, detached, for statistics that do not depend on the points.

        Each chunk of examples is differentiated at once, so that no more than one is kept.
        """
        losses, slopes = points.new_zeros(len(points)), torch.zeros_like(points)
        for rows in self.blocks(points, examples.count):
            for part, share in self.chunks(examples.count):
                batch = examples.batch(rows, part)
                value = functools.partial(self.values, function, statistics=statistics[rows], batch=batch)
                loss, slope = differentiated(value, points[rows])
                losses[rows] += share * loss
                slopes[rows] += share * slope
        return losses, slopes

    def hessian_sum(self, function: Function, examples: Examples | Drawn) -> Callable[..., ChainHessian] | None:
        """From points to products with the sum of the Hessians of the mean; None where they take backward passes."""
        if self.stacked is None or function is not classification_loss or examples.per_row:
            return None
        prepare, batches = self.stacked.inputs, []
        for part, share in self.chunks(examples.count):
            inputs, labels = examples.batch(slice(None), part)
            batches.append((prepare(inputs), labels, share / len(labels)))
        return functools.partial(ChainHessian, self.network, self.stacked.dense, batches=batches)

    def statistics(self, function: Function, points: Tensor, examples: Examples) -> Tensor:
        """The BatchNorm statistics of the points, averaged over chunks of the examples, shape (batch, statistics)."""
        if not self.network.batch_norms:
            return points.new_empty(len(points), 0)
        return self._mean(lambda rows, points, _, batch: self.seen(function, points, batch), points, None, examples)

    def values(
        self,
        function: Function,
        points: Tensor,
        statistics: Tensor | None,
        batch: Any,
        *,
        per_row: bool = False,
        seeds: Sequence[int] | None = None,
    ) -> Tensor:
        """function(model at the point, batch) for a block of points, on one batch or on one for each, (rows, *)."""
        if self.stacked is not None and isinstance(function, OfLogits):
            (inputs, labels), weights = batch, self.network.unflatten(points)
            return function.of(self.stacked(weights, inputs, per_row=per_row, seeds=seeds), labels)
        return self._at_points(functools.partial(self.network, function), points, statistics, batch, per_row, seeds)

    def each(self, function: Function, points: Tensor, statistics: Tensor, examples: Examples) -> Tensor:
        """A function that has a value for each example of a batch, at all points, shape (batch, examples, *)."""
        parts = [examples.batch(slice(None), part) for part, _ in self.chunks(examples.count)]
        return torch.cat(
            [
                torch.cat([self.values(function, points[rows], statistics[rows], part) for part in parts], 1)
                for rows in self.blocks(points)
            ]
        )

    def seen(self, function: Function, points: Tensor, batch: Any) -> Tensor:
        """What the BatchNorm layers see at a block of points on one batch, shape (rows, statistics)."""
        return self._at_points(
            lambda point, _, batch: self.network.statistics(function, point, batch), points, None, batch
        )

    def blocks(self, points: Tensor, differentiated: int = 0) -> list[slice]:
        """The rows of a batch of points that are evaluated at once, or differentiated, on so many examples."""
        size = BLOCK[self.strategy]
        if differentiated:
            together = DIFFERENTIATED[place(points.device)][self.strategy]
            size = min(size, max(1, together // min(self.chunk, differentiated)))
        return [slice(start, start + size) for start in range(0, len(points), size)]

    def chunks(self, count: int) -> list[tuple[slice, float]]:
        """The examples that are evaluated at once, in chunks of nearly equal size, with their shares in the mean."""
        number = -(-count // self.chunk)
        ends = [count * index // number for index in range(number + 1)]
        return [(slice(start, end), (end - start) / count) for start, end in itertools.pairwise(ends)]

    def _mean(
        self,
        piece: Callable[[slice, Tensor, Tensor | None, Any], Tensor],
        points: Tensor,
        statistics: Tensor | None,
        examples: Examples | Drawn,
        whole: bool = False,
    ) -> Tensor:
        if not len(points):
            return points.sum(1)
        graph = torch.is_grad_enabled() and points.requires_grad
        if graph and len(points) * examples.count > HELD[place(points.device)][self.strategy] * self.chunk:
            piece = functools.partial(checkpoint, piece, use_reentrant=False, preserve_rng_state=False)
        chunks = [(slice(None), 1.0)] if whole else self.chunks(examples.count)
        means = []
        for rows in self.blocks(points, examples.count if graph else 0):
            own = None if statistics is None else statistics[rows]
            terms = (share * piece(rows, points[rows], own, examples.batch(rows, part)) for part, share in chunks)
            means.append(functools.reduce(operator.add, terms))
        return torch.cat(means)

    def _at_points(
        self,
        one: Callable[[Tensor, Tensor | None, Any], Tensor],
        points: Tensor,
        statistics: Tensor | None,
        batch: Any,
        per_row: bool = False,
        seeds: Sequence[int] | None = None,
    ) -> Tensor:
        if self.strategy != "loop" and seeds is None and len(points) > 1:  # stacking one point only costs time
            return vmap(one, (0, None if statistics is None else 0, 0 if per_row else None))(points, statistics, batch)
        values = []
        for row, point in enumerate(points):
            own = None if statistics is None else statistics[row]
            mine = pytree.tree_map(operator.itemgetter(row), batch) if per_row else batch
            with nullcontext() if seeds is None else dropping(self.network.dropouts, seeds[row], point.device):
                values.append(one(point, own, mine))
        return torch.stack(values)
