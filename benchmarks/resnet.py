"""A ResNet-18 for images of 32 x 32 (He et al. 2016, arXiv 1512.03385), in plain torch."""

from torch import Tensor, nn

SHAPE = (3, 32, 32)
CHANNELS, STRIDES, BLOCKS = (64, 128, 256, 512), (1, 2, 2, 2), 2
"""Of the four stages; the stride of each one's first block; blocks of each."""


def resnet18(classes: int = 10, *, width: float = 1.0) -> nn.Sequential:
    """The network with a 3 x 3 stem and no pooling before the first stage, in eval mode: 11,173,962 weights.

    Args:
        classes: outputs.
        width: multiplies the channels.
    """
    channels = [round(number * width) for number in CHANNELS]
    layers: list[nn.Module] = [_convolution(SHAPE[0], channels[0], 1), nn.ReLU()]
    before = channels[0]
    for after, stride in zip(channels, STRIDES, strict=True):
        for block in range(BLOCKS):
            layers.append(_Block(before, after, 1 if block else stride))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)).eval()


class _Block(nn.Module):
    """Two convolutions, and what goes past them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(before, after, stride), nn.ReLU(), _convolution(after, after, 1))
        same = before == after and stride == 1
        self.past = nn.Identity() if same else _convolution(before, after, stride, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.past(x))


def _convolution(before: int, after: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """A convolution without a bias, and BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(after)
    )
