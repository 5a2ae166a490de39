"""Networks by name, built for a data set: the digits MLP and the SimpleCNN of Fort and Jastrzebski (2019)."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nwedge._checks import check_integer, check_positive
from nwedge.landscapes.networks.random_state import forked

SEED = 0
"""Of the weights that a network is built with; `NetworkLandscape.initial` draws others."""


def mlp(
    inputs: int | Sequence[int],
    classes: int,
    hidden: Sequence[int] = (50, 50),
    dropout: float = 0.0,
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    width: int | float = 1,
) -> nn.Sequential:
    """Dense layers with an activation and, where `dropout` > 0, dropout after each hidden one.

    The default on digits, 64-50-50-10, has 6,310 weights.

    Args:
        inputs: features of an example, or the shape of one, which is flattened first.
        classes: outputs.
        hidden: units of the hidden layers.
        dropout: the probability with which a unit is dropped, in [0, 1).
        activation: makes the activation.
        width: multiplies the hidden units.

    Returns:
        The network in eval mode, with weights from a fixed seed.

    Raises:
        ValueError, TypeError: sizes below 1, a dropout outside [0, 1), or a width that is not positive.
    """
    shape = (inputs,) if isinstance(inputs, int) else tuple(inputs)
    _check(shape, classes, hidden, dropout, width)
    sizes = [math.prod(shape), *_widened(hidden, width)]
    with forked(SEED, torch.device("cpu")):
        layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), activation(), *_dropout(dropout)]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], classes)).eval()


def simple_cnn(
    channels_in: int,
    size: int,
    classes: int,
    widths: Sequence[int] = (16, 32, 32),
    dropout: float = 0.0,
    *,
    width: int | float = 1,
) -> nn.Sequential:
    """Blocks of a 3x3 convolution, tanh, 2x2 max-pooling and, where `dropout` > 0, dropout; then one dense layer.

    It has 16,938 weights on images of 1 x 28 x 28.

    Args:
        channels_in: channels of an image.
        size: its height and width, in pixels.
        classes: outputs.
        widths: channels of the blocks.
        dropout: the probability with which an activation is dropped, in [0, 1).
        width: multiplies the channels.

    Returns:
        The network in eval mode, with weights from a fixed seed.

    Raises:
        ValueError, TypeError: sizes below 1, an image too small for the poolings, a dropout outside [0, 1), or a width
            that is not positive.
    """
    _check((channels_in, size), classes, widths, dropout, width)
    left = size // 2 ** len(widths)
    if not left:
        raise ValueError(f"{len(widths)} poolings need images of at least {2 ** len(widths)} pixels; got {size}")
    channels = [channels_in, *_widened(widths, width)]
    with forked(SEED, torch.device("cpu")):
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), *_dropout(dropout)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * left**2, classes)).eval()


def mlp_for(train: tuple[Tensor, Tensor], *, width: int | float = 1, dropout: float = 0.0) -> nn.Sequential:
    """The default `mlp` for the input shape and the classes of a data set."""
    x, y = train
    return mlp(tuple(x.shape[1:]), _classes(y), dropout=dropout, width=width)


def simple_cnn_for(train: tuple[Tensor, Tensor], *, width: int | float = 1, dropout: float = 0.0) -> nn.Sequential:
    """The default `simple_cnn` for the input shape and the classes of a data set.

    Raises:
        ValueError: examples that are no square images (channels, size, size).
    """
    x, y = train
    if x.ndim != 4 or x.shape[2] != x.shape[3]:
        raise ValueError(f"simple-cnn needs square images (examples, channels, size, size); got {tuple(x.shape)}")
    return simple_cnn(x.shape[1], x.shape[2], _classes(y), dropout=dropout, width=width)


ARCHITECTURES: dict[str, Callable[..., nn.Sequential]] = {"mlp": mlp_for, "simple-cnn": simple_cnn_for}
"""From a name to a function (train, *, width=1, dropout=0.0) -> network, where train is (x, y)."""


def _classes(labels: Tensor) -> int:
    return int(labels.max()) + 1


def _widened(units: Sequence[int], width: int | float) -> list[int]:
    return [max(1, round(number * width)) for number in units]


def _dropout(probability: float) -> list[nn.Module]:
    return [nn.Dropout(probability)] if probability else []


def _check(shape: Sequence[int], classes: int, widths: Sequence[int], dropout: float, width: int | float) -> None:
    for number in shape:
        check_integer("the size of an example", number, 1)
    check_integer("classes", classes, 1)
    for number in widths:
        check_integer("the units of a layer", number, 1)
    check_positive("width", float(width))
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1); got {dropout}")
