"""A graph of the gradient that is kept, so that a product with the Hessian at fixed points is one backward pass."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from nwedge.landscape import Landscape

MOST = 2**30
"""Bytes that a graph may hold, and about as many that the backward passes of the vectors of one batch may take."""
BATCH = 6 * 2**20
"""Vectors times bytes of the graph of one point, up to which vectors share a backward pass: beyond, they leave the
cache and are slower together than one after the other (measured on dense networks, one thread, float32)."""


class KeptGraph:
    """The sum of the Hessians of fixed points, from the graph of the gradient d/ds sum over P of L(P + s) at s = 0.

    Attributes:
        bytes: what the graph holds at most, the data that it points to among it.
        together: vectors that one backward pass takes.
    """

    def __init__(self, slope: Tensor, shift: Tensor, bytes: int, together: int) -> None:
        self.bytes, self.together = bytes, together
        self._slope, self._shift = slope, shift

    def products(self, vectors: Float[Tensor, "vector dim"]) -> Float[Tensor, "vector dim"]:
        """The sum of H(P) v over the points for each row v, shape (vector, dim), detached."""
        if not self._slope.requires_grad:  # a loss that is linear in the points has no curvature
            return torch.zeros_like(vectors)
        return torch.cat([self._some(rows) for rows in vectors.split(self.together)])

    def _some(self, vectors: Tensor) -> Tensor:
        many = len(vectors) > 1
        (product,) = torch.autograd.grad(
            self._slope,
            self._shift,
            vectors if many else vectors[0],
            retain_graph=True,
            is_grads_batched=many,
            allow_unused=True,
        )
        return torch.zeros_like(vectors) if product is None else product.view_as(vectors)


def keep_graph(parts: Sequence[tuple[Landscape, Float[Tensor, "point dim"]]], most: int = MOST) -> KeptGraph | None:
    """The graph of landscapes, each at points of its own; it follows from types and sizes alone whether it is kept.

    None where a landscape does not declare `vectors_at_once`, or where the graph would hold more than `most` bytes: it
    is given up as soon as it does. As many vectors share a backward pass as the landscapes allow, at most 6 MiB over
    the bytes of the graph of one point and at most `most` over those of all.
    """
    allowed = [getattr(landscape, "vectors_at_once", 0) for landscape, _ in parts]
    if not min(allowed):
        return None
    shift = torch.zeros_like(parts[0][1][0]).requires_grad_()
    held = _Held(most)
    try:
        # the fused kernels of attention cannot be differentiated twice
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), held:
            losses = torch.stack([landscape.loss(points + shift).sum() for landscape, points in parts])
            (slope,) = torch.autograd.grad(losses.sum(), shift, create_graph=True)
    except _TooLarge:
        return None
    size = max(1, held.bytes)
    cached = BATCH * sum(len(points) for _, points in parts) // size
    return KeptGraph(slope, shift, held.bytes, max(1, min(min(allowed), cached, most // size)))


class _TooLarge(Exception):
    """A graph holds more than it may."""


class _Held(saved_tensors_hooks):
    """Adds up what a graph saves for its backward passes; what it saves twice counts twice."""

    def __init__(self, most: int) -> None:
        self.bytes, self._most = 0, most
        super().__init__(self._save, lambda tensor: tensor)

    def _save(self, tensor: Tensor) -> Tensor:
        self.bytes += tensor.numel() * tensor.element_size()
        if self.bytes > self._most:
            raise _TooLarge
        return tensor.detach()
