"""Where the data of networks come from: a data set by its name, or a function of the user's, loaded once."""

import functools
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwedge.landscapes.networks import data
from nwedge.specs.references import call

PARTS = 2
"""Of what a data function returns: training and held-out data."""
Source = tuple[str, tuple[tuple[str, Any], ...]]
"""The name of a data set, or "package.module:function", and the arguments of the function."""

_provided: dict[Source, tuple[Any, Any]] = {}


@functools.lru_cache(maxsize=1)
def load(source: Source) -> tuple[Any, Any]:
    """The training and the held-out data, which networks of several settings share in memory.

    Raises:
        ValueError, TypeError: an unknown data set, or one that is not to be had; a function that is not to be found,
            or that returns no pair.
    """
    if source in _provided:
        return _provided[source]
    name, arguments = source
    return _own(name, dict(arguments)) if ":" in name else data.load(name)


def collect(sources: Iterable[Source]) -> dict[Source, Any]:
    """The data of sources, tensors as arrays, which processes on one machine can share; `provide` takes them."""
    return {source: _mapped(load(source), Tensor, _array) for source in sources}


def provide(sets: Mapping[Source, Any]) -> None:
    """Take data from memory from now on, as a process does on a machine that may lack their files.

    Args:
        sets: what `collect` gave; the arrays are used as they are, also those that may only be read.
    """
    load.cache_clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        _provided.update({source: _mapped(pair, np.ndarray, torch.from_numpy) for source, pair in sets.items()})


def _array(tensor: Tensor) -> Any:
    """A tensor as an array; one on the CPU, where NumPy has no such type (bfloat16)."""
    try:
        return tensor.numpy(force=True)
    except TypeError:
        return tensor.detach().cpu()


def _own(reference: str, arguments: Mapping[str, Any]) -> tuple[Any, Any]:
    found = call(reference, arguments)
    wanted = f"{reference!r} must return (training data, held-out data or None), each such as (x, y)"
    if not isinstance(found, tuple | list) or len(found) != PARTS:
        raise TypeError(f"{wanted}; got {type(found).__name__}")
    if all(isinstance(part, Tensor) for part in found):
        raise TypeError(f"{wanted}; got two tensors: return ((x, y), None) where nothing is held out")
    return found[0], found[1]


def _mapped(value: Any, kind: type, function: Any) -> Any:
    """The value with what is of a kind replaced in its tuples, lists and dicts."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, dict):
        return {key: _mapped(one, kind, function) for key, one in value.items()}
    return type(value)(_mapped(one, kind, function) for one in value) if type(value) in (tuple, list) else value
