"""Averages against torch's own, scores against slow counts, and the model's law of where averaging breaks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel

from nwedge import NetworkLandscape, WedgeLandscape, descend
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.ensembling import (
    RunningAverage,
    _check_predictive,
    angles,
    cyclical,
    disagreement,
    ensemble_scores,
    expected_calibration_error,
    prediction_average,
    running_scores,
    snapshots,
)

EXAMPLES, CLASSES = 30, 3


def network(dtype: torch.dtype = torch.float64) -> NetworkLandscape:
    inputs = torch.randn(EXAMPLES, 5, generator=derive(0, "inputs"))
    labels = torch.randint(CLASSES, (EXAMPLES,), generator=derive(0, "labels"))
    return NetworkLandscape(mlp(5, CLASSES, (6,)), (inputs, labels), dtype=dtype)


def averaged(points: Tensor) -> RunningAverage:
    average = RunningAverage()
    for point in points:
        average.update(point)
    return average


def test_the_running_average_is_that_of_swa_utils() -> None:
    landscape = network()
    points = landscape.initial(5, derive(0))
    theirs = AveragedModel(landscape.module(points[0]))
    ours = RunningAverage()
    for count, point in enumerate(points, start=1):
        theirs.update_parameters(landscape.module(point))
        ours.update(point)
        assert ours.count == count
        torch.testing.assert_close(ours.average, landscape.point(theirs.module), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(ours.average, points.mean(0))


def test_a_batch_is_averaged_point_by_point_and_the_snapshots_are_left_alone() -> None:
    batches = torch.randn(4, 3, 7, generator=derive(0), dtype=torch.float64)
    before = batches.clone()
    average = averaged(batches)
    torch.testing.assert_close(average.average, batches.mean(0))
    assert torch.equal(batches, before)
    assert average.average.data_ptr() != batches[0].data_ptr()


def test_the_prediction_average_is_the_mean_of_the_predictions() -> None:
    landscape = network()
    points = landscape.initial(4, derive(0))
    torch.testing.assert_close(prediction_average(landscape, points), landscape.predict(points).mean(0))


def test_the_scores_are_those_of_the_average_prediction_the_average_weights_and_each_point() -> None:
    landscape = network()
    points = 3 * landscape.initial(4, derive(1))
    scores = ensemble_scores(landscape, points)
    mean = landscape.predict(points).mean(0)
    assert scores.ensemble.accuracy == (mean.argmax(1) == landscape.labels).double().mean()
    assert scores.ensemble.loss.item() == pytest.approx(cross_entropy(mean.log(), landscape.labels).item())
    assert scores.ensemble.ece == expected_calibration_error(mean, landscape.labels)
    middle = points.mean(0, keepdim=True)
    torch.testing.assert_close(scores.average.accuracy, landscape.accuracy(middle)[0])
    torch.testing.assert_close(scores.average.loss, landscape.loss(middle)[0])
    torch.testing.assert_close(scores.single.accuracy, landscape.accuracy(points))
    torch.testing.assert_close(scores.single.loss, landscape.loss(points))
    assert scores.single.ece.shape == (4,)
    torch.testing.assert_close(scores.gain, scores.ensemble.accuracy - landscape.accuracy(points).mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_point_repeated_gains_exactly_nothing(dtype: torch.dtype) -> None:
    landscape = network(dtype)
    points = landscape.initial(1, derive(0)).expand(7, -1)
    scores = ensemble_scores(landscape, points)
    assert scores.gain == 0
    for name in ("accuracy", "loss", "ece"):
        single = getattr(scores.single, name)
        assert (single == getattr(scores.ensemble, name)).all()
        assert (single == getattr(scores.average, name)).all()
    assert not disagreement(landscape, points).any()


def test_a_loss_of_a_probability_that_underflows_stays_finite() -> None:
    landscape = network(torch.float32)
    scores = ensemble_scores(landscape, 1e3 * landscape.initial(2, derive(0)))
    assert scores.single.loss.isfinite().all()
    assert scores.single.loss.max() > 10


def test_a_point_that_predicts_nan_scores_nan() -> None:
    landscape = network()
    points = landscape.initial(3, derive(0))
    points[1] = math.nan
    scores = ensemble_scores(landscape, points)
    for name in ("accuracy", "loss", "ece"):
        assert getattr(scores.single, name).isnan().tolist() == [False, True, False]
        assert getattr(scores.ensemble, name).isnan()
    apart = disagreement(landscape, points)
    assert apart[1].isnan().all()
    assert apart[:, 1].isnan().all()
    assert apart[0, 2] == apart[2, 0] >= 0


def slow_calibration_error(probabilities: Tensor, labels: Tensor, bins: int) -> float:
    """Guo et al. 2017, equations 2 and 3, example by example."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        place = next(m for m in range(1, bins + 1) if confidence <= m / bins)
        members[place - 1].append((confidence, row.index(confidence) == label))
    error = 0.0
    for one in filter(None, members):
        accuracy = sum(right for _, right in one) / len(one)
        error += len(one) / len(labels) * abs(accuracy - sum(confidence for confidence, _ in one) / len(one))
    return error


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), bins=st.integers(1, 20), sharpness=st.floats(0.1, 5))
def test_the_calibration_error_is_that_of_the_slow_count(seed: int, bins: int, sharpness: float) -> None:
    logits = sharpness * torch.randn(50, 4, generator=derive(seed), dtype=torch.float64)
    labels = torch.randint(4, (50,), generator=derive(seed, "labels"))
    labels[:30] = logits[:30].argmax(1)  # so that some bins are too confident and some not enough
    found = expected_calibration_error(logits.softmax(1), labels, bins)
    assert found.item() == pytest.approx(slow_calibration_error(logits.softmax(1), labels, bins))


