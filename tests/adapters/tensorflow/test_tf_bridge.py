import subprocess
import sys

import pytest
import torch

pytest.importorskip("tensorflow")

import tensorflow as tf

from nwedge.adapters.tensorflow.bridge import ALIGNMENT, device_name, length, to_tensorflow, to_torch, torch_device


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]
)
def test_memory_is_shared_both_ways(dtype):
    tensor = torch.zeros(3, 4, dtype=dtype)
    shared = to_tensorflow(tensor)
    tensor[1, 2] = 1
    assert float(tf.cast(shared[1, 2], tf.float32)) == 1
    back = to_torch(shared)
    assert back.data_ptr() == tensor.data_ptr()
    assert (back.dtype, back.shape) == (dtype, tensor.shape)


def test_other_layouts_are_copied_once():
    tensor = torch.arange(12.0).view(3, 4)
    assert torch.equal(to_torch(to_tensorflow(tensor.T)), tensor.T)
    assert torch.equal(to_torch(to_tensorflow(tensor[:, ::2])), tensor[:, ::2])
    assert torch.equal(to_torch(to_tensorflow(torch.ones(1).expand(2, 3))), torch.ones(2, 3))


def test_what_begins_elsewhere_is_copied_to_where_tensorflow_can_compute():
    tensor = torch.arange(101.0)
    for start in range(1, 17):
        part = tensor[start:]
        moved = to_torch(to_tensorflow(part))
        assert torch.equal(moved, part)
        assert moved.data_ptr() % ALIGNMENT == 0
        assert (moved.data_ptr() == part.data_ptr()) == (part.data_ptr() % ALIGNMENT == 0)


def test_empty_batches_and_tensors_with_gradients_cross():
    assert to_torch(to_tensorflow(torch.zeros(0, 4))).shape == (0, 4)
    assert not to_torch(to_tensorflow(torch.ones(2, requires_grad=True))).requires_grad


def test_lengths_of_axes():
    assert (length(tf.zeros((2, 3))), length(tf.zeros((2, 3)), -1), length(tf.zeros((0, 3)))) == (2, 3, 0)


def test_devices_by_name():
    assert device_name(torch.device("cpu")) == "/CPU:0"
    assert torch_device(tf.constant(1.0).device) == torch.device("cpu")


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="TensorFlow sees a GPU")
def test_devices_that_one_framework_does_not_see_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"device must be one that TensorFlow sees, .*CPU:0; got cuda:0: use the CPU"):
        device_name(torch.device("cuda:0"))
    with pytest.raises(ValueError, match="got meta"):
        device_name(torch.device("meta"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert torch_device("/job:localhost/replica:0/task:0/device:GPU:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="GPU:1, which this torch does not see: build the model under"):
        torch_device("/job:localhost/replica:0/task:0/device:GPU:1")


def test_without_tensorflow_one_sentence_says_what_to_install():
    code = "import sys; sys.modules['tensorflow'] = None; import nwedge.adapters.tensorflow"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: TensorFlow is not installed: pip install 'nwedge[tensorflow]'" in found.stderr
