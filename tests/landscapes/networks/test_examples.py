from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.utils import _pytree as pytree
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

from nwedge.landscapes.networks.examples import Drawn, Examples, hold, identical, labels_of

X = torch.arange(22.0, dtype=torch.float64).view(11, 2)
Y = torch.arange(11) % 3
CPU = torch.device("cpu")
Batch = namedtuple("Batch", ["x", "y"])


def held(data: Any, dtype: torch.dtype = torch.float64) -> Examples:
    return hold(data, "training", dtype=dtype, device=CPU)


def whole(examples: Examples) -> Any:
    return examples.batch(slice(None), slice(None))


class Dicts(Dataset):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": X[index], "nested": {"y": int(Y[index])}}


class Augmented(Dicts):
    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": X[index] + torch.randn(2)}


class Stream(IterableDataset):
    def __init__(self) -> None:
        self.left = iter(zip(X, Y, strict=True))  # can be read once

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.left


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (X, X),
        ((X, Y), (X, Y)),
        ([X, Y], [X, Y]),
        (Batch(X, Y), Batch(X, Y)),
        ({"x": X, "more": (Y, [X])}, {"x": X, "more": (Y, [X])}),
        (TensorDataset(X, Y), [X, Y]),
        (Dicts(), {"x": X, "nested": {"y": Y}}),
        (Stream(), [X, Y]),
        (DataLoader(TensorDataset(X, Y), batch_size=4), [X, Y]),
        (DataLoader(TensorDataset(X, Y), batch_size=None), None),
        (DataLoader(TensorDataset(X[:8], Y[:8]), batch_size=4, drop_last=True), [X[:8], Y[:8]]),
        (DataLoader(Dicts(), batch_sampler=BatchSampler(SequentialSampler(X), 3, False)), {"x": X, "nested": {"y": Y}}),
    ],
)
def test_data_of_all_kinds_become_tensors_in_the_users_structure(data: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="has no axis"):  # single examples, no batches
            held(data)
        return
    batch = whole(held(data))
    assert pytree.tree_structure(batch) == pytree.tree_structure(expected)
    assert identical(pytree.tree_leaves(batch), pytree.tree_leaves(expected))


def test_floating_data_follow_the_dtype_and_others_do_not() -> None:
    batch = whole(held({"x": X, "half": X.half(), "y": Y, "mask": Y > 1, "byte": Y.byte()}, torch.float32))
    dtypes = {name: leaf.dtype for name, leaf in batch.items()}
    assert dtypes == {
        "x": torch.float32,
        "half": torch.float32,
        "y": torch.int64,
        "mask": torch.bool,
        "byte": torch.uint8,
    }


def test_parts_and_draws() -> None:
    examples = held((X, Y))
    assert examples.count == 11
    x, y = examples.batch(slice(0, 4), slice(2, 5))
    assert torch.equal(x, X[2:5])
    assert torch.equal(y, Y[2:5])
    shared = Drawn(examples, torch.tensor([5, 1, 9]))
    assert (shared.count, shared.per_row) == (3, False)
    assert torch.equal(shared.batch(slice(0, 4), slice(1, 3))[0], X[[1, 9]])
    own = Drawn(examples, torch.tensor([[5, 1, 9], [0, 2, 4], [3, 3, 3]]))
    assert (own.count, own.per_row) == (3, True)
    assert torch.equal(own.batch(slice(1, 3), slice(0, 2))[1], Y[torch.tensor([[0, 2], [3, 3]])])


class Loader(DataLoader):
    """Gives batches of two structures."""

    def __iter__(self) -> Any:
        yield X[:4], Y[:4]
        yield X[4:]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ((), "the training data hold no tensor"),
        ((X[:0], Y[:0]), "the training data hold no examples"),
        (TensorDataset(X[:0]), "the training Dataset holds no examples"),
        (DataLoader(TensorDataset(X[:0])), "the training DataLoader holds no examples"),
        ((X, Y[:4]), r"got 11 in entry \[0\] and 4 in entry \[1\]"),
        ({"x": X, "deep": {"y": Y[1:]}}, r"got 11 in entry \['x'\] and 10 in entry \['deep'\]\['y'\]"),
        ((X, torch.tensor(1)), r"entry \[1\] has no axis"),
        ((X.where(X != 3, torch.nan), Y), r"NaN or infinity in entry \[0\]"),
        ("digits", "a torch Dataset or a DataLoader; got str"),
        (None, "a torch Dataset or a DataLoader; got NoneType"),
        ((X, Y.numpy()), r"got ndarray in entry \[1\]"),
        ({"x": X, "names": ["a"] * 11}, r"got str in entry \['names'\]\[0\]"),
        (DataLoader(TensorDataset(X, Y), shuffle=True), "the training DataLoader shuffles or transforms at random"),
        (DataLoader(Augmented()), "the training DataLoader shuffles or transforms at random"),
        (Augmented(), "the training Dataset shuffles or transforms at random"),
        (DataLoader(TensorDataset(X, Y), batch_size=4, drop_last=True), "drop_last=True and drops 3 of its 11"),
        (DataLoader(Stream(), batch_size=4, drop_last=True), "drop_last=True and may drop examples"),
        (
            DataLoader(Dicts(), batch_sampler=BatchSampler(SequentialSampler(X), 3, True)),
            "drop_last=True and drops 2 of its 11",
        ),
        (Loader(TensorDataset(X)), "must all have one structure; got .float64 .4, 2., int64 .4,.. and others"),
    ],
)
def test_data_that_cannot_be_used_get_one_sentence(data: Any, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match) as caught:
        held(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shuffle", [False, True])
def test_reading_changes_neither_the_global_random_state_nor_the_loaders_generator(shuffle: bool) -> None:
    generator = Generator().manual_seed(4)
    loader = DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=shuffle, generator=generator)
    random, own = torch.get_rng_state(), generator.get_state()
    try:
        held(loader)
    except ValueError:
        assert shuffle
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(generator.get_state(), own)


@pytest.mark.parametrize("batch", [(X, Y), [X, X, Y], {"labels": Y, "y": X}, {"label": Y}, {"x": X, "y": Y}])
def test_labels_are_the_last_element_or_stand_under_a_known_key(batch: Any) -> None:
    assert labels_of(batch) is Y


@pytest.mark.parametrize("batch", [X, (Y,), (X, X), (X, Y[:, None]), {"x": X}, {"x": X, "target": Y}, {"labels": X}])
def test_batches_without_labels_are_described(batch: Any) -> None:
    with pytest.raises(ValueError, match="labels must be an integer tensor"):
        labels_of(batch)


def test_identical_is_bit_for_bit_with_nan_equal_to_nan() -> None:
    nan = torch.tensor([1.0, torch.nan])
    assert identical([nan, "a"], [nan.clone(), "b"])  # what is no tensor is not looked into
    assert not identical([nan], [torch.tensor([1.0, 2.0])])
    assert not identical([nan], [nan.double()])
    assert not identical([nan], [])
    assert not identical([nan], [None])


def test_some_examples_are_taken_in_the_order_of_the_indices() -> None:
    indices = torch.tensor([7, 0, 3])
    some = held({"x": X, "more": (Y, [X])}).take(indices)
    assert some.count == 3
    assert identical(pytree.tree_leaves(whole(some)), [X[indices], Y[indices], X[indices]])
    assert whole(some).keys() == {"x", "more"}
