"""The weights of a checkpoint for a module of one's own: names, dtypes, buffers, and what is left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nwedge.landscapes.networks.weights import check_model, read_weights, some, tied_names
from nwedge.landscapes.networks.wrappers import own_name

BESIDE = ("criterion", "loss", "loss_fn", "metric", "metrics", "optimizer", "scheduler")
"""What stands beside a model in checkpoints of trainings: entries below these names are left out."""
COUNTER = "num_batches_tracked"
"""BatchNorm's count of batches, which no evaluation needs."""
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Matched:
    """What a checkpoint holds for a model, by the model's own names.

    Attributes:
        parameters: one tensor for each parameter, tied ones once, in the dtypes of the model.
        buffers: of those that a state dict of the model has, the ones that the checkpoint holds, likewise.
        notes: what was done beyond reading, a sentence each: prefixes, dtypes, what is missing or was left out.
    """

    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]
    notes: tuple[str, ...]


def weights_for(model: nn.Module, state: Mapping[str, Tensor], *, source: str | Path = "the state dict") -> Matched:
    """The tensors of a checkpoint that belong to a model.

    Names may differ by a prefix, on either side: "module." of DistributedDataParallel, "model." or "net." of a
    Lightning module, or any other under which every parameter of the model is found; and by what torch.compile and FSDP
    put between. Entries outside of the prefix, and those of losses, optimizers and metrics, are left out and listed.

    Args:
        model: whose names, shapes and dtypes they get; it is not changed.
        state: what `read_checkpoint` returns, or any other state dict.
        source: what errors call it, such as its path.

    Raises:
        TypeError: no state dict of tensors, no module, or integer weights.
        ValueError: missing or unexpected names, several prefixes that fit, other shapes, NaN or infinity, or tied
            weights that differ.
    """
    check_model(model)
    try:
        return _matched(model, state)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{source}: {error}") from error


def _matched(model: nn.Module, state: Mapping[str, Tensor]) -> Matched:
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TypeError("weights must come as a state dict, tensors by name")
    parameters, kept = dict(model.named_parameters(remove_duplicate=False)), model.state_dict(keep_vars=True)
    buffers = {name: value for name, value in kept.items() if name not in parameters and isinstance(value, Tensor)}
    passing = {name for name, _ in model.named_buffers(remove_duplicate=False)} - set(buffers)

    plain = _plain(state)
    prefixes = _prefixes(tied_names(model), parameters, plain)
    given, left_out = _renamed(plain, prefixes, {own_name(name): name for name in (*parameters, *buffers, *passing)})
    left_out += [name for name in given if name in passing]

    converted: Counter[str] = Counter()
    fitting = {name: _convert(name, value, parameters.get(name), converted) for name, value in given.items()}
    read = read_weights(model, fitting)
    found = {name: _buffer(name, given[name], own) for name, own in buffers.items() if name in given}
    lacking = [name for name in buffers if name not in found and not name.endswith(COUNTER)]
    return Matched(read, found, tuple(_notes(prefixes, converted, lacking, left_out)))


