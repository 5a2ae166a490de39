"""The losses of single examples: the default's, and of a user's loss by batches of one."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape, Separable, check_landscape
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp, simple_cnn

COUNT = 21


def images(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.randn(COUNT, 1, 8, 8, generator=derive(0), dtype=dtype), torch.arange(COUNT) % 3


def smooth(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return cross_entropy(model(batch[0]), batch[1], label_smoothing=0.1)


def branching(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A loss that vmap cannot take."""
    losses = cross_entropy(model(batch[0]), batch[1], reduction="none")
    return torch.stack([loss if loss.item() < 1 else loss.square() for loss in losses]).mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [None, smooth, branching])
@pytest.mark.parametrize("kind", ["mlp", "cnn", "cnn stacked"])
@pytest.mark.parametrize("chunk", [None, 4])
def test_they_are_the_losses_of_batches_of_one(kind, loss, chunk, dtype) -> None:
    model = nn.Sequential(nn.Flatten(), mlp(64, 3, (5,))) if kind == "mlp" else simple_cnn(1, 8, 3, (2, 3))
    if kind == "cnn stacked" and loss is branching:
        pytest.skip("it cannot be stacked")
    strategy = "vmap" if kind == "cnn stacked" else None
    landscape = NetworkLandscape(model, images(dtype), loss=loss, chunk=chunk, strategy=strategy, dtype=dtype)
    points = landscape.initial(2, derive(1))
    losses = landscape.example_losses(points)
    assert losses.shape == (2, COUNT)
    assert losses.dtype == dtype
    assert not losses.requires_grad
    singles = torch.stack([landscape.take(torch.tensor([one])).loss(points) for one in range(COUNT)], 1)
    torch.testing.assert_close(losses, singles)
    torch.testing.assert_close(losses.mean(1), landscape.loss(points))


def test_a_landscape_on_finite_data_is_separable() -> None:
    landscape = NetworkLandscape(
        mlp(64, 3, (5,)).double(),
        (images(torch.float64)[0].flatten(1), images(torch.float32)[1]),
        loss=smooth,
        batch_size=7,
    )
    assert isinstance(landscape, Separable)
    check_landscape(landscape)


def test_a_loss_that_is_no_mean_over_examples_is_refused() -> None:
    def summed(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1], reduction="sum")

    landscape = NetworkLandscape(
        mlp(64, 3, (5,)), (images(torch.float32)[0].flatten(1), images(torch.float32)[1]), loss=summed
    )
    with pytest.raises(ValueError, match=r"must be the mean over the examples of the batch; got .* on 8 examples"):
        landscape.example_losses(landscape.initial(1, derive(1)))


def test_recomputed_batch_norm_takes_its_statistics_of_all_training_examples() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).eval()
    landscape = NetworkLandscape(model, images(torch.float64), batch_norm="recompute", dtype=torch.float64)
    points = landscape.initial(2, derive(1))
    losses = landscape.example_losses(points)
    torch.testing.assert_close(losses.mean(1), landscape.loss(points))
    few = torch.arange(3)
    torch.testing.assert_close(landscape.take(few).example_losses(points), losses[:, few])
