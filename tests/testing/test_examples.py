"""Broken losses of examples are caught."""

import pytest
import torch

from nwedge import NetworkLandscape
from nwedge.landscapes.networks.architectures import mlp
from nwedge.landscapes.networks.network import PredictiveNetwork
from nwedge.testing import LandscapeError, check_landscape

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TRAIN = X, torch.arange(12) % 3


class Reversed(PredictiveNetwork):
    def example_losses(self, points):
        return super().example_losses(points).flip(1)


class Doubled(PredictiveNetwork):
    def example_losses(self, points):
        return 2 * super().example_losses(points)


class Short(PredictiveNetwork):
    def example_losses(self, points):
        return super().example_losses(points)[:, 1:]


class Unmoved(PredictiveNetwork):
    def take(self, indices):
        return self


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Reversed, "`take` to give the examples of the indices"),
        (Doubled, "the loss to be the mean of `example_losses`"),
        (Short, r"\(4, 12\); got \(4, 11\)"),
        (Unmoved, "`take` to give 6 examples; got 12"),
    ],
)
def test_broken_examples_are_caught(kind, sentence):
    landscape = NetworkLandscape(mlp(4, 3, (5,)).double(), TRAIN, batch_size=4)
    check_landscape(landscape)
    landscape.__class__ = kind
    with pytest.raises(LandscapeError, match=sentence):
        check_landscape(landscape)
