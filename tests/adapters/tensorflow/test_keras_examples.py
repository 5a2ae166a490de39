import numpy as np
import pytest
import torch

pytest.importorskip("tensorflow")

import tensorflow as tf

from nwedge.adapters.tensorflow.examples import describe, gathered, hold


def test_arrays_of_all_frameworks_are_held_alike():
    x, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 2], np.uint8)
    for inputs, targets in ((x, y), (tf.constant(x), tf.constant(y)), (torch.from_numpy(x), torch.from_numpy(y))):
        examples = hold((inputs, targets), "training", torch.float32)
        assert examples.count == 3
        assert (examples.inputs.dtype, examples.targets.dtype) == (tf.float32, tf.uint8)
        assert np.array_equal(examples.inputs, x)


def test_parts_and_draws_keep_the_users_structure():
    inputs = {"a": np.arange(4.0)[:, None], "b": (np.arange(4),)}
    examples = hold((inputs, np.arange(4)), "training", torch.float64)
    part, targets = examples.part(1, 3)
    assert (part["a"].numpy().tolist(), part["b"][0].numpy().tolist(), targets.numpy().tolist()) == (
        [[1.0], [2.0]],
        [1, 2],
        [1, 2],
    )
    assert examples.part(0, 9) == examples.pair
    assert examples.part(3, 9)[1].numpy().tolist() == [3]
    assert examples.take(tf.constant([3, 0])).targets.numpy().tolist() == [3, 0]
    assert gathered(examples.pair, tf.constant([[2], [1]]))[1].shape == (2, 1)
    assert describe(examples.pair) == "({'a': float64 (4, 1), 'b': (int64 (4,))}, int64 (4,))"


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (np.zeros((3, 2)), TypeError, r"training data must be a pair of arrays \(x, y\); got ndarray"),
        ((np.zeros(3),), TypeError, "got 1 elements"),
        (tf.data.Dataset.range(3), TypeError, "read a tf.data.Dataset first"),
        ((np.zeros((3, 2)), [0, 1, 2]), TypeError, "got int: convert it with np.asarray"),
        ((np.array(["a"]), np.zeros(1)), TypeError, "must be arrays of numbers; got an array of dtype <U1"),
        ((np.zeros((3, 2)), np.zeros(4)), ValueError, r"one length, the number of examples; got lengths \[3, 4\]"),
        ((np.zeros((0, 2)), np.zeros(0)), ValueError, "training data hold no examples"),
        ((np.float64(1.0), np.zeros(1)), ValueError, "one has no axis"),
        (
            (torch.zeros(2, device="meta"), np.zeros(2)),
            ValueError,
            "one that TensorFlow sees, .*; got meta: use the CPU",
        ),
        ((np.array([1.0, np.nan]), np.zeros(2)), ValueError, "hold NaN or infinity: leave these examples out"),
        ((np.zeros(2), np.array([1.0, np.inf])), ValueError, "hold NaN or infinity"),
    ],
)
def test_bad_data_are_refused(data, error, sentence):
    with pytest.raises(error, match=sentence):
        hold(data, "training", torch.float32)
