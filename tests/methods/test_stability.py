"""The edge of stability against where descent really breaks, and against full spectra."""

import math

import pytest
import torch
from torch import Tensor

from nwedge import Landscape, NetworkLandscape, WedgeLandscape, descend, evaluate, hvp
from nwedge._random import derive
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.stability import edge_of_stability


def hessian(landscape: Landscape, point: Tensor) -> Tensor:
    rows = torch.eye(landscape.dim, dtype=landscape.dtype)
    return hvp(landscape, point.expand(landscape.dim, -1), rows)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_descent_settles_below_the_edge_and_departs_above_it(momentum: float) -> None:
    bowl = QuadraticBowl(10, dtype=torch.float64)
    edge = edge_of_stability(bowl, bowl.centre, momentum, tolerance=1e-9)
    assert edge == pytest.approx(2 * (1 + momentum))
    start = bowl.initial(1, derive(0))
    rates = [0.99 * edge, 1.01 * edge]
    found = descend(bowl, start.expand(2, -1), lr=rates, momentum=momentum, steps=600, generator=derive(0))
    below, above = (evaluate(bowl, found.points) / evaluate(bowl, start)).tolist()
    assert below < 1e-3
    assert above > 1e3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_a_network_it_is_two_over_the_largest_eigenvalue(dtype: torch.dtype) -> None:
    inputs = torch.randn(32, 4, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(4, 3, (5,)), (inputs, inputs[:, :3].argmax(1)), dtype=dtype)
    point = network.initial(1, derive(0))[0]
    top = torch.linalg.eigvalsh(hessian(network, point)).max().item()
    assert edge_of_stability(network, point) == pytest.approx(2 / top, rel=2e-3)


class Saddle:
    """Curvature -9 along one axis and 1 along the others: the largest eigenvalue is not the largest in size."""

    dim, dtype, device = 5, torch.float64, torch.device("cpu")

    def loss(self, points: Tensor) -> Tensor:
        return (points.square().sum(1) - 10 * points[:, 0] ** 2) / 2

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, self.dim, dtype=self.dtype)

    def minibatch(self, generator: object) -> "Saddle":
        return self


def test_negative_curvature_sets_no_edge() -> None:
    assert edge_of_stability(Saddle(), torch.zeros(5, dtype=torch.float64)) == pytest.approx(2.0)


def test_across_a_wedge_it_is_one_and_where_nothing_curves_it_is_infinite() -> None:
    squared = WedgeLandscape(60, 10, wedges=3, profile="squared", dtype=torch.float64)
    point = squared.initial(1, derive(0))[0]
    assert edge_of_stability(squared, point) == pytest.approx(1.0)
    flat = WedgeLandscape(60, 0, dtype=torch.float64)
    assert edge_of_stability(flat, point) == math.inf


def test_one_dimension_is_enough() -> None:
    bowl = QuadraticBowl(1, low=4.0, high=4.0, dtype=torch.float64)
    assert edge_of_stability(bowl, bowl.centre) == pytest.approx(0.5)


def test_bad_input_gets_one_sentence() -> None:
    bowl = QuadraticBowl(4)
    with pytest.raises(ValueError, match="momentum must be at least 0 and below 1; got 1"):
        edge_of_stability(bowl, bowl.centre, 1.0)
    with pytest.raises(ValueError, match="tolerance must be positive and finite; got 0"):
        edge_of_stability(bowl, bowl.centre, tolerance=0.0)
    with pytest.raises(ValueError, match=r"point must have shape \(batch, 4\); got \(1, 3\)"):
        edge_of_stability(bowl, bowl.centre[:3])
    broken = NetworkLandscape(mlp(2, 2, (2,)), (torch.ones(4, 2), torch.tensor([0, 1, 0, 1])))
    with pytest.raises(ValueError, match="the Hessian is not finite at the point"):
        edge_of_stability(broken, torch.full((broken.dim,), math.nan))
