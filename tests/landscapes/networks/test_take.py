"""A network on some of its examples."""

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape, check_landscape
from nwedge._random import choose, derive

EXAMPLES, FEATURES, CLASSES = 30, 4, 3


def data(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = derive(seed, "data")
    x = torch.randn(count, FEATURES, generator=generator, dtype=torch.float64)
    return x, torch.randint(CLASSES, (count,), generator=generator)


TRAIN, HELD_OUT = data(EXAMPLES, 0), data(9, 1)


def network(*extra: nn.Module, **options: str) -> NetworkLandscape:
    model = nn.Sequential(nn.Linear(FEATURES, 5), *extra, nn.Tanh(), nn.Linear(5, CLASSES)).double()
    return NetworkLandscape(model, TRAIN, HELD_OUT, batch_size=8, **options)


def drawn(count: int, seed: int = 0) -> Tensor:
    return torch.randperm(EXAMPLES, generator=derive(seed))[:count]


def test_it_is_the_network_on_examples_drawn_without_replacement() -> None:
    landscape = network()
    indices = drawn(10)
    points = landscape.initial(3, derive(1))
    other = NetworkLandscape(landscape.module(points[0]), (TRAIN[0][indices], TRAIN[1][indices]), HELD_OUT)
    some = landscape.take(drawn(10))
    assert some.examples == 10
    assert torch.equal(some.labels, TRAIN[1][indices])
    torch.testing.assert_close(some.loss(points), other.loss(points))
    torch.testing.assert_close(some.predict(points), other.predict(points))
    torch.testing.assert_close(some.accuracy(points), other.accuracy(points))
    vectors = torch.randn(3, landscape.dim, generator=derive(2), dtype=torch.float64)
    torch.testing.assert_close(some.hvp(points, vectors), other.hvp(points, vectors))
    held_out = some.held_out
    assert held_out is not None
    assert torch.equal(held_out.labels, HELD_OUT[1])


def test_it_is_a_landscape_and_leaves_its_source_as_it_is() -> None:
    landscape = network()
    points = landscape.initial(2, derive(1))
    before = landscape.loss(points)
    some = landscape.take(drawn(7))
    check_landscape(some)
    assert (landscape.examples, some.examples, some.batch_size) == (EXAMPLES, 7, 7)
    assert torch.equal(landscape.loss(points), before)


def test_the_mean_over_draws_is_the_loss() -> None:
    landscape = network()
    points = landscape.initial(2, derive(1))
    generator = derive(3)
    losses = torch.stack([landscape.take(choose(EXAMPLES, 10, generator)).loss(points) for _ in range(400)])
    error = losses.std(0) / 20
    assert (losses.std(0) > 0).all()
    assert ((losses.mean(0) - landscape.loss(points)).abs() < 4 * error).all()


def test_recomputed_statistics_stay_those_of_all_training_data() -> None:
    landscape = network(nn.BatchNorm1d(5), batch_norm="recompute")
    point = landscape.initial(1, derive(1))
    indices = drawn(10)
    some = landscape.take(drawn(10))
    normalised = landscape.module(point[0]).eval()  # with the statistics of all training data
    expected = nn.functional.cross_entropy(normalised(TRAIN[0][indices]), TRAIN[1][indices])
    torch.testing.assert_close(some.loss(point)[0], expected)


@pytest.mark.parametrize(
    ("indices", "error", "sentence"),
    [
        (torch.empty(0, dtype=torch.int64), ValueError, r"shape \(at least 1,\); got \(0,\)"),
        (torch.zeros(1, 1, dtype=torch.int64), Exception, "indices"),
        (torch.zeros(2), Exception, "indices"),
        (torch.tensor([0, -1]), ValueError, "between 0 and 29; got -1"),
        (torch.tensor([0, EXAMPLES]), ValueError, "between 0 and 29; got 30"),
    ],
)
def test_indices_that_cannot_be_are_refused(indices, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        network().take(indices)
