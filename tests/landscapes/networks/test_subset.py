"""A network on some of its examples."""

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape, check_landscape
from nwedge._random import derive

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
    some = landscape.subset(10, derive(0))
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
    some = landscape.subset(7, derive(0))
    check_landscape(some)
    assert (landscape.examples, some.examples, some.batch_size) == (EXAMPLES, 7, 7)
    assert torch.equal(landscape.loss(points), before)


def test_all_are_taken_where_there_are_fewer() -> None:
    landscape = network()
    points = landscape.initial(2, derive(1))
    every = landscape.subset(10 * EXAMPLES, derive(0))
    assert every.examples == EXAMPLES
    torch.testing.assert_close(every.loss(points), landscape.loss(points))


def test_the_mean_over_draws_is_the_loss() -> None:
    landscape = network()
    points = landscape.initial(2, derive(1))
    generator = derive(3)
    losses = torch.stack([landscape.subset(10, generator).loss(points) for _ in range(400)])
    error = losses.std(0) / 20
    assert (losses.std(0) > 0).all()
    assert ((losses.mean(0) - landscape.loss(points)).abs() < 4 * error).all()


def test_recomputed_statistics_stay_those_of_all_training_data() -> None:
    landscape = network(nn.BatchNorm1d(5), batch_norm="recompute")
    point = landscape.initial(1, derive(1))
    indices = drawn(10)
    some = landscape.subset(10, derive(0))
    normalised = landscape.module(point[0]).eval()  # with the statistics of all training data
    expected = nn.functional.cross_entropy(normalised(TRAIN[0][indices]), TRAIN[1][indices])
    torch.testing.assert_close(some.loss(point)[0], expected)


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_a_count_that_cannot_be_is_refused(count, error) -> None:
    with pytest.raises(error):
        network().subset(count, derive(0))
