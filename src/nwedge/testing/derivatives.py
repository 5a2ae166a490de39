"""Laws of the gradient and of the Hessian-vector product."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nwedge.landscape import evaluate, gradient, hvp
from nwedge.testing.case import ROUNDING, Case


def gradient_is_there(case: Case) -> None:
    """The loss is attached or an own `gradient` is offered; where both are there they agree."""
    landscape, law = case.landscape, "gradient"
    own, attached = getattr(landscape, "gradient", None), is_attached(case)
    expected = "a loss attached to the points, or a method `gradient`"
    case.require(
        own is not None or attached, law, expected, "a detached loss (.detach(), no_grad or another framework)"
    )
    if own is not None:
        case.require_tensor(own(case.points.clone()), law, "the result of `gradient`", tuple(case.points.shape))
    slopes = gradient(landscape, case.points.clone())
    case.require(torch.isfinite(slopes).all(), law, "finite gradients", "NaN or infinity")
    if own is not None and attached:
        error = (slopes - gradient(LossAlone(landscape), case.points)).norm(dim=1)
        allowed = case.algebra * slopes.norm(dim=1) + ROUNDING * case.eps
        case.require_median(error, allowed, law, "the landscape's own `gradient` to be the derivative of its `loss`")


def loss_and_gradient_are_those_of_two_calls(case: Case) -> None:
    """An own `loss_and_gradient` gives what `loss` and the gradient give."""
    both, law = getattr(case.landscape, "loss_and_gradient", None), "gradient"
    if both is None:
        return
    found = both(case.points.clone())
    expected = evaluate(case.landscape, case.points), gradient(case.landscape, case.points.clone())
    for what, own, other in zip(("losses", "gradients"), found, expected, strict=True):
        case.require_tensor(own, law, f"the {what} of `loss_and_gradient`", tuple(other.shape))
        error, size = (each.view(len(each), -1).norm(dim=1) for each in (own - other, other))
        allowed = case.algebra * size + ROUNDING * case.eps
        case.require_median(error, allowed, law, f"the {what} of `loss_and_gradient` to be those of separate calls")


def gradient_agrees_with_differences(case: Case) -> None:
    """|L(P + h v) - L(P - h v) - 2 h g.v| <= tolerance * 2 h max(|g.v|, |g| / sqrt(dim)) + the rounding of the losses.

    Along random directions, where g.v is typically |g| / sqrt(dim), every coordinate counts alike; along the gradient
    itself the signal stands out of the rounding in any dimension, and a wrong scale shows.
    """
    pairs, law = case.pairs, "gradient"
    slopes, losses = gradient(case.landscape, pairs), evaluate(case.landscape, pairs)
    steepest = slopes.norm(dim=1)
    typical = steepest / math.sqrt(case.landscape.dim)
    ways = (
        ("random directions", case.directions("slope"), typical),
        ("its own direction", normalize(slopes, dim=1), steepest),
    )
    for kind, directions, rise in ways:
        steps = _steps(case, losses, rise)[:, None] * directions
        moved, change = _difference(case, steps)
        case.require(torch.isfinite(change).all(), law, "finite losses close to the points", "NaN or infinity")
        claimed = (slopes * moved).sum(1)
        scale = torch.maximum(claimed.abs(), typical * moved.norm(dim=1))
        allowed = case.slope * scale + ROUNDING * case.eps * losses.abs().max()
        shorter = 4 * _difference(case, steps / 4)[1]
        if case.double or _settled(change - shorter, torch.maximum(allowed, case.slope * change.abs())):
            expected = f"the gradient to agree with central differences of the loss along {kind}"
            case.require_median((change - claimed).abs(), allowed, law, expected)


def _settled(disagreement: Tensor, allowed: Tensor) -> bool:
    """Whether differences over a step and over a quarter of it agree; else they cross kinks, and say nothing."""
    return bool((disagreement.abs() / allowed).median() <= 0.25)


def _difference(case: Case, steps: Tensor) -> tuple[Tensor, Tensor]:
    """How far the points move from P - step to P + step, as rounded, and how much the loss changes."""
    ahead, behind = case.pairs + steps, case.pairs - steps
    return ahead - behind, evaluate(case.landscape, ahead) - evaluate(case.landscape, behind)


def _steps(case: Case, losses: Tensor, rise: Tensor) -> Tensor:
    """The h of each row, so long that 2 h `rise` is worth `case.signal` roundings of the losses, and no longer.

    A longer one crosses more kinks. h stays above 1e-9 |P| and below 1e-5 |P| in float64, 1e-6 |P| and 1e-2 |P| in
    float32, where |P| counts as 1 if it is 0.
    """
    shortest, longest = (1e-9, 1e-5) if case.double else (1e-6, 1e-2)
    sizes = _sizes(case)
    steps = 0.5 * case.signal * case.eps * losses.abs().max() / rise
    return steps.nan_to_num().clamp(shortest * sizes, longest * sizes)


def _sizes(case: Case) -> Tensor:
    norms = case.pairs.norm(dim=1)
    return torch.where(norms > 0, norms, 1)


def hvp_is_linear_and_symmetric(case: Case) -> None:
    """H(2 u - 3 v) = 2 H u - 3 H v and u.H v = v.H u; an own `hvp` is the second derivative of an attached loss."""
    if not has_hvp(case):
        return
    landscape, pairs, law = case.landscape, case.pairs, "curvature"
    u, v = case.directions("u"), case.directions("v")
    own = getattr(landscape, "hvp", None)
    if own is not None:
        case.require_tensor(own(pairs, u), law, "the result of `hvp`", tuple(pairs.shape))
    hu, hv, mixed = (hvp(landscape, pairs, vectors) for vectors in (u, v, 2 * u - 3 * v))
    case.require(torch.isfinite(torch.cat([hu, hv])).all(), law, "finite Hessian-vector products", "NaN or infinity")
    allowed = case.algebra * (hu.norm(dim=1) + hv.norm(dim=1)) + ROUNDING * case.eps
    case.require_median((mixed - 2 * hu + 3 * hv).norm(dim=1), allowed, law, "hvp to be linear in the vectors")
    skew = ((u * hv).sum(1) - (v * hu).sum(1)).abs()
    case.require_median(skew, allowed / math.sqrt(landscape.dim), law, "a symmetric Hessian, u.Hv = v.Hu")
    if own is not None and is_attached(case):
        error = (hu - hvp(LossAlone(landscape), pairs, u)).norm(dim=1)
        case.require_median(error, allowed, law, "the landscape's own `hvp` to be the second derivative of its `loss`")


def hvp_agrees_with_differences(case: Case) -> None:
    """|(g(P + h v) - g(P - h v)) / 2h - H v| <= 1e-5 |H v| + the rounding of the gradients, in float64; h = 1e-6.

    Where the differences at h and h / 4 disagree, kinks lie within the steps, and they say nothing. In float32 no
    step is both short enough for the kinks of a network and long enough for the rounding; the other laws have to do.
    """
    if not (case.double and has_hvp(case)):
        return
    landscape, pairs, v, h = (
        case.landscape,
        case.pairs,
        case.directions("curvature"),
        1e-6 * _sizes(case).clamp(max=1)[:, None],
    )
    claimed = hvp(landscape, pairs, v)
    coarse, fine = (
        (gradient(landscape, pairs + step * v) - gradient(landscape, pairs - step * v)) / (2 * step)
        for step in (h, h / 4)
    )
    rounding = ROUNDING * case.eps * gradient(landscape, pairs).norm(dim=1) / h[:, 0]
    allowed = case.slope * torch.maximum(claimed.norm(dim=1), coarse.norm(dim=1)) + rounding
    if _settled((coarse - fine).norm(dim=1), allowed):
        expected = "hvp to agree with central differences of the gradient"
        case.require_median((coarse - claimed).norm(dim=1), allowed, "curvature", expected)


def is_attached(case: Case) -> bool:
    """Whether the loss can be differentiated with respect to the points."""
    with torch.enable_grad():
        return case.landscape.loss(case.points.clone().requires_grad_()).requires_grad


def has_hvp(case: Case) -> bool:
    """Whether there is curvature to test: a detached loss with an own `gradient` and no own `hvp` has none."""
    return hasattr(case.landscape, "hvp") or is_attached(case)


class LossAlone:
    """A landscape without its own gradient and hvp, so that the free functions differentiate its loss."""

    def __init__(self, landscape: Any) -> None:
        self.dim, self.dtype, self.device = landscape.dim, landscape.dtype, landscape.device
        self.loss, self.initial, self.minibatch = landscape.loss, landscape.initial, landscape.minibatch
