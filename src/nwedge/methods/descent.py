"""Descent of a batch of points at once, each with its own rates and its own random stream."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.optim.adam import adam

from nwedge._checks import check_choice, check_integer, check_points
from nwedge._random import one_per_row
from nwedge.geometry import Constraint
from nwedge.landscape import Landscape, evaluate, loss_and_gradient, row_finite

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants (Kingma and Ba 2015, arXiv 1412.6980)."""

SEEN = ("cpu",)
"""Types of device whose numbers the host sees at once; on others, it would wait until all that was queued is done."""

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Descent:
    """What `descend` returns.

    Attributes:
        points: the last points, shape (batch, dim); those of a stopped run are its last finite ones.
        losses: the loss that each step saw, on its minibatch and before it moved, shape (batch, steps); NaN once a
            run has stopped.
        kept: the steps whose points were kept, shape (snapshot,); 0 is the start.
        trajectory: the points kept, shape (batch, snapshot, dim).
        trajectory_losses: their losses on the landscape, or on the judge, shape (batch, snapshot).
        stopped: the step at which a run met a non-finite loss or gradient and stopped, else -1, shape (batch,).
    """

    points: Float[Tensor, "batch dim"]
    losses: Float[Tensor, "batch steps"]
    kept: Int[Tensor, " snapshot"]
    trajectory: Float[Tensor, "batch snapshot dim"]
    trajectory_losses: Float[Tensor, "batch snapshot"]
    stopped: Int[Tensor, " batch"]


def descend(
    landscape: Landscape,
    start: Float[Tensor, "batch dim"],
    *,
    optimizer: str = "sgd",
    lr: float | Sequence[float] | Tensor,
    steps: int,
    weight_decay: float | Sequence[float] | Tensor = 0.0,
    momentum: float | Sequence[float] | Tensor = 0.0,
    schedule: str | Schedule | None = None,
    constraint: Constraint | None = None,
    keep: Iterable[int] | None = None,
    judge: Landscape | None = None,
    generator: Generator | Sequence[Generator],
) -> Descent:
    """Train a batch of points on minibatches, all at once, every row as if it were alone.

    With g the gradient on the row's minibatch plus weight_decay * P, and f the schedule's factor: SGD moves
    v <- momentum v + g, P <- P - lr f v; Adam moves P <- P - lr f m / (sqrt(u) + 1e-8) with bias-corrected moments
    m and u of g. Under a constraint, g is first projected onto the tangent space and P last onto the set.

    Args:
        landscape: any landscape.
        start: shape (batch, dim); left unchanged.
        optimizer: "sgd" or "adam".
        lr: the learning rate, a number or one per row.
        steps: how many.
        weight_decay: the coefficient of the L2 penalty's gradient, a number or one per row.
        momentum: of SGD, a number or one per row.
        schedule: "constant" (or None), "cosine" (from 1 down to 0), or a function from the step to a factor.
        constraint: the set that the points must not leave, such as `nwedge.geometry.Hyperplane`.
        keep: the steps whose points and losses without minibatch noise are kept, each in [0, steps]; None keeps none.
        judge: where those losses are taken, such as the landscape on some of its examples; None: on the landscape.
        generator: one, from which each row's own stream is derived, or one per row.

    Returns:
        A `Descent`. A run that meets a non-finite loss or gradient stops at its last finite point, is named in a
        RuntimeWarning with its step, and the others go on.

    Raises:
        ValueError, TypeError: points that are not the landscape's or the judge's, rates of a wrong number or sign, an
            unknown optimizer or schedule, momentum with Adam, steps to keep outside [0, steps], or a start that is not
            finite.
    """
    check_points(landscape, start, "start")
    if judge is not None:
        check_points(judge, start, "start")
    _check_finite(start)
    check_choice("optimizer", optimizer, ("sgd", "adam"))
    check_integer("steps", steps, 0)
    kept = sorted(set(keep)) if keep is not None else []
    if any(not 0 <= step <= steps for step in kept):
        raise ValueError(f"the steps to keep must lie in [0, {steps}]; got {kept}")
    rows = len(start)
    rate = _per_row("lr", lr, start)
    decay = _per_row("weight_decay", weight_decay, start)
    decays = bool(decay.any())
    update = _Sgd(_per_row("momentum", momentum, start)) if optimizer == "sgd" else _Adam(momentum)
    factor = _schedule(schedule, steps)
    streams = one_per_row(generator, rows)

    points = start.clone()
    alive = torch.ones(rows, dtype=torch.bool, device=start.device)
    stopped = torch.full((rows,), -1, device=start.device)
    losses = start.new_full((rows, steps), math.nan)
    trajectory = start.new_empty((rows, len(kept), landscape.dim))
    for step in range(steps + 1):
        if step in kept:
            trajectory[:, kept.index(step)] = points
        if step == steps:
            break
        loss, slope = loss_and_gradient(landscape.minibatch(streams), points)
        finite = torch.isfinite(loss) & row_finite(slope)
        stopped = torch.where(alive & ~finite, step, stopped)
        alive = alive & finite
        losses[:, step] = torch.where(alive, loss, math.nan)
        if decays:
            slope = torch.addcmul(slope, decay, points)
        if constraint is not None:
            slope = constraint.tangent(points, slope)
        change, lr_now = update(slope), rate * factor(step)
        if constraint is None and start.device.type in SEEN and bool(alive.all()):  # a fifth of the time of `where`
            points.addcmul_(change, lr_now, value=-1)
            continue
        moved = torch.addcmul(points, change, lr_now, value=-1)
        if constraint is not None:
            moved = constraint.project(moved)
        points = torch.where(alive[:, None], moved, points)
    _warn(stopped)
    kept_losses = evaluate(landscape if judge is None else judge, trajectory.flatten(0, 1))
    return Descent(
        points=points,
        losses=losses,
        kept=torch.tensor(kept, dtype=torch.int64),
        trajectory=trajectory,
        trajectory_losses=kept_losses.view(rows, len(kept)),
        stopped=stopped,
    )


