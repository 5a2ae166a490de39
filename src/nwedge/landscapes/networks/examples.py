"""Any data as examples in memory: a nested container of tensors with a common first axis."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset

from nwedge.landscapes.networks.random_state import forked

LABEL_KEYS = ("labels", "label", "y")
READ_AT_ONCE = 1024
"""Examples of a Dataset that are collated at once."""


@dataclass(frozen=True)
class Examples:
    """All examples of a data set, in the user's own batch structure.

    Attributes:
        leaves: the tensors, each of shape (count, *).
        structure: how they are nested.
    """

    leaves: list[Tensor]
    structure: pytree.TreeSpec
    per_row = False

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.leaves[0])

    def take(self, indices: Tensor) -> "Examples":
        """Some of the examples, in the order of the indices."""
        return Examples([leaf[indices] for leaf in self.leaves], self.structure)

    def batch(self, rows: slice, part: slice) -> Any:
        """The examples of `part`, the same for all rows of a batch of points."""
        return pytree.tree_unflatten([leaf[part] for leaf in self.leaves], self.structure)


@dataclass(frozen=True)
class Drawn:
    """Some of the examples, the same for all points, indices (count,), or others for each, indices (batch, count)."""

    examples: Examples
    indices: Tensor

    @property
    def per_row(self) -> bool:
        """Whether every point has its own examples."""
        return self.indices.ndim == 2

    @property
    def count(self) -> int:
        """How many examples each point has."""
        return self.indices.shape[-1]

    def batch(self, rows: slice, part: slice) -> Any:
        """The drawn examples of `part`, with a leading axis of rows where every row has its own."""
        indices = self.indices[rows, part] if self.per_row else self.indices[part]
        return pytree.tree_unflatten([leaf[indices] for leaf in self.examples.leaves], self.examples.structure)


def hold(data: Any, name: str, *, dtype: torch.dtype, device: torch.device) -> Examples:
    """Hold data in memory on a device; floating tensors take `dtype`, others keep theirs.

    Args:
        data: a tensor or nested containers of tensors (tuples, lists, dicts), a Dataset or a DataLoader.
        name: "training" or "held-out", for the errors.
        dtype: of the floating tensors.
        device: where they are held.

    Raises:
        TypeError: data of another kind, or something in them that is no tensor.
        ValueError: no examples, tensors of unequal length, NaN, or a DataLoader that shuffles or leaves out examples.
    """
    if isinstance(data, Dataset):
        once = isinstance(data, IterableDataset)
        data = _read(DataLoader(data, batch_size=READ_AT_ONCE), f"{name} Dataset", once=once)
    elif isinstance(data, DataLoader):
        _check_keeps_all(data, name)
        data = _read(data, f"{name} DataLoader", once=False)
    leaves, structure = _tensors(data, f"the {name} data")
    first, count = leaves[0]
    for where, leaf in leaves:
        if len(leaf) != len(count):
            raise ValueError(
                f"the tensors of the {name} data must have one length, the number of examples; got {len(count)} in "
                f"{first} and {len(leaf)} in {where}"
            )
        if leaf.is_floating_point() and not bool(leaf.isfinite().all()):
            raise ValueError(f"the {name} data hold NaN or infinity in {where}: leave these examples out or fill them")
    if not len(count):
        raise ValueError(f"the {name} data hold no examples")
    held = [leaf.detach().to(device, dtype if leaf.is_floating_point() else leaf.dtype) for _, leaf in leaves]
    return Examples(held, structure)


def labels_of(batch: Any) -> Tensor:
    """The labels of a batch: the last element of a tuple, or the entry "labels", "label" or "y" of a dict.

    Raises:
        ValueError: a batch without integer labels, one per example, in these places.
    """
    labels = None
    if isinstance(batch, dict):
        labels = next((batch[key] for key in LABEL_KEYS if key in batch), None)
    elif isinstance(batch, tuple | list) and len(batch) > 1:
        labels = batch[-1]
    if not isinstance(labels, Tensor) or labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            "labels must be an integer tensor of shape (examples,), the last element of a tuple or the entry "
            f"{', '.join(map(repr, LABEL_KEYS))} of a dict; got {describe(batch)}"
        )
    return labels


def describe(batch: Any) -> str:
    """The structure of a batch in words: (float32 (8, 64), int64 (8,))."""
    if isinstance(batch, Tensor):
        return f"{str(batch.dtype).removeprefix('torch.')} {tuple(batch.shape)}"
    if isinstance(batch, dict):
        return "{" + ", ".join(f"{key!r}: {describe(value)}" for key, value in batch.items()) + "}"
    if isinstance(batch, tuple | list):
        return "(" + ", ".join(map(describe, batch)) + ")"
    return type(batch).__name__


def identical(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether two lists of leaves hold the same tensors, bit for bit, NaN being equal to NaN."""

    def same(a: Any, b: Any) -> bool:
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
            return type(a) is type(b)
        return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())

    return len(left) == len(right) and all(map(same, left, right))


def _tensors(data: Any, name: str) -> tuple[list[tuple[str, Tensor]], pytree.TreeSpec]:
    """The leaves with their places in words, and how they are nested."""
    paths, structure = pytree.tree_flatten_with_path(data)
    leaves = [(f"entry {pytree.keystr(path)}" if path else "the tensor", leaf) for path, leaf in paths]
    if not leaves:
        raise ValueError(f"{name} hold no tensor")
    for where, leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise TypeError(
                f"{name} must be tensors in tuples, lists or dicts, a torch Dataset or a DataLoader; got "
                f"{type(leaf).__name__}{' in ' + where if where != 'the tensor' else ''}"
            )
        if not leaf.ndim:
            raise ValueError(f"{name} must have examples along the first axis of every tensor; {where} has no axis")
    return leaves, structure


def _read(loader: DataLoader, name: str, *, once: bool) -> Any:
    """All batches of a loader as one; read twice, unless `once`, since a landscape must always see the same data."""
    state = None if loader.generator is None else loader.generator.get_state()
    with forked(0, torch.device("cpu")):  # a loader's iterator draws from the global state
        batches = list(loader)
        pairs = () if once else itertools.zip_longest(batches, loader)
        repeats = all(identical(pytree.tree_leaves(left), pytree.tree_leaves(right)) for left, right in pairs)
    if loader.generator is not None:
        loader.generator.set_state(state)
    if not repeats:
        raise ValueError(f"the {name} shuffles or transforms at random (two readings differ): use shuffle=False")
    if not batches:
        raise ValueError(f"the {name} holds no examples")
    parts = [_tensors(batch, f"the batches of the {name}") for batch in batches]
    if any(structure != parts[0][1] for _, structure in parts):
        raise ValueError(
            f"the batches of the {name} must all have one structure; got {describe(batches[0])} and others"
        )
    columns = zip(*(leaves for leaves, _ in parts), strict=True)
    return pytree.tree_unflatten([torch.cat([leaf for _, leaf in column]) for column in columns], parts[0][1])


def _check_keeps_all(loader: DataLoader, name: str) -> None:
    sampler = loader.batch_sampler
    if isinstance(loader.dataset, IterableDataset):
        if loader.drop_last:
            raise ValueError(f"the {name} DataLoader has drop_last=True and may drop examples: use drop_last=False")
    elif isinstance(sampler, BatchSampler) and sampler.drop_last:
        count = len(sampler.sampler)  # pyright: ignore[reportArgumentType]
        dropped = count % sampler.batch_size
        if dropped:
            raise ValueError(
                f"the {name} DataLoader has drop_last=True and drops {dropped} of its {count} examples: "
                "use drop_last=False"
            )