def test_the_calibration_error_of_certainty_is_the_error_rate() -> None:
    certain = torch.eye(4)[torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])]
    assert expected_calibration_error(certain, torch.tensor([0, 1, 2, 3, 1, 1, 1, 1])).item() == 3 / 8


def test_bins_of_the_calibration_error_hold_their_upper_end_alone() -> None:
    predicted = torch.tensor([[0.75, 0.25], [0.625, 0.375]])
    labels = torch.tensor([0, 1])
    assert expected_calibration_error(predicted, labels, 4).item() == abs(0.25 - 0.625) / 2
    assert expected_calibration_error(predicted, labels, 8).item() == (0.25 + 0.625) / 2
    halves = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    assert expected_calibration_error(halves, labels, 2).item() == (0.5 + 0.75) / 2


def test_disagreement_is_the_share_of_examples_of_different_classes() -> None:
    landscape = network()
    points = 3 * landscape.initial(4, derive(0))
    found = disagreement(landscape, points)
    classes = landscape.predict(points).argmax(2)
    for i in range(4):
        for j in range(4):
            differ = sum(int(one != other) for one, other in zip(classes[i], classes[j], strict=True))
            assert found[i, j].item() == pytest.approx(differ / EXAMPLES)
    assert found[0, 1] > 0


def test_each_cycle_is_a_cosine_from_one_to_near_zero() -> None:
    factor = cyclical(50)
    assert [factor(step) for step in (0, 50, 450)] == [1.0, 1.0, 1.0]
    assert [factor(step) for step in (25, 125)] == [pytest.approx(0.5)] * 2
    assert 0 < factor(49) == factor(99) < 2e-3
    assert all(factor(step) > factor(step + 1) for step in range(49))
    assert cyclical(50, low=0.2)(25) == pytest.approx(0.6)
    assert cyclical(50, low=0.2)(49) == pytest.approx(0.2, abs=1e-3)


def test_snapshots_are_the_points_at_the_cycle_ends() -> None:
    assert snapshots(50, 3) == (50, 100, 150)
    landscape = WedgeLandscape(20, 5, wedges=3, profile="squared", dtype=torch.float64)
    start = landscape.initial(1, derive(0))
    found = descend(
        landscape, start, lr=0.1, steps=40, schedule=cyclical(20), keep=snapshots(20, 2), generator=derive(0)
    )
    assert torch.equal(found.trajectory[:, -1], found.points)


