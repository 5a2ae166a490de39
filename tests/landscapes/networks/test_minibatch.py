import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape, evaluate, gradient
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp, simple_cnn

EXAMPLES, BATCH = 30, 8
X = torch.randn(EXAMPLES, 5, generator=derive(0), dtype=torch.float64)
Y = torch.randint(3, (EXAMPLES,), generator=derive(1))


def landscape_of(dropout: float = 0.0, **options: object) -> NetworkLandscape:
    model = mlp(5, 3, (6, 6), dropout=dropout)
    return NetworkLandscape(model, (X, Y), (X[:7], Y[:7]), dtype=torch.float64, **({"batch_size": BATCH} | options))


def streams(count: int) -> list[Generator]:
    return [derive(7, row) for row in range(count)]


@pytest.mark.parametrize("strategy", ["stacked", "vmap", "loop"])
@pytest.mark.parametrize("chunk", [3, 100])
def test_one_generator_shows_all_points_the_same_examples(strategy: str, chunk: int) -> None:
    landscape = landscape_of(strategy=strategy, chunk=chunk)
    points = landscape.initial(4, derive(2))
    drawn = torch.randperm(EXAMPLES, generator=derive(3))[:BATCH]
    expected = torch.stack([cross_entropy(landscape.module(point)(X[drawn]), Y[drawn]) for point in points])
    view = landscape.minibatch(derive(3))
    torch.testing.assert_close(view.loss(points), expected.detach())
    assert view.unbiased is True


@pytest.mark.parametrize("strategy", ["stacked", "vmap", "loop"])
@pytest.mark.parametrize("chunk", [3, 100])
def test_a_sequence_shows_each_row_what_its_own_generator_drew(strategy: str, chunk: int) -> None:
    landscape = landscape_of(strategy=strategy, chunk=chunk)
    points = landscape.initial(35, derive(2))
    losses = landscape.minibatch(streams(35)).loss(points)
    for row, point in enumerate(points):
        drawn = torch.randperm(EXAMPLES, generator=derive(7, row))[:BATCH]
        expected = cross_entropy(landscape.module(point)(X[drawn]), Y[drawn])
        torch.testing.assert_close(losses[row], expected.detach())


def test_the_mean_over_minibatches_is_the_loss_within_4_standard_errors() -> None:
    landscape = landscape_of()
    points = landscape.initial(3, derive(2))
    generator = derive(3)
    draws = torch.stack([evaluate(landscape.minibatch(generator), points) for _ in range(400)])
    error = (draws.mean(0) - landscape.loss(points)).abs()
    assert (error < 4 * draws.std(0) / math.sqrt(400)).all()
    assert (draws.std(0) > 0.01).all()


@settings(deadline=None, max_examples=15)
@given(count=st.integers(1, EXAMPLES), size=st.integers(1, 30))
def test_an_epoch_partitions_the_examples_into_equal_batches_whose_mean_is_the_loss(count: int, size: int) -> None:
    landscape = NetworkLandscape(mlp(5, 3, (4,)), (X[:count], Y[:count]), batch_size=size, dtype=torch.float64)
    points = landscape.initial(2, derive(2))
    views = list(landscape.epoch(derive(3)))
    sizes = {len(view._drawn.indices) for view in views}
    (each,) = sizes

    def fine(divisor: int) -> bool:
        return divisor == 1 or count // divisor >= 10

    assert each * len(views) == count
    assert each == max(divisor for divisor in range(1, min(size, count) + 1) if count % divisor == 0 and fine(divisor))
    assert sorted(torch.cat([view._drawn.indices for view in views]).tolist()) == list(range(count))
    mean = torch.stack([view.loss(points) for view in views]).mean(0)
    torch.testing.assert_close(mean, landscape.loss(points), rtol=1e-12, atol=0)


def test_epochs_and_minibatches_of_held_out_data_draw_from_them() -> None:
    held_out = landscape_of().held_out
    points = held_out.initial(2, derive(2))
    assert (held_out.examples, held_out.batch_size) == (7, 7)
    torch.testing.assert_close(held_out.minibatch(derive(0)).loss(points), held_out.loss(points))
    assert len(list(held_out.epoch(derive(0)))) == 7


def test_dropout_is_on_in_a_view_and_two_calls_agree() -> None:
    landscape = landscape_of(dropout=0.5)
    points = landscape.initial(3, derive(2))
    view, other = landscape.minibatch(derive(3)), landscape.minibatch(derive(4))
    assert view.unbiased is False
    assert torch.equal(view.loss(points), view.loss(points))
    assert torch.equal(gradient(view, points), gradient(view, points))
    assert not torch.allclose(view.loss(points), other.loss(points))
    drawn = torch.randperm(EXAMPLES, generator=derive(3))[:BATCH]
    off = landscape_of().module(points[0])
    assert not torch.isclose(view.loss(points)[0], cross_entropy(off(X[drawn]), Y[drawn]).detach())
    assert torch.equal(landscape.loss(points), landscape_of().loss(points))  # and off in the loss


