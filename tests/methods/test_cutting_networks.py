"""Planes of networks, at every grid point, against a plain loop over the user's own module."""

import copy
import functools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.geometry import Plane, filter_normalised
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.cutting import cut

AXIS = torch.linspace(-1, 1, 21).double()
EXAMPLES, CHUNK = 48, 16
"""Of the data, and of those evaluated at once: three chunks.

Axes, weights, images and directions are numbers that float32 holds exactly: both precisions see the same points.
"""


class Block(nn.Module):
    """A residual block of two convolutions with BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.inner(x))


class Transformer(nn.Module):
    """An encoder over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(8, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.leave = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.encoder(self.enter(x[:, 0])).mean(1))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), Block(3), Block(3), nn.Flatten(), nn.Linear(192, 10)
    )


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), *architectures.mlp(64, 10)),
    "simple-cnn": lambda: architectures.simple_cnn(1, 8, 10),
    "resnet": resnet,
    "transformer": Transformer,
}


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[name]()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):  # statistics of a training, and parameters that are not those of a start
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
    return model.eval().double()


def images(count: int) -> tuple[Tensor, Tensor]:
    (x, y), _ = data.load("digits")
    return x[:count].double().view(-1, 1, 8, 8), y[:count]


def plain(model: nn.Module, weights: Tensor, batch: tuple[Tensor, Tensor], *, passes: int) -> tuple[float, float]:
    """Loss and accuracy as a user would take them: weights by hand, statistics by passes of some in train mode."""
    x, y = batch
    model = copy.deepcopy(model)
    nn.utils.vector_to_parameters(weights.clone(), model.parameters())
    with torch.no_grad():
        if passes:
            norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
            for layer in norms:
                layer.reset_running_stats()
                layer.momentum = None
                layer.train()
            for part in x.chunk(passes):
                model(part)
            model.eval()
        logits = model(x)
        return cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()


def directions(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """A point and two axes that float32 holds exactly, in float64."""
    landscape = NetworkLandscape(built(name), images(EXAMPLES))
    point = landscape.point(built(name))
    u, v = filter_normalised(landscape, point, 2, derive(1)).float().double()
    return point, u, v


@functools.cache
def reference(name: str, passes: int) -> tuple[Tensor, Tensor]:
    """Losses and accuracies of the plane by a loop in float64, (21, 21) each."""
    model, batch, (point, u, v) = built(name), images(EXAMPLES), directions(name)
    rows = [[plain(model, point + x * u + y * v, batch, passes=passes) for y in AXIS] for x in AXIS]
    return torch.tensor(rows, dtype=torch.float64).unbind(2)


@pytest.mark.parametrize(
    ("name", "policy", "strategy"),
    [
        ("mlp", "keep", "stacked"),
        ("mlp", "keep", "vmap"),
        ("simple-cnn", "keep", "loop"),
        ("resnet", "keep", "loop"),
        ("resnet", "recompute", "loop"),
        ("transformer", "keep", "loop"),
    ],
)
@pytest.mark.parametrize(
    ("dtype", "chunk"), [(torch.float64, EXAMPLES), (torch.float64, CHUNK), (torch.float32, CHUNK)]
)
def test_a_plane_is_that_of_a_plain_loop_and_the_model_is_unchanged(name, policy, strategy, dtype, chunk):
    """Within 1e-5 of each loss; in float32, too, of the loop in float64 over the same points."""
    model, (images_, labels) = built(name).to(dtype), images(EXAMPLES)
    point, u, v = (tensor.to(dtype) for tensor in directions(name))
    state = copy.deepcopy(model.state_dict())
    landscape = NetworkLandscape(model, (images_.to(dtype), labels), batch_norm=policy, strategy=strategy, chunk=chunk)
    before = torch.get_rng_state()
    found = cut(landscape, Plane(u, v), [AXIS, AXIS], origin=point, metrics=("loss", "accuracy"))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    assert not model.training
    loss, accuracy = reference(name, EXAMPLES // chunk if policy == "recompute" else 0)
    np.testing.assert_allclose(found.loss, loss, rtol=1e-5)
    turned = 0 if dtype == torch.float64 else 1  # examples whose two likeliest classes float32 may not tell apart
    np.testing.assert_allclose(found.accuracy, accuracy, rtol=0, atol=(turned + 1e-9) / EXAMPLES)
    assert found.loss.isel(c0=10, c1=10).item() == pytest.approx(landscape.loss(point[None]).item())


def test_the_chunks_of_recomputed_statistics_count():
    whole, chunked = reference("resnet", 1)[0], reference("resnet", EXAMPLES // CHUNK)[0]
    assert ((whole - chunked).abs() > 1e-3 * whole).any()
