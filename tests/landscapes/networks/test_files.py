"""What is read of checkpoint files beside the weights: buffers of all kinds."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscapes.networks.files import read

X = torch.randn(60, 4, generator=derive(0))
Y = (X[:, 0] > 0).long()


class Scaled(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 2)
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.scale


def normalised(**options: bool) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, **options), nn.Linear(3, 2)).eval()


def landscape_of(model: nn.Module, batch_norm: str = "recompute") -> NetworkLandscape:
    return NetworkLandscape(model, (X, Y), (X, Y), batch_norm=batch_norm)


def saved(folder: Path, *models: nn.Module) -> list[Path]:
    paths = [folder / f"{place}.pt" for place in range(len(models))]
    for model, path in zip(models, paths, strict=True):
        torch.save(model.state_dict(), path)
    return paths


def used(model: nn.Module, scale: float) -> nn.Module:
    """With running statistics of data of some scale."""
    model.train()(scale * X)
    return model.eval()


def test_buffers_that_are_alike_are_taken_from_the_files(tmp_path):
    models = [Scaled(0.001), Scaled(0.001)]
    found = read(saved(tmp_path, *models), landscape_of(Scaled()))
    assert found.notes == []
    for model, point in zip(models, found.points, strict=True):
        torch.testing.assert_close(found.landscape.loss(point[None])[0], nn.functional.cross_entropy(model(X), Y))
        torch.testing.assert_close(found.landscape.module(point)(X), model(X))


def test_buffers_that_differ_are_named(tmp_path):
    models = [Scaled(0.5), Scaled(0.7)]
    found = read(saved(tmp_path, *models), landscape_of(Scaled()))
    (note,) = found.notes
    assert "scale" in note
    assert "those of" in note
    assert "0.pt" in note
    torch.testing.assert_close(found.landscape.module(found.points[0])(X), models[0](X))


def test_statistics_that_are_recomputed_may_differ(tmp_path):
    found = read(saved(tmp_path, used(normalised(), 1.0), used(normalised(), 2.0)), landscape_of(normalised()))
    assert found.notes == []
    assert found.statistics is not None
    assert not torch.equal(found.statistics[0]["1.running_var"], found.statistics[1]["1.running_var"])


def test_statistics_that_are_kept_are_those_of_the_files_and_must_be_equal(tmp_path):
    model = used(normalised(), 2.0)
    paths = saved(tmp_path, model, used(normalised(), 1.0))
    found = read(paths[:1], landscape_of(normalised(), "keep"))
    assert found.statistics is None
    torch.testing.assert_close(found.landscape.module(found.points[0])(X), model(X))
    with pytest.raises(ValueError, match=r"'1.running_mean' differs: take batch_norm='recompute'"):
        read(paths, landscape_of(normalised(), "keep"))


def test_statistics_that_are_missing_are_told(tmp_path):
    models = [used(normalised(), 1.0), normalised(track_running_stats=False)]
    found = read(saved(tmp_path, *models), landscape_of(normalised()))
    assert found.statistics is None
    assert len(found.points) == 2
    assert found.lack_statistics
    untracked = landscape_of(normalised(track_running_stats=False))
    alone = read(saved(tmp_path, models[1]), untracked)
    assert alone.statistics is None
    assert not alone.lack_statistics
