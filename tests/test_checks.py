"""Errors say what was expected, what came, and what to do."""

from types import SimpleNamespace

import pytest
import torch

from nwedge._checks import check_choice, check_integer, check_points, check_positive, check_same_shape, same_device

CPU = torch.device("cpu")
SPACE = SimpleNamespace(dim=3, dtype=torch.float64, device=CPU)
GOOD = torch.zeros(2, 3, dtype=torch.float64)


def unchecked(function):
    """The function as it is outside the tests, where nobody checks its annotations before it does."""
    return getattr(function, "__wrapped__", function)


def sentence(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        unchecked(call)(*arguments, **options)
    return str(caught.value)


def test_points_that_fit_pass():
    check_points(SPACE, GOOD)
    check_points(SPACE, GOOD[:0])
    check_same_shape(GOOD, GOOD + 1)


@pytest.mark.parametrize(
    ("points", "error", "words"),
    [
        ([[0.0] * 3], TypeError, "points must be a torch.Tensor of shape (batch, 3); got list"),
        (GOOD[:, :2], ValueError, "points must have shape (batch, 3); got (2, 2)"),
        (GOOD[:, [0, 1, 2, 2]], ValueError, "points must have shape (batch, 3); got (2, 4)"),
        (GOOD[None], ValueError, "points must have shape (batch, 3); got (1, 2, 3)"),
        (GOOD[0], ValueError, "points must have shape (batch, 3); got (3,): add a batch axis with [None]"),
        (GOOD[0, :2], ValueError, "points must have shape (batch, 3); got (2,)"),
        (
            GOOD.float(),
            TypeError,
            "points must have dtype torch.float64; got torch.float32: convert with .to(torch.float64)",
        ),
        (GOOD.to("meta"), ValueError, "points must be on device cpu; got meta: move with .to('cpu')"),
    ],
)
def test_points_that_do_not_fit_are_refused(points, error, words):
    assert sentence(error, check_points, SPACE, points) == words


def test_the_name_of_the_points_may_be_given():
    assert sentence(ValueError, check_points, SPACE, GOOD[0, :2], "start").startswith("start must have shape")


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (GOOD[:1], "vectors must have the shape of the points, (2, 3); got (1, 3)"),
        (GOOD.float(), "vectors must have the dtype of the points, torch.float64; got torch.float32"),
        (GOOD.to("meta"), "vectors must have the device of the points, cpu; got meta"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vectors, words):
    assert sentence(ValueError, check_same_shape, GOOD, vectors) == words


def test_choices():
    check_choice("kind", "a", ["a", "b"])
    check_choice("kind", "a", iter(["a", "b"]))
    words = "kind must be one of 'a', 'b'; got 'c'"
    assert sentence(ValueError, check_choice, "kind", "c", iter(["a", "b"])) == words


@pytest.mark.parametrize("value", [1, 0.5, 1e300])
def test_positive_numbers_pass(value):
    unchecked(check_positive)("rate", value)
    unchecked(check_positive)("rate", value, zero=True)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), float("-inf")])
def test_other_numbers_are_refused(value):
    assert sentence(ValueError, check_positive, "rate", value) == f"rate must be positive and finite; got {value}"
    words = f"rate must be at least 0 and finite; got {value}"
    assert sentence(ValueError, check_positive, "rate", value, zero=True) == words


def test_zero_is_positive_only_where_it_is_allowed():
    check_positive("rate", 0.0, zero=True)
    assert sentence(ValueError, check_positive, "rate", 0.0) == "rate must be positive and finite; got 0.0"


def test_integers():
    for value in (2, 3, 5):
        check_integer("count", value, 2, 5)
    check_integer("count", 10**20, 2)
    assert sentence(ValueError, check_integer, "count", 1, 2) == "count must be at least 2; got 1"
    for value in (1, 6):
        assert (
            sentence(ValueError, check_integer, "count", value, 2, 5) == f"count must be between 2 and 5; got {value}"
        )


@pytest.mark.parametrize("value", [True, 2.0, "2", None, torch.tensor(2)])
def test_what_is_no_integer_is_refused(value):
    assert sentence(TypeError, check_integer, "count", value, 0) == f"count must be an integer; got {value!r}"


def test_devices(monkeypatch):
    assert same_device(CPU, torch.device("cpu", 0))
    assert not same_device(CPU, torch.device("meta"))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert same_device(torch.device("cuda"), torch.device("cuda", 1))
    assert not same_device(torch.device("cuda"), torch.device("cuda", 0))
    assert same_device(torch.device("cuda", 2), torch.device("cuda", 2))