def test_angles_are_those_between_successive_points_in_degrees() -> None:
    points = torch.tensor([[1.0, 0.0], [2.0, 2.0], [0.0, 0.5], [0.0, -3.0]], dtype=torch.float64)
    torch.testing.assert_close(angles(points), torch.tensor([45.0, 45.0, 180.0], dtype=torch.float64))
    torch.testing.assert_close(angles(points.expand(3, 4, 2)), angles(points).expand(3, 3))
    assert angles(points[[0, 0]]).item() == 0
    assert angles(torch.tensor([[1.0, 0.0], [1.0, 1e-5]])).item() == pytest.approx(math.degrees(1e-5), rel=1e-4)
    assert angles(torch.zeros(2, 3)).isnan().all()


def test_in_the_model_averaging_works_below_the_edge_of_stability_and_breaks_from_it_on() -> None:
    """Curvature 2 across a wedge: the edge is at a maximal rate of 1."""
    landscape = WedgeLandscape(300, 30, wedges=40, profile="squared", noise=0.3)
    rates = [0.1, 0.5, 0.9, 1.0, 1.1]
    found = descend(
        landscape,
        landscape.initial(1, derive(0)).expand(len(rates), -1),
        lr=rates,
        weight_decay=0.02,
        steps=2000,
        schedule=cyclical(200),
        keep=snapshots(200, 10),
        generator=derive(0, "training"),
    )
    for rate, points in zip(rates, found.trajectory, strict=True):
        single = landscape.distance(points)
        average = landscape.distance(averaged(points).average[None]).item()
        wedges = len(set(landscape.nearest_wedge(points).tolist()))
        assert single.mean() < 0.2
        if rate < 1:
            assert wedges == 1
            assert average < 0.5 * single.min().item()
        else:
            assert wedges >= 5
            assert average > 5 * single.max().item()


def test_running_scores_are_those_of_each_number_of_points() -> None:
    landscape = network()
    points = 3 * landscape.initial(4, derive(1))
    found = running_scores(landscape, points)
    assert len(found) == 4
    for count, one in enumerate(found, start=1):
        alone = ensemble_scores(landscape, points[:count])
        for what in ("ensemble", "average", "single"):
            for name in ("accuracy", "loss", "ece"):
                assert torch.equal(getattr(getattr(one, what), name), getattr(getattr(alone, what), name))
        assert one.gain == alone.gain
    with pytest.raises(ValueError, match="an ensemble needs a member"):
        running_scores(landscape, points[:0])


def test_bad_input_gets_one_sentence() -> None:
    landscape = network()
    points = landscape.initial(2, derive(0))
    with pytest.raises(ValueError, match="there is no average yet"):
        _ = RunningAverage().average
    average = averaged(points)
    with pytest.raises(ValueError, match="every snapshot must have the shape of the first"):
        average.update(points)
    with pytest.raises(ValueError, match=r"dtype of the first, torch\.float64; got torch\.float32"):
        average.update(points[0].float())
    assert average.count == 2
    with pytest.raises(ValueError, match="an ensemble needs a member"):
        prediction_average(landscape, points[:0])
    with pytest.raises(TypeError, match="WedgeLandscape has no method predict"):
        _check_predictive(WedgeLandscape(4, 2), torch.zeros(1, 4))
    images = {"x": torch.ones(4, 2)}
    unlabelled = NetworkLandscape(
        mlp(2, 2, (2,)),
        images,
        loss=lambda model, batch: model(batch["x"]).square().mean(),
        predict=lambda model, batch: model(batch["x"]).softmax(1),
    )
    with pytest.raises(ValueError, match="label"):
        ensemble_scores(unlabelled, unlabelled.initial(1, derive(0)))
    with pytest.raises(ValueError, match="bins must be at least 1; got 0"):
        expected_calibration_error(torch.ones(3, 2) / 2, torch.zeros(3, dtype=torch.int64), 0)
    with pytest.raises(ValueError, match=r"low must be between 0 and 1.*got 2"):
        cyclical(10, low=2.0)
    with pytest.raises(ValueError, match="cycle must be at least 1; got 0"):
        snapshots(0, 3)
    with pytest.raises(ValueError, match=r"angles need at least 2 points"):
        angles(points[:1])
