import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp, simple_cnn
from nwedge.landscapes.networks.strategy import CHUNK, DIFFERENTIATED, HELD, place, prefers_channels_last, rule
from nwedge.specs.landscapes import STRATEGIES

X, Y = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
IMAGES = torch.randn(20, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Own(nn.Linear):
    pass


@pytest.mark.parametrize(
    ("model", "stacks"),
    [
        (mlp((1, 4, 4), 3, dropout=0.2), True),
        (nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), nn.GELU()), True),
        (simple_cnn(1, 8, 3), False),
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), False),
        (nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4)), False),
        (nn.Sequential(Own(4, 4)), False),
    ],
)
def test_the_rule_looks_at_the_layers_alone(model: nn.Module, stacks: bool) -> None:
    assert rule(model) == (("stacked", "vmap", "loop") if stacks else ("loop",))


def branching(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    value = cross_entropy(model(batch[0]), batch[1])
    return value if value.item() > 0 else 2 * value  # cannot be stacked


def peeking(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Can be stacked, but has another value then."""
    factor = 2.0 if torch._C._functorch.is_batchedtensor(model[0].weight) else 1.0
    return factor * cross_entropy(model(batch[0]), batch[1])


@pytest.mark.parametrize(("loss", "reason"), [(branching, "item"), (peeking, "differ from those of a loop")])
def test_a_loss_that_cannot_be_stacked_is_looped_over_or_refused(loss: object, reason: str) -> None:
    model = mlp(4, 3, (5,))
    landscape = NetworkLandscape(model, (X, Y), loss=loss)
    assert (landscape.strategy, landscape.chunk) == ("loop", CHUNK["cpu"]["loop"])
    points = landscape.initial(2, derive(0))
    torch.testing.assert_close(landscape.loss(points), NetworkLandscape(model, (X, Y)).loss(points))
    with pytest.raises(
        ValueError, match=f"strategy='vmap' cannot evaluate .*{reason}.*: use strategy='loop'"
    ) as caught:
        NetworkLandscape(model, (X, Y), loss=loss, strategy="vmap")
    assert "\n" not in str(caught.value)


def test_predictions_that_cannot_be_stacked_are_looped_over_too() -> None:
    def predict(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        logits = model(batch[0])
        return logits.softmax(1) if logits.sum().item() else logits

    landscape = NetworkLandscape(mlp(4, 3, (5,)), (X, Y), predict=predict)
    assert landscape.strategy == "loop"
    assert landscape.predict(landscape.initial(2, derive(0))).shape == (2, 20, 3)


class Viewing(nn.Module):
    """Relies on the plain layout of its images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 2, 3), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x).view(len(x), -1))


def test_images_are_laid_out_with_their_channels_last_where_that_works() -> None:
    pooled = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(32, 3))
    for model, works in ((pooled, True), (Viewing(), False), (mlp((3, 6, 6), 3), False)):
        landscape = NetworkLandscape(model, (IMAGES, Y))
        assert landscape._network.channels_last is works
        point = landscape.point(model)
        torch.testing.assert_close(landscape.loss(point[None])[0], cross_entropy(model(IMAGES), Y).detach())
    assert not prefers_channels_last(pooled, torch.device("cuda"))


def test_kernels_are_laid_out_as_the_images_that_have_no_layout_of_their_own() -> None:
    seen = []

    class Looking(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(self.weight.stride())
            return super().forward(x)

    model = nn.Sequential(Looking(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    landscape = NetworkLandscape(model, (IMAGES[:, :1], Y))
    landscape.loss(landscape.initial(1, derive(0)))
    assert landscape._network.channels_last
    assert seen[-1] == (9, 1, 3, 1)


def test_a_gpu_takes_more_examples_at_once_than_a_cpu() -> None:
    assert [place(torch.device(name)) for name in ("cpu", "cuda", "cuda:1", "mps")] == ["cpu", "gpu", "gpu", "gpu"]
    assert all(CHUNK["gpu"][name] > CHUNK["cpu"][name] for name in STRATEGIES)
    assert all(sizes.keys() == set(STRATEGIES) for table in (CHUNK, DIFFERENTIATED, HELD) for sizes in table.values())
