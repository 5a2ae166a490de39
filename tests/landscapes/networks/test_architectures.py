import pytest
import torch
from torch import nn

from nwedge.landscapes.networks.architectures import ARCHITECTURES, mlp, simple_cnn


def weights(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def kinds(model: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in model.children()]


def test_the_digits_network_has_6310_weights_under_the_names_of_its_layers() -> None:
    model = mlp(64, 10)
    assert weights(model) == 6310
    assert [name for name, _ in model.named_parameters()] == [f"{i}.{p}" for i in (0, 2, 4) for p in ("weight", "bias")]
    assert kinds(mlp(4, 3, (5,), dropout=0.1, activation=nn.Tanh)) == ["Linear", "Tanh", "Dropout", "Linear"]


def test_the_simple_cnn_has_16938_weights_on_fashion_mnist() -> None:
    model = simple_cnn(1, 28, 10)
    assert weights(model) == 16_938
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        "0.weight": (16, 1, 3, 3),
        "0.bias": (16,),
        "3.weight": (32, 16, 3, 3),
        "3.bias": (32,),
        "6.weight": (32, 32, 3, 3),
        "6.bias": (32,),
        "10.weight": (10, 288),
        "10.bias": (10,),
    }


def test_the_layers_of_the_simple_cnn_are_those_of_the_paper() -> None:
    block = ["Conv2d", "Tanh", "MaxPool2d"]
    assert kinds(simple_cnn(1, 28, 10)) == [*block, *block, *block, "Flatten", "Linear"]


@pytest.mark.parametrize("factor", [1, 2, 0.5])
def test_width_multiplies_hidden_units_and_channels(factor: float) -> None:
    assert [layer.out_features for layer in mlp(8, 3, (4, 6), width=factor) if isinstance(layer, nn.Linear)] == [
        4 * factor,
        6 * factor,
        3,
    ]
    convolutions = [layer for layer in simple_cnn(3, 8, 5, width=factor) if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16 * factor, 32 * factor, 32 * factor]


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 9)])
def test_architectures_fit_a_data_set_by_name(shape: tuple[int, ...], dropout: float) -> None:
    train = (torch.randn(6, *shape), torch.arange(6) % 5)
    for build in ARCHITECTURES.values():
        model = build(train, width=1, dropout=dropout)
        assert not any(layer.training for layer in model.modules())
        assert model(train[0]).shape == (6, 5)
        assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [dropout] * bool(dropout) * (
            2 if "Linear" in kinds(model)[:2] else 3
        )
    assert set(ARCHITECTURES) == {"mlp", "simple-cnn"}


def test_points_of_a_network_with_and_without_dropout_are_alike() -> None:
    shapes = [[p.shape for p in simple_cnn(1, 8, 3, dropout=dropout).parameters()] for dropout in (0.0, 0.5)]
    assert shapes[0] == shapes[1]


def test_building_leaves_the_global_random_state_and_is_reproducible() -> None:
    random = torch.get_rng_state()
    first, second = mlp(4, 3), mlp(4, 3)
    simple_cnn(1, 8, 3)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: mlp(0, 3), "the size of an example must be at least 1; got 0"),
        (lambda: mlp(4, 0), "classes must be at least 1; got 0"),
        (lambda: mlp(4, 3, (5, 0)), "the units of a layer must be at least 1; got 0"),
        (lambda: mlp(4, 3, dropout=1.0), r"dropout must be in \[0, 1\); got 1.0"),
        (lambda: mlp(4, 3, width=0), "width must be positive"),
        (lambda: simple_cnn(1, 7, 3), "3 poolings need images of at least 8 pixels; got 7"),
        (
            lambda: ARCHITECTURES["simple-cnn"]((torch.zeros(2, 64), torch.zeros(2).long())),
            r"square images .* \(2, 64\)",
        ),
    ],
)
def test_sizes_that_cannot_be_are_refused(build: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build()
