import math

import numpy as np
import pytest
import torch

from nwedge.diagnosis.records import Record, difference, halves, scores
from nwedge.methods.ensembling import expected_calibration_error


def made(examples=400, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.5), examples)
    return probabilities, rng.integers(classes, size=examples)


def test_a_record_is_the_classifier_on_each_example():
    probabilities, labels = made()
    record = Record.of(probabilities, labels)
    for row, label, right, loss, confidence in zip(
        probabilities, labels, record.right, record.loss, record.confidence, strict=True
    ):
        assert right == (row.argmax() == label)
        assert loss == pytest.approx(-math.log(row[label]))
        assert confidence == row.max()
    few = record.on(np.array([3, 5]))
    assert few.loss.tolist() == record.loss[[3, 5]].tolist()
    assert record.accuracy == record.right.mean()
    assert record.mean_loss == record.loss.mean()


def test_nan_stays_nan_and_is_never_right():
    probabilities, labels = made(10)
    probabilities[0] = np.nan
    probabilities[1] = np.eye(4)[labels[1] - 1]  # the label has probability 0
    record = Record.of(probabilities, labels)
    assert not record.right[0]
    assert math.isnan(record.accuracy)
    assert math.isnan(record.mean_loss)
    assert np.isfinite(record.loss[1])
    assert record.loss[1] > 100


def test_halves_share_every_class_and_no_example():
    labels = np.repeat([0, 1, 2, 5], [10, 7, 4, 1])
    first, second = halves(labels, 0)
    assert sorted([*first, *second]) == list(range(len(labels)))
    for label in np.unique(labels):
        assert abs(int((labels[first] == label).sum()) - int((labels[second] == label).sum())) <= 1
    assert abs(len(first) - len(second)) <= 1
    assert np.array_equal(halves(labels, 0)[0], first)
    assert not np.array_equal(halves(labels, 1)[0], first)
    with pytest.raises(ValueError, match="at least 2 examples"):
        halves(labels[:1], 0)


def test_scores_are_those_of_the_project_with_intervals_that_hold_them():
    probabilities, labels = made()
    record = Record.of(probabilities, labels)
    found = scores(record, 0)
    ece = expected_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(labels)).item()
    assert found.ece.value == pytest.approx(ece)
    assert found.accuracy.value == record.accuracy
    assert found.loss.value == record.mean_loss
    for one in (found.accuracy, found.loss):
        assert one.interval[0] < one.value < one.interval[1]
    assert scores(record, 0) == found


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says_and_covers():
    rng = np.random.default_rng(0)
    covered, widths = 0, []
    for repeat in range(200):
        values = rng.normal(1.0, 2.0, 150)
        found = difference(values, np.zeros(150), repeat)
        covered += found.interval[0] <= 1.0 <= found.interval[1]
        widths.append(found.interval[1] - found.interval[0])
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 2 / math.sqrt(150), rel=0.05)
    assert 180 <= covered <= 199


def test_paired_differences_are_narrower_than_those_of_two_samples():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, 300)
    first, second = hard + 0.3 + rng.normal(0, 0.1, 300), hard + rng.normal(0, 0.1, 300)
    found = difference(first, second, 0)
    assert found.value == pytest.approx(0.3, abs=0.03)
    assert found.interval[1] - found.interval[0] < 0.1


def test_what_is_undefined_has_no_interval():
    probabilities, labels = made()
    probabilities[0] = np.nan
    found = scores(Record.of(probabilities, labels), 0)
    for one in (found.accuracy, found.loss, found.ece):
        assert all(math.isnan(value) for value in (one.value, *one.interval))


def test_the_interval_of_the_calibration_error_is_that_of_resampled_examples():
    probabilities, labels = made(200)
    record = Record.of(probabilities, labels)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(200, size=200) for _ in range(2000)]
    resampled = [
        expected_calibration_error(torch.from_numpy(probabilities[some]), torch.from_numpy(labels[some])).item()
        for some in drawn
    ]
    expected = np.percentile(resampled, [2.5, 97.5])
    np.testing.assert_allclose(scores(record, 0).ece.interval, expected, atol=0.01)


@pytest.mark.parametrize("label", [-100, 4])
def test_labels_that_are_no_classes_are_refused(label):
    probabilities, labels = made()
    labels[7] = label
    with pytest.raises(ValueError, match=f"held-out labels must be between 0 and 3, .*; got {label}: leave these"):
        Record.of(probabilities, labels)
