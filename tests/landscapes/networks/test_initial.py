import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscapes.networks.initial import draw_initial

X, Y = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 3


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


class Scaled(nn.Module):
    """Has a parameter of its own and no method to draw it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0, 3.0]))
        self.inner = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.inner(x)


class OuterLast(nn.Module):
    """Draws its inner layer anew, as nn.MultiheadAttention does: the outer method must have the last word."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def _reset_parameters(self) -> None:
        nn.init.constant_(self.inner.bias, 7.0)


def test_each_row_is_what_torch_itself_would_draw_from_the_rows_seed() -> None:
    points = draw_initial(build(), 3, derive(0))
    seeds = torch.randint(2**63 - 1, (3,), generator=derive(0)).tolist()
    for point, seed in zip(points, seeds, strict=True):
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            expected = nn.utils.parameters_to_vector(build().parameters())
        assert torch.equal(point, expected.detach())


def test_rows_differ_and_follow_the_generator() -> None:
    points = draw_initial(build(), 4, derive(0))
    assert torch.equal(points, draw_initial(build(), 4, derive(0)))
    assert not torch.equal(points, draw_initial(build(), 4, derive(1)))
    assert len(points.unique(dim=0)) == 4


def test_parameters_without_a_method_keep_their_values() -> None:
    points = draw_initial(Scaled(), 3, derive(0))
    assert (points[:, :2] == torch.tensor([2.0, 3.0])).all()
    assert len(points[:, 2:].unique(dim=0)) == 3


def test_outer_layers_are_reset_after_inner_ones() -> None:
    assert (draw_initial(OuterLast(), 2, derive(0))[:, -2:] == 7).all()


@pytest.mark.parametrize("batch_norm", ["keep", "recompute"])
def test_the_statistics_of_the_landscape_stay(batch_norm: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model(5 * X + 2)
    landscape = NetworkLandscape(model.eval(), (X, Y), batch_norm=batch_norm)
    point = landscape.point(model)[None]
    before, statistics, random = landscape.loss(point), model[1].running_mean.clone(), torch.get_rng_state()
    landscape.initial(3, derive(0))
    assert torch.equal(landscape.loss(point), before)
    assert torch.equal(model[1].running_mean, statistics)
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_that_cannot_draw_itself_is_refused() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

    with pytest.raises(ValueError, match="no layer of the model has a reset_parameters method"):
        draw_initial(Bare(), 2, derive(0))
    with pytest.raises(ValueError, match=r"layer '0' \(ParametrizedLinear\) is parametrized"):
        draw_initial(nn.Sequential(weight_norm(nn.Linear(3, 2))), 2, derive(0))
