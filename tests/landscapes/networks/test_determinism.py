import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from nwedge import NetworkLandscape

X, Y = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


class FunctionalDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(self.inner(x), 0.5, self.training)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


class Scaling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2)


def model(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("network", "match"),
    [
        (
            model(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5)),
            r"layer '2' \(Dropout\) is in train mode .* model.eval\(\)",
        ),
        (model(nn.Linear(4, 4), nn.Dropout(1e-6)), r"layer '1' \(Dropout\) is in train mode"),
        (model(nn.Linear(4, 4), nn.BatchNorm1d(4)), r"layer '1' \(BatchNorm1d\) is in train mode.*'recompute'"),
        (model(nn.Linear(4, 4), Noise()), r"layer '1' \(Noise\) is in train mode and gives other outputs"),
        (model(nn.Linear(4, 4), Noise()).eval(), r"layer '1' \(Noise\) gives other outputs .* must be deterministic"),
        (model(model(nn.Linear(4, 4), Noise()), nn.Linear(3, 4)).eval(), r"layer '0.1' \(Noise\)"),
        (model(FunctionalDropout(), nn.ReLU()), r"layer '0' \(FunctionalDropout\) is in train mode"),
        (model(Counter()).eval(), r"layer '0' \(Counter\) changes its buffer 'calls' in a pass"),
        (model(nn.RReLU()), r"layer '0' \(RReLU\) is in train mode"),
        (model(Scaling()), "changes its input in place"),
    ],
)
def test_the_layer_that_makes_two_passes_differ_is_named(network: nn.Module, match: str) -> None:
    random, kept = torch.get_rng_state(), X.clone()
    with pytest.raises(ValueError, match=match) as caught:
        NetworkLandscape(network, (X, Y))
    assert "\n" not in str(caught.value)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(X, kept)


@pytest.mark.parametrize(
    "network",
    [
        model(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5)).eval(),
        model(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval(),
        model(nn.Linear(4, 4), nn.Tanh()).train(),
        model(nn.Dropout(0.0)).train(),
        model(nn.Linear(4, 4), nn.ReLU(inplace=True)),
        model(FunctionalDropout()).eval(),
    ],
)
def test_a_deterministic_model_is_legal_in_any_mode(network: nn.Module) -> None:
    landscape = NetworkLandscape(network, (X, Y))
    point = landscape.point(network)
    torch.testing.assert_close(landscape.loss(point[None])[0], cross_entropy(network(X), Y).detach())


def test_batch_norm_in_train_mode_is_legal_where_it_is_recomputed() -> None:
    NetworkLandscape(model(nn.Linear(4, 4), nn.BatchNorm1d(4)).train(), (X, Y), batch_norm="recompute")
    network = model(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    with pytest.raises(ValueError, match=r"layer '2' \(Dropout\)"):
        NetworkLandscape(network, (X, Y), batch_norm="recompute")


def test_a_random_loss_is_refused() -> None:
    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(model(batch[0] + torch.randn(1)), batch[1])

    with pytest.raises(ValueError, match="the loss differs in a second pass"):
        NetworkLandscape(model(), (X, Y), loss=loss)


def test_held_out_data_are_probed_too() -> None:
    with pytest.raises(ValueError, match="held-out labels"):
        NetworkLandscape(model(), (X, Y), (X, Y + 1))
