"""The groups of units of any network that can change places without a change of its function, found from one pass."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn.modules.batchnorm import _NormBase

from nwedge._random import derive, permutation
from nwedge.landscapes.networks.axes import Occurrence
from nwedge.landscapes.networks.tracing import Pass, Trace, traced

TOLERANCE = 1e-5
"""The largest change of an output, relative to its largest value, that is taken for rounding."""
SPREAD = 0.1
"""The weights at which groups are verified lie so far from the given ones, in root mean squares: some that are given
are all 0 or 1, and would hide that they were left out."""
TRIALS = 3
"""Orders in which a group is verified."""
GIVEN_UP = "another order changed the outputs"
STATISTICS = ("running_mean", "running_var")
LISTED = 3


@dataclass(frozen=True, eq=False)
class Place:
    """Where the units of a group sit in one parameter or buffer.

    Attributes:
        name: of the parameter or buffer.
        axis: the axis that they share out.
        entries: the entries of that axis that belong to each unit, shape (blocks, units, entries of a unit): one block,
            or one for each unit of the group around this one. A plain axis is [[[0], [1], ...]]; channels behind a
            flatten own consecutive entries.
    """

    name: str
    axis: int
    entries: Int[Tensor, "blocks units copies"]

    def reordered(self, tensor: Tensor, order: Int[Tensor, "blocks units"]) -> Tensor:
        """A copy in which unit u of block b is what unit order[b, u] of that block was."""
        index = torch.arange(tensor.shape[self.axis])
        index[self.entries] = self.entries.gather(1, order[:, :, None].expand_as(self.entries))
        return tensor.index_select(self.axis, index.to(tensor.device))

    def units(self, tensor: Tensor) -> Float[Tensor, "units weights"]:
        """What each unit of each block owns, shape (blocks x units, weights)."""
        blocks, units, copies = self.entries.shape
        if copies == 1 and torch.equal(self.entries.flatten(), torch.arange(tensor.shape[self.axis])):
            return tensor.movedim(self.axis, 0).reshape(blocks * units, -1)
        owned = tensor.index_select(self.axis, self.entries.flatten().to(tensor.device))
        return owned.unflatten(self.axis, (blocks * units, copies)).movedim(self.axis, 0).flatten(1)


@dataclass(frozen=True, eq=False)
class Order:
    """An order of the units of a group: unit u is what unit units[u] was.

    Attributes:
        units: shape (units,).
        inner: then, for each inner group, the order of its parts in each unit, shape (units, parts).
    """

    units: Int[Tensor, " units"]
    inner: tuple[Int[Tensor, "units _"], ...] = ()


@dataclass(frozen=True, eq=False)
class Group:
    """Units that can change places.

    Attributes:
        size: how many.
        places: all places where they sit.
        inner: groups of parts of each unit, which can change places within it, in every unit in an order of its own:
            the features of an attention head, the channels of a group of GroupNorm. Their size is that of one unit.
        factor: which factor of the axes of the trace they are.
    """

    size: int
    places: tuple[Place, ...]
    inner: tuple["Group", ...] = ()
    factor: int = -1

    def reordered(self, tensors: Mapping[str, Tensor], order: Order) -> dict[str, Tensor]:
        """Copies of the tensors that they sit in, in another order; names that are not given are left out."""
        moves = [(self, order.units[None]), *zip(self.inner, order.inner, strict=True)]
        found: dict[str, Tensor] = {}
        for group, own in moves:
            for place in group.places:
                if place.name in tensors:
                    found[place.name] = place.reordered(found.get(place.name, tensors[place.name]), own)
        return found

    def random(self, generator: Generator) -> Order:
        """A random order of the units and, in each, of its parts."""
        units = permutation(self.size, generator)
        parts = [[permutation(one.size, generator) for _ in range(self.size)] for one in self.inner]
        return Order(units, tuple(map(torch.stack, parts)))

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Of the tensors that they sit in."""
        return frozenset(place.name for one in (self, *self.inner) for place in one.places)

    @functools.cached_property
    def undivided(self) -> tuple[Place, ...]:
        """What of their places is not shared out among inner groups."""
        divided: dict[tuple[str, int], set[int]] = {}
        for part in self.inner:
            for place in part.places:
                divided.setdefault((place.name, place.axis), set()).update(place.entries.flatten().tolist())
        found = []
        for place in self.places:
            taken = divided.get((place.name, place.axis), set())
            kept = [copy for copy, entry in enumerate(place.entries[0, 0].tolist()) if entry not in taken]
            if kept:
                found.append(replace(place, entries=place.entries[:, :, kept]))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Permutations:
    """What of a network can change places, and what cannot.

    Attributes:
        groups: each can be reordered on its own, in the order of the parameters.
        frozen: the axes of parameters that keep their order, by the reason.
        trace: what they were found from.
    """

    groups: tuple[Group, ...]
    frozen: Mapping[str, tuple[str, ...]]
    trace: Trace

    def __str__(self) -> str:
        def listed(names: Iterable[str]) -> str:
            names = list(dict.fromkeys(names))
            rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            return "; ".join(names[:LISTED]) + rest

        def described(group: Group) -> str:
            parts = " and the ".join(f"{part.size} parts" for part in group.inner)
            inner = f", and the {parts} of each" if parts else ""
            places = listed(f"{place.name}, axis {place.axis}" for place in group.places)
            return f"{group.size} units can change places{inner}: {places}"

        frozen = [f"frozen, since {why}: {listed(names)}" for why, names in self.frozen.items()]
        return "\n".join([*map(described, self.groups), *frozen])

    def shuffled(self, tensors: Mapping[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """The tensors of the same function with the units of all groups in random order."""
        tensors = dict(tensors)
        for group in self.groups:
            tensors |= group.reordered(tensors, group.random(generator))
        return tensors


def find_permutations(watched: Pass, *, statistics: bool = True) -> Permutations:
    """The groups of units of a network that can change places, from one pass, each verified.

    The axes of all tensors of the pass are followed from operation to operation; those that meet are one (the layers
    that add into one stream, the heads of queries, keys and values). What an operation without a rule touches keeps its
    order, and so do the inputs, the outputs, and what meets a tensor that is no weight. Then every group is put in
    other orders, at weights near the given ones, in float64 on the CPU: where an output changes by more than 1e-5 of
    its largest value, the group is given up. Where an axis is units x parts at every place of the parts, these have an
    order of their own in every unit.

    Args:
        watched: the pass. A parameter that takes no part in it keeps its order.
        statistics: whether running statistics of BatchNorm may change places with their channels; else these stay.

    Raises:
        ValueError: a pass that cannot be followed, or whose outputs are not finite.
    """
    try:
        exact = watched.exact()
        trace = traced(exact)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"the units of {type(watched.model).__name__} cannot be found, since a pass through a copy on the CPU in "
            f"float64 failed: {type(error).__name__}: {reason}"
        ) from error
    _freeze_buffers(exact, trace, statistics)
    groups, given_up = _verified(exact, _groups(exact, trace))
    frozen: dict[str, list[str]] = {}
    for name, _ in exact.model.named_parameters():
        if name not in trace.weights:
            frozen.setdefault("they take no part in the pass", []).append(name)
        for axis, label in enumerate(trace.weights.get(name, ())):
            factors = {one.factor for one in trace.book.occurrences(label)}
            reasons = {trace.book.why_frozen(factor) for factor in factors}
            reasons |= {GIVEN_UP} if factors & given_up else set()
            for why in sorted(filter(None, reasons)):
                frozen.setdefault(why, []).append(f"{name}, axis {axis}")
    return Permutations(groups, {why: tuple(names) for why, names in frozen.items()}, trace)


def _freeze_buffers(watched: Pass, trace: Trace, statistics: bool) -> None:
    """Freeze what meets a buffer: all networks have the same, but for running statistics."""
    known = {
        f"{path}.{name}" if path else name
        for path, layer in watched.model.named_modules()
        if isinstance(layer, _NormBase)
        for name in STATISTICS
    }
    for name, _ in watched.model.named_buffers():
        if name in known and statistics:
            continue
        why = f"the buffer '{name}' does not change with the weights"
        if name in known:
            why = "running statistics do not change with the weights: use batch_norm='recompute'"
        for axis in trace.weights.get(name, ()):
            trace.book.freeze(axis, why)


Found = dict[int, list[tuple[str, int, Occurrence]]]
"""From a factor to the names and axes where it occurs."""


def _groups(watched: Pass, trace: Trace) -> list[Group]:
    found: Found = {}
    for name in watched.tensors:
        for axis, label in enumerate(trace.weights.get(name, ())):
            for one in trace.book.occurrences(label):
                if not trace.book.why_frozen(one.factor):
                    found.setdefault(one.factor, []).append((name, axis, one))
    parameters = dict(watched.model.named_parameters())
    found = {factor: places for factor, places in found.items() if places[0][0] in parameters}
    around = {factor: _around(factor, [one for *_, one in places], set(found)) for factor, places in found.items()}
    outer = {factor: [other for other in others if not around[other]] for factor, others in around.items()}
    inner: dict[int, list[Group]] = {}
    for factor, others in outer.items():
        if others:
            inner.setdefault(others[-1], []).append(_group(trace, factor, found, others[-1:]))
    tops = [factor for factor, others in outer.items() if not others]
    return [replace(_group(trace, factor, found), inner=tuple(inner.get(factor, ()))) for factor in tops]


def _around(factor: int, places: list[Occurrence], known: set[int]) -> list[int]:
    """The factors that stand before a factor, once, at each of its places, in the order of the first."""
    first, *others = [
        [dim for dim in one.dims[: one.dim] if dim in known and one.dims.count(dim) == 1] for one in places
    ]
    return [dim for dim in first if dim != factor and all(dim in other for other in others)]


def _group(trace: Trace, factor: int, found: Found, around: Iterable[int] = ()) -> Group:
    places = []
    for name, axis, one in found[factor]:
        dims = [*(one.dims.index(other) for other in around), one.dim]
        entries = one.entries.movedim(dims, list(range(len(dims))))[..., None].flatten(len(dims))
        places.append(Place(name, axis, entries if around else entries[None]))
    return Group(trace.book.size((factor,)), tuple(places), factor=factor)


def _verified(watched: Pass, groups: list[Group]) -> tuple[tuple[Group, ...], set[int]]:
    """The groups whose order does not matter to the outputs, and the factors that are given up."""
    tensors = _spread(watched)
    expected = watched.outputs(tensors)
    if not _finite(expected):
        tensors = watched.tensors
        expected = watched.outputs(tensors)
    if not _finite(expected):
        raise ValueError(
            f"the units of {type(watched.model).__name__} cannot be found, since its outputs are not finite: give "
            "examples and weights with finite outputs"
        )

    def sound(*groups: Group) -> bool:
        stream = derive(0, "verified")
        for trial in range(TRIALS):
            moved = dict(tensors)
            for group in groups:
                moved |= group.reordered(moved, _trial(group, trial, stream))
            if not all(map(_equal, watched.outputs(moved), expected)):
                return False
        return True

    if sound(*groups):
        return tuple(groups), set()
    kept: list[Group] = []
    for group in groups:
        if sound(group):
            kept.append(group)
        else:  # without its parts, which may still have one order in all units
            kept += [one for one in (replace(group, inner=()), *map(_common, group.inner)) if sound(one)]
    factors = {one.factor for group in groups for one in (group, *group.inner)}
    return tuple(kept), factors - {one.factor for group in kept for one in (group, *group.inner)}


def _trial(group: Group, trial: int, stream: Generator) -> Order:
    """All units and parts moved on by one; then the parts of the first unit alone; then a random order.

    Any order is made of such as these, which a random one of two units alone need not show.
    """
    if trial == TRIALS - 1:
        return group.random(stream)
    units = torch.arange(group.size)
    parts = [torch.arange(part.size).repeat(group.size, 1) for part in group.inner]
    if trial == 0:
        return Order(units.roll(1), tuple(rows.roll(1, 1) for rows in parts))
    return Order(units, tuple(torch.cat([rows[:1].roll(1, 1), rows[1:]]) for rows in parts))


def _common(group: Group) -> Group:
    """The parts of all units at once."""
    places = (replace(place, entries=place.entries.movedim(0, 1).flatten(1)[None]) for place in group.places)
    return replace(group, places=tuple(places))


def _spread(watched: Pass) -> dict[str, Tensor]:
    """Weights near those of a pass."""
    stream = derive(0, "spread")
    parameters = {name for name, _ in watched.model.named_parameters()}
    found = {}
    for name, tensor in watched.tensors.items():
        found[name] = tensor
        noise = torch.randn(tensor.shape, generator=stream, dtype=torch.float64)
        if name in parameters:
            scale = tensor.square().mean().sqrt()
            found[name] = tensor + SPREAD * noise * (scale if scale > 0 else 1)
        elif name.endswith(STATISTICS):
            found[name] = tensor + SPREAD * noise.abs()
    return found


def _finite(outputs: list[Tensor]) -> bool:
    return bool(outputs) and all(bool(output.isfinite().all()) for output in outputs)


def _equal(output: Tensor, expected: Tensor) -> bool:
    if output.shape != expected.shape:
        return False
    if not output.is_floating_point() or not output.numel():
        return torch.equal(output, expected)
    return bool((output - expected).abs().max() <= TOLERANCE * expected.abs().max())
