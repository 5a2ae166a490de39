"""Matching: the order of each group of a network's units in which they are most like those of another network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from nwedge.landscapes.networks.axes import Axes
from nwedge.landscapes.networks.permutations import Group, Order, Permutations, Place
from nwedge.landscapes.networks.tracing import Pass, Result, Tensors, watch_pair

GAIN = 1e-12
"""A new order must add so much to the inner product of the weights, relative to its terms; less is rounding."""


@dataclass(frozen=True)
class Likeness:
    """How much each unit of one network is like each of another.

    Attributes:
        units: as wholes, shape (units, units).
        parts: for each inner group, each part of each unit and each of the other's, (units x parts, units x parts).
    """

    units: Float[Tensor, "units others"]
    parts: tuple[Float[Tensor, "_ _"], ...] = ()

    def best(self) -> Order:
        """The order whose units and parts are most alike in sum, solved exactly.

        For every pair of units the parts are assigned first, and what they add counts for the pair.
        """
        size = len(self.units)
        total, orders = self.units.clone(), []
        for part in self.parts:
            pairs = part.unflatten(0, (size, -1)).unflatten(2, (size, -1)).transpose(1, 2)
            inner = torch.stack([torch.stack([_assigned(pair) for pair in row]) for row in pairs])
            total += pairs.gather(3, inner[..., None]).sum((2, 3))
            orders.append(inner)
        units = _assigned(total)
        rows = torch.arange(size)
        return Order(units, tuple(inner[rows, units] for inner in orders))


def match_weights(
    permutations: Permutations, target: Tensors, source: Tensors, *, starts: int, generator: Generator
) -> dict[str, Tensor]:
    """The source with each group in the order that brings its weights closest to the target's.

    One group at a time, in random order of the groups, each an assignment problem that is solved exactly, until none
    improves; first from the order as it comes, then from random ones. Where a tensor has a group on two axes the
    problem is linearised, and an order that does not improve is not taken.

    Args:
        permutations: of the network.
        target: parameters by name, in float64 on the CPU.
        source: the same of the other network, and buffers, which move along.
        starts: how many; the closest end is taken.
        generator: of the orders.
    """
    ends = []
    for start in range(starts):
        found = dict(source) if start == 0 else permutations.shuffled(source, generator)
        waiting = set(range(len(permutations.groups)))
        while _sweep(permutations.groups, target, found, waiting, generator):
            pass
        ends.append(found)
    return max(ends, key=lambda end: _inner_product(target, end))


def match_activations(permutations: Permutations, watched: Pass, target: Tensors, source: Tensors) -> dict[str, Tensor]:
    """The source with each group in the order in which its units do most what the target's do on the same examples.

    Units are compared by the correlation of their values, in sum over all results of the pass in which they stand
    apart, views left out where they show nothing new (Li et al. 2015, arXiv 1511.07543; Ainsworth et al. 2022, arXiv
    2209.04836).

    Args:
        permutations: of the network, found from this pass.
        watched: the pass, in float64 on the CPU.
        target: parameters by name, in float64 on the CPU.
        source: the same of the other network, and buffers, which move along.
    """
    seen = [_Seen(permutations.trace.book, group) for group in permutations.groups]
    results = permutations.trace.results

    def see(number: int, own: Tensor, other: Tensor) -> None:
        result = results[number]
        if result is not None:
            for one in seen:
                one.add(result, own, other)

    watch_pair(watched, target, source, see)
    found = dict(source)
    for group, one in zip(permutations.groups, seen, strict=True):
        found |= group.reordered(found, one.likeness.best())
    return found


class _Seen:
    """The correlations of a group's units, summed over the results of a pass."""

    def __init__(self, book: Axes, group: Group) -> None:
        self._book, self._group = book, group
        sizes = [group.size * part.size for part in group.inner]
        zeros = [torch.zeros(size, size, dtype=torch.float64) for size in (group.size, *sizes)]
        self.likeness = Likeness(zeros[0], tuple(zeros[1:]))
        self._met: set[tuple[int, ...]] = set()

    def add(self, result: Result, own: Tensor, other: Tensor) -> None:
        axes = [self._book.factors(axis) for axis in result.labels]
        factors = [factor for axis in axes for factor in axis]
        if self._group.factor not in factors:
            return
        sizes = [self._book.size((factor,)) for factor in factors]
        compared = [
            ((self._group.factor, part.factor), total)
            for part, total in zip(self._group.inner, self.likeness.parts, strict=True)
            if part.factor in factors
        ]
        for units, total in compared or [((self._group.factor,), self.likeness.units)]:
            if result.view and units in self._met:
                continue
            self._met.add(units)
            dims = [factors.index(unit) for unit in units]
            left, right = (
                _standardised(one.reshape(sizes).movedim(dims, list(range(len(dims)))).reshape(len(total), -1))
                for one in (own, other)
            )
            total += left @ right.T


def _sweep(
    groups: tuple[Group, ...], target: Tensors, found: dict[str, Tensor], waiting: set[int], generator: Generator
) -> bool:
    """Every group once, in random order, in the best order given the others; whether any gained.

    A group waits while one that shares a tensor with it has changed since its own turn; the others would not gain.
    """
    gained = False
    for number in torch.randperm(len(groups), generator=generator).tolist():
        if number not in waiting:
            continue
        waiting.remove(number)
        group = groups[number]
        likeness = _of_weights(group, target, found)
        moved = group.reordered(found, likeness.best())
        gain = _inner_product(target, moved) - _inner_product(target, {name: found[name] for name in moved})
        scale = sum(one.abs().sum().item() for one in (likeness.units, *likeness.parts))
        if gain > GAIN * scale:
            found |= moved
            gained = True
            waiting |= {other for other, one in enumerate(groups) if other != number and one.names & group.names}
            if _is_linearised(group):
                waiting.add(number)
    return gained


def _of_weights(group: Group, target: Tensors, source: Tensors) -> Likeness:
    """The inner products of the weights into and out of each unit with those of each unit of the source."""

    def of(places: Sequence[Place], size: int) -> Tensor:
        total = torch.zeros(size, size, dtype=torch.float64)
        for place in places:
            if place.name in target:
                total += place.units(target[place.name]) @ place.units(source[place.name]).T
        return total

    parts = tuple(of(part.places, group.size * part.size) for part in group.inner)
    return Likeness(of(group.undivided, group.size), parts)


def _is_linearised(group: Group) -> bool:
    """Whether a tensor has the group on two axes, or an entry belongs to parts of two kinds."""
    axes = [{(place.name, place.axis) for place in one.places} for one in (group, *group.inner)]
    names = [name for name, _ in axes[0]]
    entries = [
        (place.name, place.axis, entry)
        for part in group.inner
        for place in part.places
        for entry in place.entries.flatten().tolist()
    ]
    return len(set(names)) < len(names) or len(set(entries)) < len(entries)


def _inner_product(target: Tensors, source: Tensors) -> float:
    return sum(
        torch.dot(one.flatten(), source[name].flatten()).item() for name, one in target.items() if name in source
    )


def _assigned(likeness: Float[Tensor, "units others"]) -> Int[Tensor, " units"]:
    return torch.from_numpy(linear_sum_assignment(likeness.numpy(), maximize=True)[1])


def _standardised(values: Float[Tensor, "units values"]) -> Float[Tensor, "units values"]:
    """Each row with mean 0 and norm 1; one that is constant is 0."""
    values = values - values.mean(1, keepdim=True)
    norms = values.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, values / norms, 0)
