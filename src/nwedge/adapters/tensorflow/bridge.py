"""Tensors between torch and TensorFlow by DLPack, without a copy where device, layout and alignment allow."""

import tensorflow as tf
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

ALIGNMENT = 64
"""Bytes at whose multiples TensorFlow wants a tensor on the CPU to begin; at others its kernels end the process."""
DTYPES = {
    torch.float16: tf.float16,
    torch.bfloat16: tf.bfloat16,
    torch.float32: tf.float32,
    torch.float64: tf.float64,
}
"""The dtypes of points."""


def to_tensorflow(tensor: Tensor) -> tf.Tensor:
    """A torch tensor as a TensorFlow tensor on the same device, which shares its memory where it can.

    A tensor that is not contiguous, or does not begin at a multiple of 64 bytes, is copied once.
    """
    tensor = tensor.detach().contiguous()
    if tensor.data_ptr() % ALIGNMENT:
        tensor = tensor.clone()
    if tensor.is_cuda:  # TensorFlow computes in a stream of its own
        torch.cuda.current_stream(tensor.device).synchronize()
    return tf.experimental.dlpack.from_dlpack(tensor.__dlpack__())


def to_torch(tensor: tf.Tensor) -> Tensor:
    """A TensorFlow tensor as a torch tensor on the same device, which shares its memory."""
    return from_dlpack(tf.experimental.dlpack.to_dlpack(tensor))


def length(tensor: tf.Tensor, axis: int = 0) -> int:
    """How long an axis of a computed tensor is."""
    return int(tensor.shape[axis] or 0)


def device_name(device: torch.device) -> str:
    """TensorFlow's name of a torch device: "/CPU:0" or "/GPU:n".

    Raises:
        ValueError: a device that TensorFlow does not see.
    """
    if device.type == "cpu":
        return "/CPU:0"
    current = torch.cuda.current_device() if torch.cuda.is_available() else 0
    index = current if device.index is None else device.index
    seen = [found.name for found in tf.config.list_logical_devices() if found.device_type in ("CPU", "GPU")]
    if device.type != "cuda" or f"/device:GPU:{index}" not in seen:
        raise ValueError(
            f"device must be one that TensorFlow sees, {', '.join(seen)}; got {device}: use the CPU, or install a "
            "TensorFlow with GPU support"
        )
    return f"/GPU:{index}"


def torch_device(name: str) -> torch.device:
    """The torch device of a TensorFlow device, such as "/job:localhost/replica:0/task:0/device:GPU:0".

    Raises:
        ValueError: a device that torch does not see.
    """
    kind, index = name.rsplit("/", 1)[-1].removeprefix("device:").split(":")
    if kind == "CPU":
        return torch.device("cpu")
    if kind != "GPU" or int(index) >= torch.cuda.device_count():
        raise ValueError(
            f"the weights are on TensorFlow's device {kind}:{index}, which this torch does not see: build the model "
            "under tf.device('CPU'), or install a torch with CUDA"
        )
    return torch.device("cuda", int(index))
