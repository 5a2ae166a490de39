import copy

import numpy as np
import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape, descend, evaluate
from nwedge._random import derive
from nwedge.diagnosis import pairs
from nwedge.diagnosis.pairs import POSITIONS, Segments, angles, lines, sampled_losses
from nwedge.landscapes import restricted
from nwedge.landscapes.networks.batch_norm import running_statistics


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


def with_batch_norm(examples: int, seed: int = 0) -> tuple[NetworkLandscape, list[nn.Module]]:
    """A landscape that recomputes statistics, and two models with statistics of their own."""
    generator = derive(seed, "data")
    x = torch.randn(examples, 6, generator=generator)
    y = (x[:, 0] * x[:, 1] > 0).long()
    torch.manual_seed(seed)
    models = [nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(3)]
    for model in models:
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        for _ in range(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        model.eval()
    return NetworkLandscape(models[0], (x, y), (x[:50], y[:50]), batch_norm="recompute"), models


def averaged(first: nn.Module, second: nn.Module, share: float) -> nn.Module:
    """A plain average of state dicts."""
    model, other = copy.deepcopy(first), second.state_dict()
    mixed = {name: torch.lerp(one.float(), other[name].float(), share) for name, one in first.state_dict().items()}
    model.load_state_dict(mixed)
    return model


@pytest.mark.parametrize("seed", range(2))
def test_lines_of_averaged_statistics_are_those_of_averaged_state_dicts(seed):
    landscape, models = with_batch_norm(300, seed)
    points = torch.stack([landscape.point(model) for model in models])
    statistics = torch.stack([running_statistics(model, model.state_dict()) for model in models])
    found = lines(landscape, points, blind=0.69, seed=0, statistics=statistics)
    x, y = landscape._training.batch(slice(None), slice(None))
    for i in range(3):
        for j in range(3):
            mixed = [averaged(models[i], models[j], share) for share in np.linspace(0, 1, POSITIONS)]
            losses = [nn.functional.cross_entropy(model(x), y).item() for model in mixed]
            rises = np.array(losses) - np.linspace(losses[0], losses[-1], POSITIONS)
            assert found.barriers[i, j] == pytest.approx(rises.max(), abs=1e-5)
            assert found.middles[i, j] == pytest.approx(losses[POSITIONS // 2], rel=1e-4)
    assert (found.barriers >= 0).all()
    recomputed = lines(landscape, points, blind=0.69, seed=0)
    assert found.barriers.max() > 0.01
    assert np.abs(found.barriers - recomputed.barriers).max() > 1e-3


def test_with_recomputed_statistics_the_sample_grows_until_the_error_is_small(monkeypatch):
    landscape, models = with_batch_norm(2_000)
    points = torch.stack([landscape.point(model) for model in models])
    monkeypatch.setattr(pairs, "SAMPLE", 100)
    found = lines(landscape, points, blind=0.69, seed=0)
    allowed = pairs.TOLERANCE * np.maximum(found.losses, pairs.FLOOR * 0.69)
    losses, errors = sampled_losses(landscape, Segments(points), torch.eye(3), 0.69, 0)
    assert (errors.numpy() <= allowed).all()
    assert (errors > 0).any()
    exact = evaluate(landscape, points).double()
    assert ((losses - exact).abs() <= 5 * errors + 0.01).all()


@pytest.mark.parametrize("kind", ["plain", "batch norm"])
def test_few_points_of_the_lines_are_held_at_once(monkeypatch, kind):
    landscape = network() if kind == "plain" else with_batch_norm(300)[0]
    points = landscape.initial(6, derive(0))
    whole = lines(landscape, points, blind=0.69, seed=0)
    seen = []
    for module in (pairs, restricted):
        monkeypatch.setattr(module, "ELEMENTS_AT_ONCE", 4 * landscape.dim)
    original = type(landscape).example_losses

    def watched(self, points, *rest):
        seen.append(len(points))
        return original(self, points, *rest)

    monkeypatch.setattr(type(landscape), "example_losses", watched)
    parts = lines(landscape, points, blind=0.69, seed=0)
    assert sum(seen) >= 6 + 9 * 15
    assert max(seen) <= 4
    np.testing.assert_allclose(parts.barriers, whole.barriers, atol=1e-6)


def test_segments_are_a_chart():
    points = torch.randn(4, 7, generator=derive(0), dtype=torch.float64)
    chart = Segments(points)
    coords = chart.coordinates(50, derive(1))
    torch.testing.assert_close(coords.sum(1), torch.ones(50, dtype=torch.float64))
    assert ((coords > 0).sum(1) == 2).all()
    torch.testing.assert_close(chart.embed(coords), coords @ points)
    alone = Segments(points[:1])
    torch.testing.assert_close(alone.embed(alone.coordinates(3, derive(1))), points[[0, 0, 0]])
