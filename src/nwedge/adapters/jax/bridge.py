"""Between torch and JAX: tensors cross by DLPack, devices by name, and float64 is switched on for one block of code."""

from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jax import Array
from jax.dlpack import from_dlpack
from torch import Tensor

DTYPES = {torch.float32: jnp.float32, torch.float64: jnp.float64}
"""The dtypes of points, in both frameworks."""


def precision(dtype: torch.dtype) -> AbstractContextManager[Any]:
    """A block in which JAX computes in this dtype, whatever the user's own setting, which is left as it is.

    In the block of a float32 landscape JAX has no float64, so that nothing is promoted to it unseen.
    """
    return jax.enable_x64(dtype == torch.float64)


def to_jax(tensor: Tensor, home: Any = None) -> Array:
    """A detached tensor as an array, to be called in its `precision` block.

    Args:
        tensor: of any layout.
        home: the JAX device of the array; None takes the tensor's. JAX may divide a CPU into several devices.

    Memory is shared where the tensor is contiguous and begins at a multiple of 64 bytes, as torch's own allocations
    do; else it is copied once. The tensor must not be written to while the array is used.
    """
    array = from_dlpack(tensor.detach().contiguous())
    return array if home is None or array.device == home else jax.device_put(array, home)


def to_torch(array: Array) -> Tensor:
    """A computed array as a tensor that shares its memory; waits for the computation, and so for its inputs."""
    return torch.from_dlpack(array.block_until_ready())


def torch_device(device: jax.Device) -> torch.device:  # pyright: ignore[reportInvalidTypeForm]
    """Where torch finds the memory of a JAX device.

    Raises:
        ValueError: torch sees no such device.
    """
    if device.platform == "cpu":
        return torch.device("cpu")
    index = device.local_hardware_id
    if device.platform != "gpu" or index is None or index >= torch.cuda.device_count():
        raise ValueError(
            f"torch sees no device for JAX's {device}: move the params to the CPU, "
            "jax.device_put(params, jax.devices('cpu')[0]), or install a torch that supports it"
        )
    return torch.device("cuda", index)


def check_device(device: torch.device) -> None:
    """Refuse a torch device whose memory JAX does not see (ValueError)."""
    if device.type == "cpu":
        return
    try:
        seen = device.type == "cuda" and len(jax.devices("gpu")) > (device.index or 0)
    except RuntimeError:  # JAX has no GPU backend
        seen = False
    if not seen:
        raise ValueError(
            f"JAX sees no device for torch's {device}: use the CPU, or install jax with support for it "
            "(pip install 'jax[cuda12]')"
        )