class Prefixes(NamedTuple):
    """What to take from the front of the checkpoint's names, and what to put there, for them to be the model's."""

    taken: str
    put: str


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries without the names of wrappers."""
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if own_name(name) in plain:
            raise ValueError(f"'{own_name(name)}' is there twice, as '{name}', too: keep one of them")
        plain[own_name(name)] = value
    return plain


def _prefixes(
    groups: Mapping[str, list[str]], parameters: Mapping[str, Tensor], plain: Mapping[str, Tensor]
) -> Prefixes:
    """Those under which every parameter is found: none if that will do, else the only ones."""
    aliases = {name: [own_name(alias) for alias in names] for name, names in groups.items()}
    puts = _common(list(map(own_name, parameters)))
    pairs = [Prefixes(taken, put) for taken in _fronts(plain) for put in puts if not _redundant(taken, put)]

    def found(pair: Prefixes, *, shapes: bool = False) -> int:
        """How many parameters are there and, if it is asked for, have their shapes."""
        count = 0
        for name, own in aliases.items():
            places = [pair.taken + alias.removeprefix(pair.put) for alias in own]
            there = [plain[place].shape for place in places if place in plain]
            count += parameters[name].shape in there if shapes else bool(there)
        return count

    if found(pairs[0]) == len(groups):  # no prefixes
        return pairs[0]
    counts = {pair: found(pair) for pair in pairs}
    complete = [pair for pair in pairs if counts[pair] == len(groups)]
    if len(complete) > 1:
        complete = [pair for pair in complete if found(pair, shapes=True) == len(groups)] or complete[:1]
    if len(complete) > 1:
        fronts = [pair.taken for pair in complete]
        raise ValueError(f"the model is there several times, under {some(fronts)}: keep the entries of one of them")
    return complete[0] if complete else max(pairs, key=lambda pair: counts[pair])  # the best, to tell what is missing


def _fronts(names: Iterable[str]) -> list[str]:
    """Every prefix that ends in a dot, the empty one first."""
    fronts = {"": None}
    for name in names:
        parts = name.split(".")
        fronts |= {".".join(parts[:depth]) + ".": None for depth in range(1, len(parts))}
    return list(fronts)


def _common(names: list[str]) -> list[str]:
    """The prefixes that all names have, the empty one first."""
    return [front for front in _fronts(names[:1]) if all(name.startswith(front) for name in names)]


def _redundant(taken: str, put: str) -> bool:
    """Whether shorter prefixes do the same: "a.b." for "c.b." is "a." for "c."."""
    return bool(taken and put) and taken.split(".")[-2] == put.split(".")[-2]


def _renamed(
    plain: Mapping[str, Tensor], prefixes: Prefixes, own: Mapping[str, str]
) -> tuple[dict[str, Tensor], list[str]]:
    """The entries below the prefix by the model's names, or such as it would have, and the names of those left out."""
    given: dict[str, Tensor] = {}
    left_out: list[str] = []
    for name, value in plain.items():
        rest = name.removeprefix(prefixes.taken)
        new = prefixes.put + rest
        if not name.startswith(prefixes.taken) or (new not in own and _is_beside(rest)):
            left_out.append(name)
        else:
            given[own.get(new, new)] = value
    return given, left_out


def _is_beside(name: str) -> bool:
    """Whether no model needs an entry of that name."""
    parts = name.split(".")
    return parts[0] in BESIDE or parts[-1] == COUNTER


def _convert(name: str, value: Tensor, own: Tensor | None, converted: Counter[str]) -> Tensor:
    """A parameter in the dtype of the model's own."""
    if own is None or value.dtype == own.dtype:
        return value
    if value.dtype not in DTYPES:
        expected = ", ".join(word(dtype) for dtype in DTYPES)
        raise TypeError(f"'{name}' must have one of the dtypes {expected}; got {word(value.dtype)}: convert it first")
    converted[f"{word(value.dtype)} to {word(own.dtype)}"] += 1
    return value.to(own.dtype)


def _buffer(name: str, value: Tensor, own: Tensor) -> Tensor:
    """A buffer in the dtype of the model's own, checked like a parameter; a mask of infinities may stay one."""
    if value.shape != own.shape:
        raise ValueError(f"'{name}' must have shape {tuple(own.shape)}; got {tuple(value.shape)}")
    value = value.to(own.dtype)
    if not bool(torch.isfinite(value).all()) and bool(torch.isfinite(own).all()):
        raise ValueError(f"'{name}' must be finite; got NaN or infinity: was its training stopped in time?")
    return value


def _notes(prefixes: Prefixes, converted: Mapping[str, int], lacking: list[str], left_out: list[str]) -> Iterable[str]:
    if prefixes.taken:
        yield f"names were taken without their prefix '{prefixes.taken}'"
    if prefixes.put:
        yield f"names were given the prefix '{prefixes.put}'"
    for dtypes, count in converted.items():
        yield f"{count} {'tensor was' if count == 1 else 'tensors were'} converted from {dtypes}"
    if lacking:
        yield f"the buffers {some(lacking)} are not there: those of the model stay"
    if left_out:
        yield f"left out, as no parameters or kept buffers of the model: {some(left_out)}"


def word(dtype: torch.dtype) -> str:
    """The name of a dtype, such as float32."""
    return str(dtype).removeprefix("torch.")