class _Sgd:
    """Stochastic gradient descent with momentum: v <- momentum v + g."""

    def __init__(self, momentum: Tensor) -> None:
        self.momentum, self.velocity = momentum, None

    def __call__(self, slope: Tensor) -> Tensor:
        """The velocity, in memory that the next call overwrites."""
        self.velocity = slope.clone() if self.velocity is None else self.velocity.mul_(self.momentum).add_(slope)
        return self.velocity


class _Adam:
    """Adam, by torch's fused kernel: bias-corrected first moment over the root of the second."""

    def __init__(self, momentum: float | Sequence[float] | Tensor) -> None:
        if torch.as_tensor(momentum).any():
            raise ValueError(f"momentum belongs to the optimizer 'sgd'; Adam's is fixed at {BETA_1}")
        self.state: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def __call__(self, slope: Tensor) -> Tensor:
        """The change, in memory that the next call overwrites: with millions of weights, fresh memory costs most.

        At rate 1 and from 0 the kernel, which reads and writes memory once, arrives at the change. It takes contiguous
        memory alone.
        """
        slope = slope.contiguous()
        if self.state is None:
            change, first, second = (torch.zeros_like(slope) for _ in range(3))
            self.state = change, first, second, torch.zeros((), device=slope.device)
        change, first, second, step = self.state
        adam(
            [change.zero_()],
            [slope],
            [first],
            [second],
            [],
            [step],
            fused=True,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=1.0,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=True,
        )
        return change


def _check_finite(start: Tensor) -> None:
    broken = torch.nonzero(~row_finite(start)).flatten().tolist()
    if broken:
        raise ValueError(f"start must be finite; rows {broken} hold NaN or infinity: leave them out or load them anew")


def _per_row(name: str, value: float | Sequence[float] | Tensor, start: Tensor) -> Tensor:
    rates = torch.as_tensor(value, dtype=start.dtype, device=start.device)
    if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != len(start)):
        raise ValueError(f"{name} must be a number or one per row, {len(start)} in all; got shape {tuple(rates.shape)}")
    if not bool(((rates >= 0) & rates.isfinite()).all()):
        raise ValueError(f"{name} must be finite and at least 0; got {value}")
    return rates.expand(len(start))[:, None]


def _schedule(schedule: str | Schedule | None, steps: int) -> Schedule:
    if callable(schedule):
        return schedule
    check_choice("schedule", schedule, (None, "constant", "cosine"))
    if schedule == "cosine":
        return lambda step: (1 + math.cos(math.pi * step / steps)) / 2
    return lambda step: 1.0


def _warn(stopped: Tensor) -> None:
    runs = [f"run {row} at step {step}" for row, step in enumerate(stopped.tolist()) if step >= 0]
    if runs:
        warnings.warn(
            f"the loss or its gradient became non-finite in {', '.join(runs)}: stopped at the last finite point; "
            "a lower learning rate may help",
            RuntimeWarning,
            stacklevel=3,
        )
