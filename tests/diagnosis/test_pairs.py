import numpy as np
import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape, descend, evaluate
from nwedge._random import derive
from nwedge.diagnosis.pairs import POSITIONS, angles, lines


def network(examples=300, seed=0):
    generator = derive(seed, "data")
    x = torch.randn(examples, 6, generator=generator)
    y = (x[:, 0] * x[:, 1] > 0).long()
    torch.manual_seed(seed)
    return NetworkLandscape(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)), (x, y), (x[:50], y[:50]))


def test_lines_are_those_of_a_plain_loop():
    landscape = network()
    points = landscape.initial(4, derive(0))
    found = lines(landscape, points, blind=0.69, seed=0)
    assert found.barriers.shape == found.errors.shape == found.middles.shape == (4, 4)
    t = torch.linspace(0, 1, POSITIONS)
    for i in range(4):
        assert found.losses[i] == pytest.approx(landscape.loss(points[i][None]).item(), rel=1e-5)
        for j in range(4):
            line = evaluate(landscape, torch.lerp(points[i], points[j], t[:, None])).double()
            rise = (line - torch.lerp(line[0], line[-1], t.double())).max().item()
            assert found.barriers[i, j] == pytest.approx(rise, abs=1e-5)
            assert found.middles[i, j] == pytest.approx(line[POSITIONS // 2].item(), rel=1e-5)
    assert np.array_equal(found.barriers, found.barriers.T)
    assert (found.errors == 0).all()  # every example is seen where there are so few


def test_a_sample_of_the_examples_has_errors_that_hold_the_truth():
    landscape = network(examples=20_000)
    start = landscape.initial(5, derive(1))
    points = descend(landscape, start, optimizer="adam", lr=0.01, steps=150, generator=derive(1)).points
    found = lines(landscape, points, blind=0.69, seed=0)
    exact = lines(landscape.take(torch.arange(20_000)), points, blind=1e-9, seed=0)
    off = np.abs(found.barriers - exact.barriers)[np.triu_indices(5, 1)]
    errors = found.errors[np.triu_indices(5, 1)]
    assert (errors > 0).any()
    assert (off <= 4 * errors + 1e-6).all()


def test_angles_are_those_seen_from_the_origin():
    points = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    np.testing.assert_allclose(angles(points), [[0, 90, 180], [90, 0, 90], [180, 90, 0]], atol=1e-9)
