"""Planes of networks, at every grid point, against a plain loop over the user's own module."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.geometry import Plane, filter_normalised
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.cutting import cut

AXIS = torch.linspace(-1, 1, 21, dtype=torch.float64)


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
    model = MODELS[name]().double()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):  # statistics of a training, and parameters that are not those of a start
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
    return model.eval()


def images(count: int) -> tuple[Tensor, Tensor]:
    (x, y), _ = data.load("digits")
    return x[:count].double().view(-1, 1, 8, 8), y[:count]


def plain(model: nn.Module, weights: Tensor, batch: tuple[Tensor, Tensor], *, recompute: bool) -> tuple[float, float]:
    """Loss and accuracy as a user would take them: weights by hand, statistics by a pass in train mode."""
    x, y = batch
    model = copy.deepcopy(model)
    nn.utils.vector_to_parameters(weights.clone(), model.parameters())
    with torch.no_grad():
        if recompute:
            norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
            for layer in norms:
                layer.reset_running_stats()
                layer.momentum = None
                layer.train()
            model(x)
            model.eval()
        logits = model(x)
        return cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()


@pytest.mark.parametrize(
    ("name", "policy"),
    [("mlp", "keep"), ("simple-cnn", "keep"), ("resnet", "keep"), ("resnet", "recompute"), ("transformer", "keep")],
)
def test_a_plane_is_that_of_a_plain_loop_and_the_model_is_unchanged(name, policy):
    model, batch = built(name), images(40)
    state = copy.deepcopy(model.state_dict())
    landscape = NetworkLandscape(model, batch, batch_norm=policy)
    point = landscape.point(model)
    u, v = filter_normalised(landscape, point, 2, derive(1))
    before = torch.get_rng_state()
    found = cut(landscape, Plane(u, v), [AXIS, AXIS], origin=point, metrics=("loss", "accuracy"))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    assert not model.training
    for i, x in enumerate(AXIS):
        for j, y in enumerate(AXIS):
            loss, accuracy = plain(model, point + x * u + y * v, batch, recompute=policy == "recompute")
            assert found.loss[i, j].item() == pytest.approx(loss, rel=1e-5), (i, j)
            assert found.accuracy[i, j].item() == pytest.approx(accuracy, abs=1e-12), (i, j)
    assert found.loss.isel(c0=10, c1=10).item() == pytest.approx(landscape.loss(point[None]).item())
    assert bool(found.loss.notnull().all())  # no direction makes a running variance negative


def test_float32_agrees_too():
    model, batch = built("simple-cnn").float(), images(40)
    batch = batch[0].float(), batch[1]
    landscape = NetworkLandscape(model, batch)
    point = landscape.point(model)
    u, v = filter_normalised(landscape, point, 2, derive(1))
    few = AXIS[::5].float()
    found = cut(landscape, Plane(u, v), [few, few], origin=point)
    for i, x in enumerate(few):
        for j, y in enumerate(few):
            loss, _ = plain(model, point + x * u + y * v, batch, recompute=False)
            assert found.loss[i, j].item() == pytest.approx(loss, rel=1e-5), (i, j)