def test_dropout_masks_are_those_of_the_torch_layers_in_train_mode() -> None:
    landscape = landscape_of(dropout=0.5)
    point = landscape.initial(1, derive(2))
    generator = derive(3)
    drawn = torch.randperm(EXAMPLES, generator=generator)[:BATCH]
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    module = landscape.module(point[0]).train()
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        expected = cross_entropy(module(X[drawn]), Y[drawn]).detach()
    torch.testing.assert_close(landscape.minibatch(derive(3)).loss(point)[0], expected)


def test_one_generator_gives_all_points_the_same_masks() -> None:
    landscape = landscape_of(dropout=0.5)
    point = landscape.initial(1, derive(2))
    losses = landscape.minibatch(derive(3)).loss(point.expand(4, -1))
    assert (losses == losses[0]).all()
    own = landscape.minibatch(streams(4)).loss(point.expand(4, -1))
    assert len(own.unique()) == 4


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 1], [2]])
def test_a_row_depends_on_its_own_generator_alone(dropout: float, rows: list[int]) -> None:
    landscape = landscape_of(dropout=dropout)
    points = landscape.initial(4, derive(2))
    together = landscape.minibatch(streams(4)).loss(points)
    some = landscape.minibatch([streams(4)[row] for row in rows]).loss(points[rows])
    torch.testing.assert_close(some, together[rows], rtol=1e-12, atol=0)


def test_gradients_with_dropout_are_recomputed_with_the_same_masks() -> None:
    model = simple_cnn(1, 8, 3, (2, 2, 2), dropout=0.3)
    x = torch.randn(40, 1, 8, 8, generator=derive(5))
    data = (x, torch.randint(3, (40,), generator=derive(6)))
    kept, recomputed = (
        NetworkLandscape(model, data, batch_size=20, chunk=chunk, dtype=torch.float64) for chunk in (20, 1)
    )
    points = kept.initial(3, derive(2))
    for draw in (derive(3), streams(3)):
        state = [one.get_state() for one in (draw if isinstance(draw, list) else [draw])]
        first = gradient(kept.minibatch(draw), points)
        for one, before in zip(draw if isinstance(draw, list) else [draw], state, strict=True):
            one.set_state(before)
        torch.testing.assert_close(gradient(recomputed.minibatch(draw), points), first)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_global_random_state_is_unchanged(dropout: float) -> None:
    random = torch.get_rng_state()
    landscape = landscape_of(dropout=dropout)
    points = landscape.initial(2, derive(2))
    for view in (landscape.minibatch(derive(3)), landscape.minibatch(streams(2)), *landscape.epoch(derive(4))):
        gradient(view, points)
    assert torch.equal(torch.get_rng_state(), random)


def test_another_number_of_points_than_of_generators_is_refused() -> None:
    landscape = landscape_of()
    with pytest.raises(ValueError, match="drawn for 3 points, one generator each; got 2"):
        landscape.minibatch(streams(3)).loss(landscape.initial(2, derive(2)))


def test_the_minibatch_of_a_view_is_the_view() -> None:
    view = landscape_of().minibatch(derive(0))
    assert view.minibatch(derive(1)) is view
    assert torch.equal(view.initial(2, derive(2)), landscape_of().initial(2, derive(2)))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.MultiheadAttention(5, 1, dropout=0.5, batch_first=True)
        self.out = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None] * torch.ones(3, 1, dtype=x.dtype)
        return self.out(self.mix(x, x, x)[0].sum(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.GRU(1, 3, 2, dropout=0.5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x[:, :, None])[0][:, -1]


@pytest.mark.parametrize("make", [Attention, Recurrent])
def test_dropout_inside_attention_and_recurrent_layers_is_seen(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="is in train mode and drops units at random"):
        NetworkLandscape(make(), (X, Y))
    landscape = NetworkLandscape(make().eval(), (X, Y), batch_size=BATCH)
    points = landscape.initial(1, derive(2))
    same = [landscape.minibatch(derive(3)).loss(points) for _ in range(2)]
    assert torch.equal(*same)
    assert landscape.minibatch(derive(3)).unbiased is False
    drawn = torch.randperm(EXAMPLES, generator=derive(3))[:BATCH]
    off = cross_entropy(landscape.module(points[0])(X[drawn].float()), Y[drawn]).detach()
    assert not torch.isclose(same[0][0], off)
