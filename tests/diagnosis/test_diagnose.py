"""Diagnoses of small networks whose relations are known beforehand."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import nwedge
from nwedge import NetworkLandscape, descend, diagnose
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.ensembling import prediction_average


@pytest.fixture(scope="module")
def landscape() -> NetworkLandscape:
    return NetworkLandscape(architectures.mlp(64, 10, (32, 32)), *data.load("digits"))


@pytest.fixture(scope="module")
def seeds(landscape) -> torch.Tensor:
    start = landscape.initial(4, derive(0, "start"))
    return descend(landscape, start, lr=0.1, momentum=0.9, steps=300, generator=derive(0)).points


@pytest.fixture(scope="module")
def of_seeds(landscape, seeds):
    return diagnose(landscape, seeds, names=["a", "b", "c", "d"])


def test_independent_trainings_lie_on_wedges_of_their_own(of_seeds):
    assert of_seeds.clusters == [["a"], ["b"], ["c"], ["d"]]
    assert (of_seeds.barriers[np.triu_indices(4, 1)] > of_seeds.level).all()
    assert of_seeds.level == pytest.approx(np.log(10) / 20)
    assert len(of_seeds.tunnels) == 3
    for tunnel in of_seeds.tunnels:
        assert tunnel.barrier < tunnel.line_barrier / 5
    accuracy = {name: option.scores.accuracy.value for name, option in of_seeds.options.items()}
    assert accuracy["average"] < accuracy["single"] - 0.2
    assert accuracy["align-average"] > accuracy["average"] + 0.2
    assert accuracy["ensemble"] >= accuracy["single"] - 0.01
    assert of_seeds.recommendation.one_pass.option != "average"
    assert of_seeds.aligned_barriers.max() < of_seeds.barriers.max() / 5
    assert 60 < of_seeds.angles[0, 1] < 100
    assert {name: option.passes for name, option in of_seeds.options.items()} == {
        "single": 1,
        "average": 1,
        "align-average": 1,
        "soup": 1,
        "ensemble": 4,
        "m-tunnel": 4,
    }


def test_options_are_what_their_names_say(landscape, seeds, of_seeds):
    labels = landscape.held_out.labels
    torch.testing.assert_close(of_seeds.points["average"], seeds.mean(0))
    best = of_seeds.options["single"].members[0]
    torch.testing.assert_close(of_seeds.points["single"], seeds["abcd".index(best)])
    together = prediction_average(landscape.held_out, seeds).argmax(1) == labels
    whole = together.double().mean().item()
    assert of_seeds.options["ensemble"].scores.accuracy.value == pytest.approx(whole, abs=0.02)
    for name in ("average", "soup", "single"):
        right = landscape.held_out.accuracy(of_seeds.points[name][None]).item()
        assert of_seeds.options[name].scores.accuracy.value == pytest.approx(right, abs=0.03)
    assert of_seeds.prediction.measured == pytest.approx(landscape.loss(seeds.mean(0)[None]).item(), rel=1e-5)


def test_snapshots_at_a_low_rate_are_averaged(landscape, seeds):
    found = descend(landscape, seeds[:1], lr=0.02, steps=200, keep=[40, 80, 120, 160, 200], generator=derive(1))
    snapshots = diagnose(landscape, found.trajectory[0])
    assert snapshots.clusters == [["0", "1", "2", "3", "4"]]
    assert snapshots.recommendation.one_pass.option == snapshots.recommendation.k_passes.option == "average"
    assert snapshots.tunnels == []
    predicted, measured = snapshots.prediction.predicted, snapshots.prediction.measured
    assert predicted == pytest.approx(measured, abs=0.01)


def test_permuted_copies_are_aligned_and_averaged(landscape, seeds):
    near = seeds[0] + 0.002 * torch.randn(3, landscape.dim, generator=derive(2))
    copies = torch.stack([permuted(landscape, point, row) for row, point in enumerate(near)])
    torch.testing.assert_close(landscape.loss(copies), landscape.loss(near), atol=1e-5, rtol=1e-3)
    found = diagnose(landscape, copies)
    assert len(found.clusters) == 3
    assert found.recommendation.one_pass.option == "align-average"
    assert found.aligned_barriers.max() < 0.05 * found.barriers.max()


def permuted(landscape: NetworkLandscape, point: torch.Tensor, seed: int) -> torch.Tensor:
    module = landscape.module(point)
    first, second, last = (layer for layer in module.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        for layer, after in ((first, second), (second, last)):
            order = torch.randperm(layer.out_features, generator=derive(seed, "order", layer.in_features))
            layer.weight.copy_(layer.weight[order])
            layer.bias.copy_(layer.bias[order])
            after.weight.copy_(after.weight[:, order])
    return landscape.point(module)


def test_it_survives_json_and_the_same_seed_gives_the_same(landscape, seeds, of_seeds):
    again = diagnose(landscape, seeds, names=["a", "b", "c", "d"])
    assert json.dumps(again.to_json(), allow_nan=False) == json.dumps(of_seeds.to_json(), allow_nan=False)
    plain = of_seeds.to_json()
    assert set(plain["recommendation"]) == set(plain["reasons"]) == {"one_pass", "k_passes"}
    assert plain["recommendation"]["one_pass"] in plain["options"]
    assert "points" not in plain


def test_one_checkpoint_is_told_of_alone(landscape, seeds):
    found = diagnose(landscape, seeds[:1])
    assert set(found.options) == {"single"}
    assert found.recommendation.one_pass.option == found.recommendation.k_passes.option == "single"
    assert found.prediction is None
    assert found.clusters == [["0"]]


def test_two_checkpoints_have_no_plane(landscape, seeds):
    assert diagnose(landscape, seeds[:2]).plane is None


def test_the_plane_holds_its_three_checkpoints(landscape, of_seeds, seeds):
    plane = of_seeds.plane
    rows = [seeds["abcd".index(name)] for name in plane.names]
    for i in range(3):
        for j in range(3):
            distance = np.linalg.norm(plane.corners[i] - plane.corners[j])
            assert distance == pytest.approx((rows[i] - rows[j]).norm().item(), rel=1e-4, abs=1e-4)
    assert plane.loss.shape == (len(plane.y), len(plane.x))


def test_what_cannot_be_diagnosed_is_one_sentence(landscape, seeds):
    (x, y), _ = data.load("digits")
    without = NetworkLandscape(architectures.mlp(64, 10, (32, 32)), (x, y))
    with pytest.raises(ValueError, match="must have held-out data"):
        diagnose(without, seeds)
    with pytest.raises(ValueError, match="points 0 and 2 are equal"):
        diagnose(landscape, seeds[[0, 1, 0]])
    with pytest.raises(ValueError, match="names must be 4"):
        diagnose(landscape, seeds, names=["a"])
    with pytest.raises(ValueError, match="at least one checkpoint"):
        diagnose(landscape, seeds[:0])
    with pytest.raises(TypeError):
        diagnose(nwedge.WedgeLandscape(10, 2), seeds)  # pyright: ignore[reportArgumentType]


def test_a_merge_on_the_line_between_two_others_draws_no_plane(landscape, seeds):
    found = diagnose(landscape, torch.stack([seeds[0], seeds[1], (seeds[0] + seeds[1]) / 2]))
    assert found.plane is None
    assert any("lie on one line" in warning for warning in found.warnings)


def test_a_plane_goes_through_the_points_that_are_asked_for(landscape, seeds, of_seeds):
    three = [name for name in "dcba" if name != of_seeds.plane.names[1]]
    found = diagnose(landscape, seeds, names=["a", "b", "c", "d"], plane=three)
    assert found.plane.names == three
    sides = [(seeds["abcd".index(name)] - seeds["abcd".index(three[0])]).norm().item() for name in three]
    assert np.linalg.norm(found.plane.corners, axis=1) == pytest.approx(sides, rel=1e-4, abs=1e-4)
    for bad in (["a", "b"], ["a", "b", "b"], ["a", "b", "e"], ["a", "b", "c", "d"], ["a", "b", "c", "c"]):
        with pytest.raises(
            ValueError, match=f"plane must be the names of three different points; got {', '.join(bad)}"
        ):
            diagnose(landscape, seeds, names=["a", "b", "c", "d"], plane=bad)


def test_half_precision_is_refused(landscape):
    half = NetworkLandscape(architectures.mlp(64, 10, (3,)), *data.load("digits"), dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"float32 or float64; got torch\.bfloat16: build model\.float\(\)"):
        diagnose(half, half.initial(2, derive(0)))
