"""The plain loop over the user's module, against landscapes that are right and ones that are wrong."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape, evaluate
from nwedge.pictures.checking import AGREE, FAR, Check, Pair, check_of, plain_values, share_right

INPUTS, CLASSES = 6, 3


def data(seed: int, count: int = 70) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, INPUTS, generator=generator), torch.randint(CLASSES, (count,), generator=generator)


def model(normalised: bool) -> nn.Module:
    torch.manual_seed(0)
    middle = [nn.BatchNorm1d(8)] if normalised else []
    return nn.Sequential(nn.Linear(INPUTS, 8), *middle, nn.ReLU(), nn.Linear(8, CLASSES)).eval()


def cross_entropy(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_norm", [None, "keep", "recompute"])
@pytest.mark.parametrize("chunk", [None, 32])
def test_the_loop_is_the_landscape(dtype, batch_norm, chunk):
    own = model(batch_norm is not None)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    options = {"batch_norm": batch_norm or "keep", "chunk": chunk, "dtype": dtype}
    landscape = NetworkLandscape(own, data(1), data(2), **options)
    points = landscape.initial(3, torch.Generator().manual_seed(0))
    rounding = 1e-5 if dtype == torch.float32 else 1e-12
    for held_out in (False, True):
        seen: Any = landscape.held_out if held_out else landscape
        wanted = evaluate(seen, points).tolist()
        plain = plain_values(landscape, points, cross_entropy, held_out=held_out)
        assert plain == pytest.approx(wanted, rel=rounding)
        right = share_right(lambda model, batch: model(batch[0]))
        shares = plain_values(landscape, points, right, held_out=held_out)
        assert shares == pytest.approx(seen.accuracy(points).tolist(), rel=rounding)
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())


def test_a_loss_of_the_users_on_its_own_batches():
    x, y = data(1)

    def loss(model, batch):
        return nn.functional.cross_entropy(model(batch["x"]), batch["y"], label_smoothing=0.1)

    landscape = NetworkLandscape(model(False), {"x": x, "y": y}, loss=loss)
    points = landscape.initial(2, torch.Generator().manual_seed(0))
    assert plain_values(landscape, points, loss) == pytest.approx(evaluate(landscape, points).tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("shown", "plain", "difference"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.2], [1.0, 2.0], 0.1),
        ([0.0], [1e-9], 1e-7),  # relative to .01
        ([math.nan, 1.0], [math.nan, 1.0], 0.0),
        ([math.inf], [math.inf], 0.0),
        ([math.nan], [1.0], math.inf),
        ([1.0], [math.inf], math.inf),
    ],
)
def test_the_largest_relative_difference(shown, plain, difference):
    found = check_of(list(map(Pair, shown, plain)), points=7, compared="the loss")
    assert "of the loss at 7 points" in found.sentence
    assert found.difference == pytest.approx(difference)
    assert found.deviation is None
    assert found.passed == (difference <= AGREE)
    assert ("do not trust" in found.sentence) != found.passed


@pytest.mark.parametrize(
    ("pair", "deviation"),
    [
        (Pair(1.5, 1.0, 0.1), 5.0),
        (Pair(1.7, 1.0, 0.1), 7.0),
        (Pair(1.00001, 1.0, 1e-9), 0.0),  # rounding
        (Pair(math.inf, 1.0, 0.1), math.inf),
    ],
)
def test_estimates_are_held_to_their_standard_errors(pair, deviation):
    found = check_of([pair, Pair(1.0, 1.0)], points=2, compared="the loss")
    assert found.difference == 0
    assert found.deviation == pytest.approx(deviation, abs=2e-3)
    assert found.passed == (deviation <= FAR)
    assert f"up to {deviation:.1f} standard errors" in found.sentence


def test_one_example_of_an_accuracy_may_tie():
    pairs = [Pair(0.61, 0.60, step=0.015), Pair(0.5, 0.5, math.nan)]
    assert check_of(pairs, points=1, compared="the accuracy").passed
    assert not check_of([Pair(0.62, 0.60, step=0.015)], points=1, compared="the accuracy").passed


def test_a_difference_that_is_no_number_does_not_pass():
    assert not Check(1, "the loss", math.nan, None).passed
    assert not Check(1, "the loss", None, math.nan).passed
