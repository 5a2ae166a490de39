import pytest
import torch
from torch import Tensor, nn

from nwedge.landscapes.networks.functional import Network


class SharedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


class SharedParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 4), nn.Linear(4, 4)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(torch.tanh(self.encode(x)))


class Scalar(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.alias = self.scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.alias


MODELS = [SharedLayer, SharedParameter, Scalar, lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))]


def output(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch)


@pytest.mark.parametrize("make", MODELS)
def test_a_call_is_the_model_with_other_weights(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model, other = make(), make()
    network, x = Network(model), torch.randn(5, 4)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    point = nn.utils.parameters_to_vector(other.parameters()).detach()
    assert network.dim == len(point)

    assert torch.equal(network(output, point, None, x), other(x))
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("make", MODELS)
def test_the_gradient_of_tied_weights_is_the_sum_over_their_places(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    network, x = Network(model), torch.randn(5, 4)
    point = nn.utils.parameters_to_vector(model.parameters()).detach().requires_grad_()
    (slope,) = torch.autograd.grad(network(output, point, None, x).square().sum(), point)
    expected = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    torch.testing.assert_close(slope, nn.utils.parameters_to_vector(expected))


def test_flatten_and_unflatten_are_inverse() -> None:
    network = Network(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    point = torch.arange(float(network.dim))
    pieces = network.unflatten(point)
    assert {name: tuple(piece.shape) for name, piece in pieces.items()} == network.shapes
    assert torch.equal(network.flatten(pieces), point)


def test_images_can_be_handed_over_with_their_channels_last() -> None:
    model, seen = nn.Conv2d(3, 2, 1), []
    network = Network(model)

    def spy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        seen.append([leaf.is_contiguous(memory_format=torch.channels_last) for leaf in batch if leaf.ndim == 4])
        return model(batch[0])

    batch = (torch.randn(2, 3, 5, 5), torch.zeros(2, 3, 5, 5, dtype=torch.int64))
    point = torch.zeros(network.dim)
    plain = network(spy, point, None, batch)
    network.channels_last = True
    assert torch.equal(network(spy, point, None, batch), plain)
    assert seen == [[False, False], [True, False]]
