"""Every spec becomes the landscape that it describes."""

import pytest
import torch

from nwedge import NetworkLandscape, WedgeLandscape, check_landscape
from nwedge.build import CONTROLS, build
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, NetworkSpec, WedgeSpec


def test_wedges_take_every_field_of_their_spec() -> None:
    spec = WedgeSpec(
        name="toy-x",
        dim=12,
        short=(2, 3),
        wedges=2,
        oriented="random",
        thickness=0.1,
        profile="saturating",
        width=0.7,
        noise=0.2,
        scale=1.5,
        seed=4,
        dtype="float32",
    )
    made = build(spec)
    assert isinstance(made, WedgeLandscape)
    by_hand = WedgeLandscape(
        12, (2, 3), wedges=2, oriented="random", thickness=0.1, profile="saturating", width=0.7, noise=0.2, scale=1.5,
        seed=4, dtype=torch.float32,
    )  # fmt: skip
    points = by_hand.initial(5, torch.Generator().manual_seed(0))
    assert torch.equal(made.loss(points), by_hand.loss(points))
    assert torch.equal(made.initial(5, torch.Generator().manual_seed(0)), points)
    noisy = [one.minibatch(torch.Generator().manual_seed(1)).loss(points) for one in (made, by_hand)]
    assert torch.equal(*noisy)
    assert not torch.equal(noisy[0], made.loss(points))


@pytest.mark.parametrize("kind", CONTROLS)
def test_controls(kind: str) -> None:
    made = build(ControlSpec(name=f"control-{kind}", kind=kind, dim=10, seed=3))
    assert isinstance(made, CONTROLS[kind])
    assert (made.dim, made.dtype) == (10, torch.float64)
    check_landscape(made)


def test_the_seed_of_a_control_draws_another_landscape() -> None:
    first, second = (build(ControlSpec(name="control-isolated", kind="isolated", dim=10, seed=seed)) for seed in (0, 1))
    point = torch.ones(1, 10, dtype=torch.float64)
    assert first.loss(point) != second.loss(point)


def test_networks_take_every_field_of_their_spec() -> None:
    spec = NetworkSpec(
        name="network", architecture="mlp", data="digits", width=2, dropout=0.1, examples=300, batch_size=32,
        strategy="vmap", chunk=100, dtype="float64",
    )  # fmt: skip
    made = build(spec)
    assert isinstance(made, NetworkLandscape)
    assert made.dim == 64 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10
    assert (made.examples, made.batch_size, made.strategy, made.chunk) == (300, 32, "vmap", 100)
    assert made.dtype == torch.float64
    assert made.held_out.examples == 397
    view = made.minibatch(torch.Generator().manual_seed(0))
    assert not getattr(view, "unbiased", True), "dropout is on in minibatches"


def test_an_unknown_spec_is_refused() -> None:
    with pytest.raises(TypeError, match="no landscape is known for a LandscapeSpec"):
        build(LandscapeSpec(name="x"))
