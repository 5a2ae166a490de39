"""The centre: a landscape is a function from points to losses, and everything else is written against it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from nwedge._checks import check_points, check_same_shape

ELEMENTS_AT_ONCE = 2**22
"""Coordinates that one chunk of points may hold where no chunk is given: 32 MiB of float64."""
HELD = 2**28
"""Bytes that a `hessian_sum` may hold from one product to the next where it is not told."""


@runtime_checkable
class Landscape(Protocol):
    """A scalar loss over points; a point is a flat vector in R^dim and a batch of points is the first axis.

    A landscape may also offer `gradient(points)`, `loss_and_gradient(points)` and `hvp(points, vectors)`; the free
    functions of this module use them when present, and the rest of the package calls only the free functions. A view
    whose expectation is not `loss` (dropout) declares `unbiased = False`. `units` are those of the loss, "1" where it
    has no such attribute. Networks offer `filters`, the `geometry.Filters` of their weights. Landscapes on finite data
    may offer `epoch(generator)`, an iterable of views that partition the data into batches of equal size, and what
    `Separable` names. One whose `loss` may be differentiated twice on a graph that is kept, for many products with one
    Hessian, declares `vectors_at_once`: how many vectors may share a backward pass by vmap, or 1 where that does not
    work or pay. One that knows the sum of its Hessians at several points offers `hessian_sum(points, held=HELD)`, a
    function from vectors to their products with it, which holds at most so many bytes besides the points from one
    product to the next: what takes more is found anew for each.
    """

    dim: int
    dtype: torch.dtype
    device: torch.device

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The loss of each point, shape (batch,): pure, differentiable, its memory bounded by chunks."""
        ...

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` independent points at which training may start, shape (count, dim)."""
        ...

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Landscape":
        """A stochastic view whose expectation is `loss`.

        One generator: all points see the same draw. A sequence: row i sees what its own generator drew.
        """
        ...


@runtime_checkable
class Predictive(Landscape, Protocol):
    """A landscape whose points are classifiers."""

    @property
    def held_out(self) -> "Predictive":
        """The same weights on the held-out data."""
        ...

    def predict(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example."""
        ...

    def accuracy(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The fraction of examples whose most probable class is the label."""
        ...


@runtime_checkable
class Separable(Landscape, Protocol):
    """A landscape on finite data, whose loss is the mean over its examples."""

    @property
    def examples(self) -> int:
        """The number of examples."""
        ...

    def take(self, indices: Int[Tensor, " count"]) -> "Separable":
        """The same landscape on some of its examples."""
        ...

    def example_losses(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples"]:
        """The loss of every example at each point, without a graph."""
        ...


def evaluate(
    landscape: Landscape, points: Float[Tensor, "batch dim"], *, chunk: int | None = None
) -> Float[Tensor, " batch"]:
    """The losses of many points without a graph, `chunk` points at a time.

    To a tolerance instead, from as few examples as each point needs, `nwedge.estimate` gives them and their errors.

    Args:
        landscape: any landscape.
        points: shape (batch, dim).
        chunk: points handed to the landscape at once; None takes as many as hold 2^22 coordinates.

    Returns:
        Losses, shape (batch,). A NaN stays a NaN.

    Raises:
        ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
    """
    check_points(landscape, points)
    if len(points) == 0:
        return points.new_empty(0)
    with torch.no_grad():
        return _in_chunks(landscape, landscape.loss, chunk, points)


def gradient(
    landscape: Landscape, points: Float[Tensor, "batch dim"], *, chunk: int | None = None
) -> Float[Tensor, "batch dim"]:
    """The gradients dL/dP of many points, by the landscape's own `gradient` or by reverse-mode differentiation.

    Args:
        landscape: any landscape.
        points: shape (batch, dim).
        chunk: points handed to the landscape at once; None takes as many as hold 2^22 coordinates.

    Returns:
        Gradients, shape (batch, dim), detached.

    Raises:
        ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        RuntimeError: the loss is detached from the points.
    """
    check_points(landscape, points)
    own = getattr(landscape, "gradient", None)
    one = own if own is not None else lambda rows: loss_and_gradient(landscape, rows)[1]
    return _in_chunks(landscape, one, chunk, points)


def hvp(
    landscape: Landscape,
    points: Float[Tensor, "batch dim"],
    vectors: Float[Tensor, "batch dim"],
    *,
    chunk: int | None = None,
) -> Float[Tensor, "batch dim"]:
    """The Hessian-vector products H(P) v, by the landscape's own `hvp` or by differentiating the gradient.

    Args:
        landscape: any landscape that is twice differentiable almost everywhere.
        points: shape (batch, dim).
        vectors: one vector per point, shape (batch, dim).
        chunk: points handed to the landscape at once; None takes as many as hold 2^22 coordinates.

    Returns:
        Products, shape (batch, dim), detached.

    Raises:
        ValueError, TypeError: points or vectors whose shape, dtype or device is not the landscape's.
        RuntimeError: the loss is detached from the points.
    """
    check_points(landscape, points)
    check_same_shape(points, vectors)
    own = getattr(landscape, "hvp", None)
    one = own if own is not None else lambda rows, directions: _double_backward(landscape, rows, directions)
    return _in_chunks(landscape, one, chunk, points, vectors)


def loss_and_gradient(
    landscape: Landscape, points: Float[Tensor, "batch dim"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
    """The losses and gradients of one chunk of points in one pass, both detached: shapes (batch,) and (batch, dim).

    Raises:
        RuntimeError: the loss is detached from the points.
    """
    both, own = (getattr(landscape, name, None) for name in ("loss_and_gradient", "gradient"))
    if both is not None:
        return both(points)
    if own is not None:
        with torch.no_grad():
            return landscape.loss(points), own(points)
    return differentiated(landscape.loss, points)


def differentiated(
    loss: Callable[[Tensor], Tensor], points: Float[Tensor, "batch dim"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
    """The values of a loss and its gradients, row by row, by reverse-mode differentiation, both detached.

    Raises:
        RuntimeError: the loss is detached from the points.
    """
    with torch.enable_grad():
        leaf = points.detach().requires_grad_()
        losses = _attached(loss(leaf))
        (slope,) = torch.autograd.grad(losses.sum(), leaf)
    return losses.detach(), slope


def attached_loss(landscape: Landscape, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
    """The losses with a gradient in the points: of a landscape whose loss is detached, by its own `gradient`.

    What wraps a landscape takes the loss from here, so that it serves landscapes of other frameworks, too.
    """
    losses = landscape.loss(points)
    if losses.requires_grad or not (torch.is_grad_enabled() and points.requires_grad):
        return losses
    if getattr(landscape, "gradient", None) is None:
        return losses
    return own_derivatives(landscape, points, losses)


def own_derivatives(
    landscape: Any,
    points: Float[Tensor, "batch dim"],
    losses: Float[Tensor, " batch"],
    slopes: Float[Tensor, "batch dim"] | None = None,
) -> Float[Tensor, " batch"]:
    """Detached losses, attached to their points by the landscape's own `gradient` and, for the second order, `hvp`.

    Args:
        landscape: has `gradient(points)` and, if it is to be differentiated twice, `hvp(points, vectors)`.
        points: where the losses were taken, shape (batch, dim).
        losses: shape (batch,).
        slopes: the gradients, shape (batch, dim), where they are known; None asks for them when they are needed.
    """
    return _OwnGradient.apply(points, losses, slopes, landscape)  # pyright: ignore[reportReturnType]


class _OwnGradient(torch.autograd.Function):
    """A detached loss whose derivative is the landscape's own `gradient`."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, losses: Tensor, slopes: Tensor | None, landscape: Any) -> Tensor:
        ctx.save_for_backward(points, slopes)
        ctx.landscape = landscape
        return losses.clone()

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None, None, None]:
        points, slopes = ctx.saved_tensors
        return weights[0][:, None] * _OwnCurvature.apply(points, slopes, ctx.landscape), None, None, None


class _OwnCurvature(torch.autograd.Function):
    """The landscape's own `gradient`, whose derivative is its own `hvp`."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, slopes: Tensor | None, landscape: Any) -> Tensor:
        ctx.save_for_backward(points)
        ctx.landscape = landscape
        return landscape.gradient(points) if slopes is None else slopes

    @staticmethod
    def backward(ctx: Any, *vectors: Tensor) -> tuple[Tensor, None, None]:
        own = getattr(ctx.landscape, "hvp", None)
        if own is None:
            raise RuntimeError(
                f"the loss of {type(ctx.landscape).__name__} is detached, so its curvature needs a method `hvp`"
            )
        (points,) = ctx.saved_tensors
        return own(points, vectors[0]), None, None


def row_finite(values: Float[Tensor, "batch ..."]) -> Bool[Tensor, " batch"]:
    """Whether every value of a row is finite, shape (batch,)."""
    if values.ndim == 1:
        return torch.isfinite(values)
    rows = values.flatten(1)
    return torch.isfinite(rows.amax(1)) & torch.isfinite(rows.amin(1))  # NaN counts as both


def _double_backward(landscape: Landscape, points: Tensor, vectors: Tensor) -> Tensor:
    # the fused kernels of attention cannot be differentiated twice
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        leaf = points.detach().requires_grad_()
        (slope,) = torch.autograd.grad(_attached(landscape.loss(leaf)).sum(), leaf, create_graph=True)
        if not slope.requires_grad:  # a loss that is linear in the points has no curvature
            return torch.zeros_like(points)
        (product,) = torch.autograd.grad((slope * vectors).sum(), leaf, allow_unused=True)
    return torch.zeros_like(points) if product is None else product


def _attached(losses: Tensor) -> Tensor:
    if not losses.requires_grad:
        raise RuntimeError("the loss has no gradient: `loss` must stay attached to the points (no .detach, no no_grad)")
    return losses


def _in_chunks(landscape: Landscape, one: Callable[..., Tensor], chunk: int | None, *rows: Tensor) -> Tensor:
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be at least 1 point; got {chunk}")
    size = chunk or max(1, ELEMENTS_AT_ONCE // landscape.dim)
    if len(rows[0]) <= size:
        return one(*rows)
    return torch.cat([one(*part) for part in zip(*(tensor.split(size) for tensor in rows), strict=True)])
