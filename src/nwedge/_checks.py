"""Errors that say what was expected, what came, and what to do."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Space(Protocol):
    """What a batch of points must match: a dimension, a dtype and a device."""

    dim: int
    dtype: torch.dtype
    device: torch.device


def check_points(space: Space, points: Tensor, name: str = "points") -> None:
    """Refuse a batch of points that does not belong to a landscape or chart.

    Raises:
        TypeError: `points` is no tensor, or its dtype is another.
        ValueError: the shape is not (batch, dim), or the device is another.
    """
    if not isinstance(points, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor of shape (batch, {space.dim}); got {type(points).__name__}")
    if points.ndim != 2 or points.shape[1] != space.dim:
        came = f"{tuple(points.shape)}{_hint(space, points)}"
        raise ValueError(f"{name} must have shape (batch, {space.dim}); got {came}")
    if points.dtype != space.dtype:
        raise TypeError(f"{name} must have dtype {space.dtype}; got {points.dtype}: convert with .to({space.dtype})")
    if not same_device(points.device, space.device):
        came = f"{points.device}: move with .to('{space.device}')"
        raise ValueError(f"{name} must be on device {space.device}; got {came}")


def check_point(space: Space, point: Tensor) -> None:
    """Refuse anything but one point, shape (dim,), of a landscape or chart (TypeError, ValueError)."""
    if not isinstance(point, Tensor) or point.ndim != 1:
        came = tuple(point.shape) if isinstance(point, Tensor) else type(point).__name__
        raise ValueError(f"point must be a tensor of shape ({space.dim},), without a batch axis; got {came}")
    check_points(space, point[None], "point")


def check_same_shape(points: Tensor, vectors: Tensor, name: str = "vectors") -> None:
    """Refuse vectors whose shape, dtype or device is not that of the points (ValueError)."""
    for what in ("shape", "dtype", "device"):
        expected, got = getattr(points, what), getattr(vectors, what)
        if expected != got:
            raise ValueError(f"{name} must have the {what} of the points, {_plain(expected)}; got {_plain(got)}")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is not among the choices (ValueError), naming them."""
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def check_positive(name: str, value: float, *, zero: bool = False) -> None:
    """Refuse a number that is not positive (or, with `zero`, negative) or not finite (ValueError)."""
    if not (value >= 0 if zero else value > 0) or value == float("inf"):
        raise ValueError(f"{name} must be {'at least 0' if zero else 'positive'} and finite; got {value}")


def check_integer(name: str, value: int, least: int, most: int | None = None) -> None:
    """Refuse anything but an integer in [least, most] (TypeError, ValueError)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    if value < least or (most is not None and value > most):
        wanted = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{name} must be {wanted}; got {value}")


def check_indices(indices: Tensor, count: int) -> None:
    """Refuse anything but indices of some of `count` examples, shape (at least 1,) (TypeError, ValueError)."""
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise TypeError(f"indices must be integers; got {indices.dtype}")
    if indices.ndim != 1 or not len(indices):
        raise ValueError(f"indices must have shape (at least 1,); got {tuple(indices.shape)}")
    least, most = int(indices.min()), int(indices.max())
    if least < 0 or most >= count:
        raise ValueError(f"indices must be between 0 and {count - 1}; got {least if least < 0 else most}")


def same_device(left: torch.device, right: torch.device) -> bool:
    """Whether two devices are one: `cuda` without an index is the current CUDA device."""

    def index(device: torch.device) -> int:
        if device.index is not None:
            return device.index
        return torch.cuda.current_device() if device.type == "cuda" else 0

    return left.type == right.type and index(left) == index(right)


def _hint(space: Space, points: Tensor) -> str:
    return ": add a batch axis with [None]" if points.ndim == 1 and points.shape[0] == space.dim else ""


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, torch.Size) else value
