"""Laws of the attributes, the initial points and the losses."""

from typing import Any

import torch

from nwedge._random import derive
from nwedge.landscape import evaluate
from nwedge.testing.case import Case, require, require_tensor


def has_attributes(landscape: Any, where: str = "") -> None:
    """A positive int `dim`, a torch dtype, a torch.device, and the methods of the protocol."""
    law = "attributes" + where
    for name in ("dim", "dtype", "device", "loss", "initial", "minibatch"):
        require(hasattr(landscape, name), law, f"an attribute `{name}`", f"a {type(landscape).__name__} without it")
    dim, dtype, device = landscape.dim, landscape.dtype, landscape.device
    require(isinstance(dim, int) and not isinstance(dim, bool) and dim > 0, law, "dim to be a positive int", repr(dim))
    require(dtype in (torch.float32, torch.float64), law, "dtype to be torch.float32 or torch.float64", repr(dtype))
    require(isinstance(device, torch.device), law, "device to be a torch.device", repr(device))
    for name in ("loss", "initial", "minibatch"):
        require(callable(getattr(landscape, name)), law, f"`{name}` to be callable", repr(getattr(landscape, name)))


def initial_points_are_points(landscape: Any, seed: int) -> None:
    """`initial(count, generator)` gives `count` finite points, the same for the same generator state."""
    law = "initial points"
    first, second = (landscape.initial(3, derive(seed, "check_landscape", "initial")) for _ in range(2))
    require_tensor(landscape, first, law, "`initial(3, generator)`", (3, landscape.dim))
    require(torch.isfinite(first).all(), law, "finite coordinates", "NaN or infinity")
    require(torch.equal(first, second), law, "the same points from the same generator state", "other points")


def initial_losses_are_finite(case: Case) -> None:
    """Training can start from the initial points."""
    values = case.landscape.loss(case.landscape.initial(3, case.generator("initial")))
    case.require(torch.isfinite(values).all(), "initial points", "finite losses", values.tolist())


def one_loss_a_point(case: Case) -> None:
    """`loss` gives one finite number a point, of the landscape's dtype and device."""
    law = "one loss a point"
    for points in (case.points, case.points[:1]):
        values = case.landscape.loss(points.clone())
        case.require_tensor(values, law, f"the loss of {len(points)} point(s)", (len(points),))
        case.require(torch.isfinite(values).all(), law, "finite losses", values.tolist())


def two_calls_agree(case: Case) -> None:
    """L(P) = L(P) up to rounding."""
    first, second = (evaluate(case.landscape, case.points) for _ in range(2))
    case.require_equal(first, second, "repetition", "two calls of `loss` at the same points to agree")


def batch_does_not_matter(case: Case) -> None:
    """A point's loss is the same alone, in a batch, and at another place of it."""
    landscape, points, law = case.landscape, case.points, "batch independence"
    together = evaluate(landscape, points)
    alone = torch.cat([evaluate(landscape, row) for row in points.split(1)])
    turned = evaluate(landscape, points.flip(0)).flip(0)
    case.require_equal(together, alone, law, "a point's loss to be the same alone and in a batch")
    case.require_equal(together, turned, law, "a point's loss to be the same at another place of the batch")
