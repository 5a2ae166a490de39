"""What choices are made from, and how the options are put together, against slow references."""

import numpy as np
import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape, descend, diagnose
from nwedge._random import derive
from nwedge.diagnosis import diagnose as diagnosing
from nwedge.diagnosis import options
from nwedge.diagnosis.options import Options
from nwedge.methods.ensembling import disagreement


def landscape_of(seed: int = 0, wrong: np.ndarray | None = None, model: nn.Module | None = None) -> NetworkLandscape:
    """Two classes that noise mixes; the labels of some held-out examples may be turned around."""
    x = torch.randn(260, 6, generator=derive(seed, "data"))
    y = (x[:, 0] * x[:, 1] + 0.3 * torch.randn(260, generator=derive(seed, "noise")) > 0).long()
    held_y = y[60:].clone()
    if wrong is not None:
        held_y[torch.from_numpy(wrong)] = 1 - held_y[torch.from_numpy(wrong)]
    torch.manual_seed(seed)
    model = model or nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    return NetworkLandscape(model, (x[:60], y[:60]), (x[60:], held_y))


def trained(landscape: NetworkLandscape, count: int, seed: int = 0) -> torch.Tensor:
    """Optima that share a start for some steps, so that some averages are good and others are not."""
    start = landscape.initial(1, derive(seed, "start")).expand(count, -1)
    start = start + torch.linspace(0, 0.5, count)[:, None] * torch.randn(start.shape, generator=derive(seed, "apart"))
    generators = [derive(seed, place) for place in range(count)]
    return descend(landscape, start, optimizer="adam", lr=0.02, steps=60, generator=generators).points


@pytest.fixture
def quick(monkeypatch):
    """Little of what is trained."""
    for module in (options, diagnosing):
        monkeypatch.setattr(module, "STEPS", 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_soup_is_the_greedy_one(seed):
    landscape = landscape_of(seed)
    points, choosing = trained(landscape, 6, seed), np.arange(0, 200, 2)
    half = landscape.held_out.take(torch.from_numpy(choosing))

    def accuracy(members: list[int]) -> float:
        return half.accuracy(torch.stack([points[one] for one in members]).mean(0)[None]).item()

    def loss(member: int) -> float:
        return half.loss(points[member][None]).item()

    order = sorted(range(6), key=lambda one: (-accuracy([one]), loss(one)))
    members = [order[0]]
    for one in order[1:]:
        if accuracy([*members, one]) >= accuracy(members):
            members.append(one)
    found = Options(landscape, points, choosing, seed)
    soup = found._soup()
    assert found.order == order
    assert list(soup.members) == members
    torch.testing.assert_close(soup.point, points[list(members)].mean(0))


def test_what_is_no_less_accurate_joins_the_soup():
    landscape = landscape_of()
    near = landscape.initial(1, derive(0)) * torch.tensor([[1.0], [1.0001], [1.0002]])
    assert sorted(Options(landscape, near, np.arange(100), 0)._soup().members) == [0, 1, 2]


def test_choices_do_not_see_the_scoring_half(quick, monkeypatch):
    choosing, scoring = np.arange(0, 200, 2), np.arange(1, 200, 2)
    monkeypatch.setattr(diagnosing, "halves", lambda labels, seed: (choosing, scoring))
    first, second = landscape_of(), landscape_of(wrong=scoring)
    points = trained(first, 4)
    one, other = diagnose(first, points), diagnose(second, points)
    assert one.recommendation == other.recommendation
    assert one.clusters == other.clusters
    for name, option in one.options.items():
        again = other.options[name]
        assert again.members == option.members
        assert again.scores.accuracy.value == pytest.approx(1 - option.scores.accuracy.value)


def test_each_checkpoint_predicts_once(quick, monkeypatch):
    landscape, seen = landscape_of(), []
    points = trained(landscape, 3)
    original = type(landscape).predict
    monkeypatch.setattr(type(landscape), "predict", lambda self, given: (seen.append(given), original(self, given))[1])
    found = diagnose(landscape, points)
    for point in points:
        assert sum(torch.equal(point, given[0]) for given in seen) == 1
    expected = disagreement(landscape.held_out, points).numpy()
    np.testing.assert_allclose(found.disagreement, expected, atol=1e-6)


def test_disagreement_is_undefined_where_a_prediction_is():
    landscape = landscape_of()
    points = trained(landscape, 3)
    points[1] = torch.inf
    found = Options(landscape, points, np.arange(100), 0)
    assert np.isnan(found.disagreement[1]).all()
    assert np.isfinite(found.disagreement[[0, 0, 2], [0, 2, 2]]).all()
    assert found.order[-1] == 1


def test_checkpoints_that_overflow_are_left_out_by_name(quick):
    landscape = landscape_of()
    points = trained(landscape, 4)
    points[1], points[3] = 3e38, 1e25
    found = diagnose(landscape, points, names=["a", "b", "c", "d"])
    assert [one.name for one in found.checkpoints] == ["a", "c"]
    assert found.barriers.shape == (2, 2)
    told = [warning for warning in found.warnings if "left out" in warning]
    assert [warning.split()[0] for warning in told] == ["b", "d"]
    with pytest.raises(ValueError, match="no checkpoint has a finite training loss: 0 overflows"):
        diagnose(landscape, points[[1]])


def test_the_middle_of_two_is_no_prediction(quick):
    landscape = landscape_of()
    points = trained(landscape, 3)
    assert diagnose(landscape, points[:2]).prediction is None
    assert diagnose(landscape, points).prediction is not None


def test_why_nothing_is_aligned_is_told(quick):
    class Frozen(nn.Module):
        """Its hidden units each have a buffer of their own."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)
            self.register_buffer("gate", torch.linspace(0.5, 1.5, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.tanh(self.first(x)) * self.gate)

    landscape = landscape_of(model=Frozen())
    found = diagnose(landscape, trained(landscape, 2))
    assert found.aligned_barriers is None
    warning, *_ = found.warnings
    assert warning.startswith("nothing is aligned, since no hidden units can change places")
    assert "'gate'" in warning
    assert "\n" not in warning


def test_few_points_of_the_plane_are_held_at_once(quick, monkeypatch):
    landscape = landscape_of()
    points, names = trained(landscape, 3), ["a", "b", "c"]
    whole = diagnosing._plane(landscape, points, names, [0, 1, 2], 0)
    seen, original = [], type(landscape).loss
    monkeypatch.setattr("nwedge.landscapes.restricted.ELEMENTS_AT_ONCE", 7 * landscape.dim)
    monkeypatch.setattr(
        type(landscape), "loss", lambda self, given: (seen.append(len(given)), original(self, given))[1]
    )
    parts = diagnosing._plane(landscape, points, names, [0, 1, 2], 0)
    assert max(seen) == 7
    assert sum(seen) == diagnosing.SIDE**2
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-4)
