"""Points of networks that are no plain chains, and of those whose units cannot be matched."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.methods.alignment import METHODS, align, alignable

EXAMPLES, CLASSES = 12, 3


def on(model: nn.Module, shape: Sequence[int], dtype: torch.dtype = torch.float64, **how) -> NetworkLandscape:
    inputs = torch.randn(EXAMPLES, *shape, generator=derive(0, "inputs"))
    labels = torch.arange(EXAMPLES) % CLASSES
    return NetworkLandscape(model, (inputs, labels), dtype=dtype, **how)


def squared_distance(left: Tensor, right: Tensor) -> float:
    return (left - right).square().sum().item()


class Other(nn.Sequential):
    """A Sequential with a forward pass of its own, for all that can be known."""


SHARED = nn.Linear(4, 4)
OTHERS = {
    "a subclass": Other(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, CLASSES)),
    "normalised units": nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, CLASSES)),
    "units that know each other": nn.Sequential(nn.Linear(4, 5), nn.Softmax(1), nn.Linear(5, CLASSES)),
    "flattened later": nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Linear(2, 5), nn.Flatten(), nn.Linear(10, CLASSES)),
}
OTHERS_ON_IMAGES = {
    "groups": nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, CLASSES)
    ),
    "dense along the width": nn.Sequential(nn.Conv2d(2, 4, 1), nn.Linear(4, 4), nn.Flatten(), nn.Linear(64, CLASSES)),
    "flattened in part": nn.Sequential(
        nn.Conv2d(2, 4, 1), nn.Flatten(2), nn.Linear(16, 4), nn.Flatten(), nn.Linear(16, CLASSES)
    ),
    "dense units that are pooled": nn.Sequential(
        nn.Linear(4, 4), nn.MaxPool2d(2), nn.Linear(2, 2), nn.Flatten(), nn.Linear(8, CLASSES)
    ),
    "dense units of pixels that are flattened": nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.Linear(32, CLASSES)),
}
EVERY_OTHER = {name: (model, (4,)) for name, model in OTHERS.items()}
EVERY_OTHER |= {name: (model, (2, 4, 4)) for name, model in OTHERS_ON_IMAGES.items()}


@pytest.mark.parametrize(("model", "shape"), EVERY_OTHER.values(), ids=EVERY_OTHER)
def test_networks_that_are_no_plain_chains_keep_their_function(model: nn.Module, shape: tuple[int, ...]) -> None:
    landscape = on(model, shape)
    assert alignable(landscape)
    moved = False
    for seed in range(6):
        reference, other = landscape.initial(2, derive(seed))
        found = align(landscape, reference, other, generator=derive(seed))
        torch.testing.assert_close(landscape.predict(found[None]), landscape.predict(other[None]), rtol=0, atol=1e-12)
        assert squared_distance(reference, found) <= squared_distance(reference, other)
        moved |= not torch.equal(found, other)
    assert moved


REFUSED = {
    "no hidden units": nn.Linear(4, CLASSES),
    "units that are tied to the inputs": nn.Sequential(SHARED, nn.ReLU(), SHARED, nn.ReLU(), nn.Linear(4, CLASSES)),
}


@pytest.mark.parametrize("model", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("method", METHODS)
def test_networks_without_units_that_can_change_places_are_refused(model: nn.Module, method: str) -> None:
    landscape = on(model, (4,))
    assert not alignable(landscape)
    point = landscape.initial(1, derive(0))[0]
    with pytest.raises(
        ValueError,
        match=r"no units of (Linear|Sequential) can change places: frozen, since they (are out|belong to the in)puts",
    ):
        align(landscape, point, point, method=method, generator=derive(0))


class Strange(nn.Module):
    """Refuses float64, in which its units would be looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("float32 alone")
        return self.layers(x)


def test_a_network_that_cannot_be_followed_is_refused() -> None:
    landscape = on(Strange(), (4,), torch.float32)
    assert not alignable(landscape)
    point = landscape.initial(1, derive(0))[0]
    with pytest.raises(ValueError, match=r"the units of Strange cannot be found, since .* TypeError: float32 alone"):
        align(landscape, point, point, generator=derive(0))


def normalised(batch_norm: str) -> NetworkLandscape:
    """Its running statistics differ from channel to channel."""
    model = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, CLASSES)
    )
    with torch.no_grad():
        model(torch.randn(50, 4, generator=derive(0, "statistics")))
    return on(model.eval(), (4,), batch_norm=batch_norm)


@pytest.mark.parametrize(("batch_norm", "groups"), [("keep", [6]), ("recompute", [5, 6])])
@pytest.mark.parametrize("method", METHODS)
def test_channels_with_statistics_move_where_these_follow(batch_norm: str, groups: list[int], method: str) -> None:
    landscape = normalised(batch_norm)
    assert [group.size for group in landscape.permutations.groups] == groups
    assert any("use batch_norm='recompute'" in why for why in landscape.permutations.frozen) == (batch_norm == "keep")
    reference, other = landscape.initial(2, derive(0))
    found = align(landscape, reference, other, method=method, generator=derive(0))
    assert not torch.equal(found, other)
    torch.testing.assert_close(landscape.predict(found[None]), landscape.predict(other[None]), rtol=0, atol=1e-10)
