from typing import Any

import pytest
import torch
from torch import nn

from nwedge.landscapes.networks.weights import check_model, read_weights


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.decode.weight = self.encode.weight


def test_weights_come_from_a_module_or_a_state_dict_with_or_without_buffers() -> None:
    other = model()
    expected = {name: value.detach() for name, value in other.named_parameters()}
    for given in (other, other.state_dict(), expected, {name: value.numpy() for name, value in expected.items()}):
        read = read_weights(model(), given)
        assert list(read) == list(expected)
        assert all(torch.equal(read[name], value) for name, value in expected.items())
        assert not any(value.requires_grad for value in read.values())


@pytest.mark.parametrize("names", [("encode.weight",), ("decode.weight",), ("encode.weight", "decode.weight")])
def test_tied_weights_may_go_by_any_of_their_names(names: tuple[str, ...]) -> None:
    read = read_weights(Tied(), {name: torch.eye(2) for name in names})
    assert list(read) == ["encode.weight"]
    assert torch.equal(read["encode.weight"], torch.eye(2))


def changed(**changes: Any) -> dict[str, Any]:
    given = {name: value.clone() for name, value in model().state_dict().items()}
    return {name: value for name, value in (given | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (changed(**{"0.bias": None}), "got '0.bias' missing$"),
        (changed(**{"2.weight": torch.zeros(1)}), "got '2.weight' unexpected$"),
        ({"a": 1}, "got '0.weight', '0.bias', '1.weight' and 1 more missing and 'a' unexpected$"),
        (nn.Linear(3, 2), "got '0.weight', .* missing and 'weight', 'bias' unexpected$"),
        (changed(**{"0.weight": torch.zeros(2, 4)}), r"'0.weight' must have shape \(2, 3\); got \(2, 4\)$"),
        (changed(**{"1.bias": torch.tensor([1.0, torch.nan])}), "'1.bias' must be finite; got NaN or infinity"),
        (changed(**{"1.bias": torch.tensor([1.0, torch.inf])}), "'1.bias' must be finite; got NaN or infinity"),
        ([torch.zeros(2)], "a module or a state dict; got list$"),
    ],
)
def test_weights_that_do_not_fit_get_one_sentence(given: Any, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        unchecked(read_weights)(model(), given)


def test_tied_weights_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'encode.weight' and 'decode.weight' are tied"):
        read_weights(Tied(), {"encode.weight": torch.eye(2), "decode.weight": torch.zeros(2, 2)})


class Integers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (torch.zeros(3), "model must be a torch.nn.Module; got Tensor"),
        (nn.Tanh(), "the model .Tanh. has no parameters"),
        (nn.LazyLinear(3), "parameter 'weight' is lazy"),
        (Integers(), "parameter 'table' has dtype torch.int64"),
    ],
)
def test_what_has_no_weight_space_is_refused(given: Any, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        check_model(given)


def unchecked(function: Any) -> Any:
    """The function without the run-time check of its annotations, which speaks first in tests."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function
