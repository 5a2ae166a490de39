"""What is tested and where, and when two numbers count as equal."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from nwedge._checks import same_device
from nwedge._random import derive, normal

PAIRS = 8
"""Pairs of a point and a direction along which derivatives are compared with differences."""
ROUNDING = 32
"""Rounding errors, in units of the machine epsilon, that a loss or a gradient may carry relative to its size."""


class LandscapeError(AssertionError):
    """A law of the landscape protocol is broken; the message names it, what was expected and what came."""


def require(holds: bool | Tensor, law: str, expected: str, came: Any) -> None:
    """Raise a LandscapeError that names the law, unless it holds."""
    if not holds:
        raise LandscapeError(f"the law of {law} is broken: expected {expected}; got {came}")


def require_tensor(landscape: Any, tensor: Any, law: str, what: str, shape: tuple[int, ...]) -> None:
    """Raise a LandscapeError unless this is a tensor of the given shape and of the landscape's dtype and device."""
    require(isinstance(tensor, Tensor), law, f"{what} to be a torch.Tensor", type(tensor).__name__)
    require(tuple(tensor.shape) == shape, law, f"{what} of shape {shape}", tuple(tensor.shape))
    require(tensor.dtype == landscape.dtype, law, f"{what} of dtype {landscape.dtype}", tensor.dtype)
    at_home = same_device(tensor.device, landscape.device)
    require(at_home, law, f"{what} on device {landscape.device}", tensor.device)


@dataclass(frozen=True)
class Case:
    """A landscape, the points at which it is tested, and the tolerances that its dtype asks for.

    `untouched` is the state of everything that is not the landscape's to change, taken before its first call; `where`
    says which part of the landscape is tested.
    """

    landscape: Any
    points: Tensor
    seed: int
    untouched: dict[str, Any]
    where: str = ""

    def generator(self, *names: str | int) -> Generator:
        """The generator of one of the draws."""
        return derive(self.seed, "check_landscape", *names)

    @property
    def double(self) -> bool:
        """Whether the landscape computes in float64."""
        return self.points.dtype == torch.float64

    @property
    def eps(self) -> float:
        """The machine epsilon."""
        return torch.finfo(self.points.dtype).eps

    @property
    def same(self) -> float:
        """Relative tolerance of two losses that are one: what another order of summation may change."""
        return 1e-9 if self.double else 1e-4

    @property
    def algebra(self) -> float:
        """Relative tolerance of two derivatives that are one: they lose more digits than losses do."""
        return 1e-8 if self.double else 1e-2

    @property
    def slope(self) -> float:
        """Relative tolerance of a derivative against a central difference, whose own error is of second order."""
        return 1e-5 if self.double else 5e-2

    @property
    def signal(self) -> float:
        """The change of a loss that a difference needs, in roundings of the loss: far more than 1 / `slope`."""
        return 3e7 if self.double else 1e3

    @property
    def pairs(self) -> Tensor:
        """The points, each as often as it takes to make at least `PAIRS` rows."""
        return self.points.repeat(math.ceil(PAIRS / len(self.points)), 1)

    def directions(self, name: str) -> Tensor:
        """A random unit vector for each row of `pairs`."""
        pairs = self.pairs
        draws = normal(pairs.shape, self.generator(name), dtype=pairs.dtype, device=pairs.device)
        return normalize(draws, dim=1)

    def require(self, holds: bool | Tensor, law: str, expected: str, came: Any) -> None:
        """Raise a LandscapeError that names the law and the part of the landscape, unless it holds."""
        require(holds, law + self.where, expected, came)

    def require_tensor(self, tensor: Any, law: str, what: str, shape: tuple[int, ...]) -> None:
        """Raise a LandscapeError unless this is a tensor of the given shape, of the landscape's dtype and device."""
        require_tensor(self.landscape, tensor, law + self.where, what, shape)

    def require_equal(self, left: Tensor, right: Tensor, law: str, expected: str) -> None:
        """Two tensors of losses or probabilities agree up to rounding, relative to the largest of them."""
        gap = (left - right).abs().max()
        allowed = self.same * torch.maximum(left.abs().max(), right.abs().max()) + self.eps
        self.require(
            gap <= allowed, law, expected, f"values {gap.item():.3g} apart where {allowed.item():.3g} is allowed"
        )

    def require_median(self, error: Tensor, allowed: Tensor, law: str, expected: str) -> None:
        """The median over the rows of error / allowed is at most 1."""
        median = (error / (allowed + torch.finfo(error.dtype).tiny)).median()
        self.require(median <= 1, law, expected, f"a median error {median.item():.3g} times as large as allowed")
