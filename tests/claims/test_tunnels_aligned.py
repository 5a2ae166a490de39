"""tunnels on networks: the line to the second optimum with its hidden units matched, and bends on few examples."""

import dataclasses

import numpy as np
import pytest
import torch

from nwedge import NetworkLandscape, descend
from nwedge._random import derive
from nwedge.claims import tunnels
from nwedge.claims.runs import Run, Runs
from nwedge.landscapes.controls import IsolatedMinima
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.alignment import align
from nwedge.specs.configs import TunnelsConfig
from nwedge.specs.tasks import RunSpec

LIGHT = TunnelsConfig(steps=30, pointwise_steps=10, interior=2, samples=2, points=11, bends=6, bend_points=5)


def blobs(count: int, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes of points in the plane, one behind the other along a spiral."""
    turn = torch.rand(count, generator=derive(0, name, "turn")) * 2
    labels = torch.arange(count) % 3
    angle = 2 * turn + labels * 2 * torch.pi / 3
    noise = 0.05 * torch.randn(count, 2, generator=derive(0, name, "noise"))
    return torch.stack([angle.cos(), angle.sin()], dim=1) * turn[:, None] + noise, labels


@pytest.fixture(scope="module")
def network() -> NetworkLandscape:
    return NetworkLandscape(mlp(2, 3, (16,)), blobs(240, "train"), blobs(120, "held out"), batch_size=60)


@pytest.fixture(scope="module")
def runs(network: NetworkLandscape) -> Runs:
    start = network.initial(2, derive(0, "start"))
    kept = descend(network, start, lr=0.3, momentum=0.9, steps=200, keep=(0, 200), generator=derive(0, "training"))
    return Runs(
        Run(points, kept.kept.numpy(), losses.numpy(), network, RunSpec(lr=0.3, seed=0, member=member))
        for member, (points, losses) in enumerate(zip(kept.trajectory, kept.trajectory_losses, strict=True))
    )


def test_the_line_to_the_matched_copy_is_measured_beside_the_others(network: NetworkLandscape, runs: Runs) -> None:
    found = tunnels.measure(network, runs, LIGHT, derive(0))
    assert found["path"].values.tolist() == ["line", "sheet", "pointwise", "bezier", "aligned"]
    line, aligned = found.sel(path="line"), found.sel(path="aligned")
    for name in ("loss", "accuracy", "held_out_loss", "held_out_accuracy"):
        for end in (0, -1):
            assert aligned[name].values[end] == pytest.approx(line[name].values[end], abs=1e-5)
    assert aligned["barrier"] < line["barrier"]
    assert aligned["length"] < 1
    ends = runs[0].optimum, align(network, runs[0].optimum, runs[1].optimum, generator=derive(0))
    assert aligned["length"] * found["separation"] == pytest.approx(torch.dist(*ends).item())


def test_a_permuted_copy_has_a_wall_on_the_line_and_none_once_it_is_matched(
    network: NetworkLandscape, runs: Runs
) -> None:
    module = network.module(runs[0].optimum)
    order = torch.randperm(16, generator=derive(0, "order"))
    with torch.no_grad():
        module[0].weight.copy_(module[0].weight[order])  # pyright: ignore
        module[0].bias.copy_(module[0].bias[order])  # pyright: ignore
        module[2].weight.copy_(module[2].weight[:, order])  # pyright: ignore
    copy = dataclasses.replace(runs[1], points=torch.stack([runs[1].start, network.point(module)]))
    found = tunnels.measure(network, Runs([runs[0], copy]), LIGHT, derive(0))
    assert found["barrier"].sel(path="line") > 0.05
    assert found["barrier"].sel(path="aligned") == pytest.approx(0, abs=1e-6)
    assert found["length"].sel(path="aligned") == pytest.approx(0, abs=1e-6)


def test_where_units_cannot_be_matched_there_is_no_such_line(network: NetworkLandscape, runs: Runs) -> None:
    isolated = IsolatedMinima(5, dtype=torch.float64)
    start = isolated.initial(2, derive(0))
    own = [
        Run(torch.stack([one, one / 2]), np.arange(2), isolated.loss(torch.stack([one, one / 2])).numpy(), isolated, of)
        for one, of in zip(start, (run.spec for run in runs), strict=True)
    ]
    found = tunnels.measure(isolated, Runs(own), LIGHT, derive(0))
    every = tunnels.measure(network, runs, LIGHT, derive(0))
    assert found["path"].values.tolist() == every["path"].values.tolist()
    for name in ("loss", "barrier", "length"):
        assert found[name].sel(path="aligned").isnull().all()
        assert found[name].drop_sel(path="aligned").notnull().all()
    together = tunnels.measure(network, Runs([runs[0], runs[0]]), LIGHT, derive(0))
    assert together["barrier"].notnull().values.tolist() == [True, False, False, False, False]


def test_the_verdict_does_not_see_it(network: NetworkLandscape, runs: Runs) -> None:
    found = tunnels.measure(network, runs, LIGHT, derive(0)).expand_dims(seed=2)
    without = found.copy(deep=True)
    without["barrier"].loc[{"path": "aligned"}] = np.nan
    assert tunnels.verdict({"tunnels": found}) == tunnels.verdict({"tunnels": without})


def test_with_few_examples_every_bend_sees_its_own_and_nothing_else_changes(
    network: NetworkLandscape, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, bends = [], tunnels.random_bends
    monkeypatch.setattr(tunnels, "random_bends", lambda view, *a, **k: views.append(view) or bends(view, *a, **k))
    every = tunnels.measure(network, runs, LIGHT, derive(0))
    assert views == [network]
    views.clear()
    some = tunnels.measure(network, runs, dataclasses.replace(LIGHT, examples=40), derive(0))
    assert [view.examples for view in views] == [40] * LIGHT.bends
    assert len({tuple(view.labels.tolist()) for view in views}) == LIGHT.bends
    assert some.drop_vars("bend_barrier").identical(every.drop_vars("bend_barrier"))
    assert some["bend_barrier"].shape == every["bend_barrier"].shape
    assert len(np.unique(some["bend_barrier"])) == LIGHT.bends


def test_paths_on_few_examples_have_the_barriers_of_their_highest_points_on_all(
    network: NetworkLandscape, runs: Runs
) -> None:
    every = tunnels.measure(network, runs, LIGHT, derive(0))
    some = tunnels.measure(network, runs, dataclasses.replace(LIGHT, path_examples=40), derive(0))
    away = np.abs(some["loss"] - every["loss"]).max("t")
    assert (away > 0).all()
    whole = every["loss"] - every["loss"].isel(t=0) * (1 - every["t"]) - every["loss"].isel(t=-1) * every["t"]
    assert (some["barrier"] <= every["barrier"] + 1e-6).all()
    for path in tunnels.PATHS:
        near = np.abs(whole.sel(path=path) - some["barrier"].sel(path=path)).min()
        assert near < 1e-6
