"""How many points are evaluated at once, by a rule on layers and devices: a landscape is always computed alike.

Chains of dense layers are fastest as products of stacked weights ("stacked", see stacked.py), other models of small
dense layers under "vmap"; convolutions are two to three times faster in a loop over points, which is also always right.

`python -m benchmarks.strategies` remakes the table behind the rule. Two ways were tried and left: `inference_mode`
saves nothing beside `no_grad`, and `torch.compile` takes 6 to 26 s to make a pass of SimpleCNN a quarter faster, and
one of the digits MLP slower.
"""

import torch
from torch import nn

from nwedge.specs.landscapes import STRATEGIES

BLOCK = {"stacked": 32, "vmap": 32, "loop": 1}
"""Points evaluated at once."""

DIFFERENTIATED = {
    "cpu": {"stacked": 8 * 512, "vmap": 32 * 2048, "loop": 1},
    "gpu": {"stacked": 32 * 8192, "vmap": 32 * 8192, "loop": 1},
}
"""Points times examples that are differentiated at once, where that is fewer: of "stacked", what stays in the cache."""

CHUNK = {
    "cpu": {"stacked": 512, "vmap": 2048, "loop": 256},
    "gpu": {"stacked": 8192, "vmap": 8192, "loop": 1024},
}
"""Examples evaluated at once: of "stacked", what keeps the hidden units of a block of points in the cache.

A GPU has no such cache, and starting a kernel costs it the same whatever the size, so its chunks are as large as memory
allows; they are reasoned, not measured, for lack of a GPU.
"""

VECTORS = {"stacked": 32, "vmap": 32, "loop": 1}
"""Vectors that may share a backward pass on a kept graph."""

HELD = {
    "cpu": {"stacked": 128, "vmap": 32, "loop": 8},
    "gpu": {"stacked": 32, "vmap": 32, "loop": 4},
}
"""Evaluations of one point on one chunk that may be kept for the backward pass; beyond, each is recomputed there."""

DENSE = frozenset(
    {nn.Sequential, nn.Linear, nn.Bilinear, nn.Flatten, nn.Unflatten, nn.Identity, nn.LayerNorm, nn.Dropout}
    | {nn.AlphaDropout, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish}
    | {nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Softsign}
    | {nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Softmax, nn.LogSoftmax}
)
"""Layers for which stacked weights pay."""


def place(device: torch.device | str) -> str:
    """Whose sizes a device takes: "cpu" or "gpu"."""
    return "cpu" if torch.device(device).type == "cpu" else "gpu"


def rule(model: nn.Module) -> tuple[str, ...]:
    """The strategies to be tried with a model, best first: all of them if its layers are dense, else "loop"."""
    return STRATEGIES if all(type(layer) in DENSE for layer in model.modules()) else ("loop",)


def prefers_channels_last(model: nn.Module, device: torch.device) -> bool:
    """Whether images are worth laying out with their channels last: 2-D convolutions on a CPU."""
    return device.type == "cpu" and any(isinstance(layer, nn.Conv2d) for layer in model.modules())
