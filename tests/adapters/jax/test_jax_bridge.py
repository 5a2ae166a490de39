"""Tensors cross without a copy where they can, and JAX's own settings stay as they are."""

import subprocess
import sys

import numpy as np
import pytest
import torch

jax = pytest.importorskip("jax")

from nwedge.adapters.jax.bridge import check_device, precision, to_jax, to_torch, torch_device  # noqa: E402


def address(array):
    return array.unsafe_buffer_pointer()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_memory_is_shared_both_ways(dtype):
    tensor = torch.randn(8, 16, dtype=dtype)
    with precision(dtype):
        array = to_jax(tensor)
        doubled = 2 * array
    back = to_torch(doubled)
    assert (array.dtype.itemsize, back.dtype) == (tensor.itemsize, dtype)
    assert address(array) == tensor.data_ptr()
    assert address(doubled) == back.data_ptr()
    assert torch.equal(back, 2 * tensor)


@pytest.mark.parametrize("view", [lambda t: t.T, lambda t: t[:, ::2], lambda t: t[1:, :3], lambda t: t[:0]])
def test_views_keep_their_values(view):
    tensor = view(torch.randn(6, 8, requires_grad=True))
    np.testing.assert_array_equal(to_jax(tensor), tensor.detach().numpy())


@pytest.mark.parametrize("setting", [False, True])
def test_precision_holds_in_its_block_alone(setting):
    with jax.enable_x64(setting):
        for dtype in (torch.float32, torch.float64):
            with precision(dtype):
                assert jax.numpy.arange(3.0).dtype.itemsize == dtype.itemsize
            assert jax.config.jax_enable_x64 == setting


def test_devices():
    cpu = jax.devices("cpu")[0]
    assert torch_device(cpu) == torch.device("cpu")
    check_device(torch.device("cpu"))
    with pytest.raises(ValueError, match="JAX sees no device for torch's meta: use the CPU"):
        check_device(torch.device("meta"))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="JAX has a GPU")
def test_a_gpu_that_jax_does_not_see_is_refused():
    with pytest.raises(ValueError, match="JAX sees no device for torch's cuda:0"):
        check_device(torch.device("cuda", 0))


def test_without_jax_there_is_one_sentence():
    code = """
import sys
sys.modules["jax"] = None
import nwedge, nwedge.landscape
try:
    import nwedge.adapters.jax
except ImportError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "JAX is not installed: pip install 'nwedge[jax]'"
