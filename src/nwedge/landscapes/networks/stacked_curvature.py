"""Hessian products of chains of dense layers: how the forward and the backward pass move along a vector."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nwedge.landscapes.networks.functional import Network
from nwedge.landscapes.networks.stacked import Dense

HELD = 2**28
"""Bytes that the passes of one sum may hold from one product to the next; beyond, they are made anew for each."""
TOGETHER = 32
"""Vectors multiplied at once."""


@dataclass(frozen=True)
class Layer:
    """A layer h' = f(z), z = W h + b, in both passes over some examples; numbers are (features, examples).

    Attributes:
        weight: W, shape (out, in).
        inputs: h.
        slope: f'(z); None where f is the identity.
        pull: dL/dz.
        bend: dL/dh' f''(z); None where it is 0.
    """

    weight: Tensor
    inputs: Tensor
    slope: Tensor | None
    pull: Tensor
    bend: Tensor | None


@dataclass(frozen=True)
class Passes:
    """The forward and the backward pass of one point over some examples.

    Attributes:
        layers: from the first to the last.
        probabilities: of the classes, shape (classes, examples).
        share: of one of the examples in the mean.
    """

    layers: Sequence[Layer]
    probabilities: Tensor
    share: float


class ChainHessian:
    """Products of vectors with the sum over points of the Hessian of the mean cross-entropy of a chain of dense layers.

    Along a vector (U, c) of weights and biases the forward pass moves by R z = U h + c + W R h, R h' = f'(z) R z, and
    the backward pass by R dL/dz = f'(z) R dL/dh' + f''(z) dL/dh' R z, R dL/dh = W' R dL/dz + U' dL/dz (Pearlmutter
    1994, Fast exact multiplication by the Hessian); the product is R dL/dW = R dL/dz h' + dL/dz (R h)'.

    Args:
        network: whose points they are.
        chain: its layers.
        points: shape (point, dim).
        batches: inputs (features, examples), labels, and the share of an example in the mean.
    """

    def __init__(
        self,
        network: Network,
        chain: Sequence[Dense],
        points: Float[Tensor, "point dim"],
        *,
        batches: Sequence[tuple[Tensor, Tensor, float]],
    ) -> None:
        self._network, self._chain, self._points, self._batches = network, chain, points, batches
        widths = sum(3 * len(weight) + weight.shape[-1] for weight in self._weights(points[0]))
        examples = sum(len(labels) for _, labels, _ in batches)
        fits = len(points) * examples * widths * points.element_size() <= HELD
        self._held = list(self._passes()) if fits else None

    def __call__(self, vectors: Float[Tensor, "vector dim"]) -> Float[Tensor, "vector dim"]:
        """The sum of H(P) v over the points for each row v, shape (vector, dim), detached."""
        products = torch.zeros_like(vectors)
        with torch.no_grad():
            for passes in self._passes() if self._held is None else self._held:
                for some, product in zip(vectors.split(TOGETHER), products.split(TOGETHER), strict=True):
                    self._add(passes, self._network.unflatten(some), self._network.unflatten(product))
        return products

    def _weights(self, point: Tensor) -> Iterator[Tensor]:
        named = self._network.unflatten(point)
        return (named[layer.weight] for layer in self._chain)

    def _passes(self) -> Iterator[Passes]:
        for point in self._points:
            for inputs, labels, share in self._batches:
                yield both_passes(self._chain, self._network.unflatten(point), inputs, labels, share)

    def _add(self, passes: Passes, vectors: Mapping[str, Tensor], products: Mapping[str, Tensor]) -> None:
        """Add the products of some vectors, all by name and in place."""
        moved: Tensor | None = None
        motions: list[tuple[Tensor | None, Tensor]] = []
        for dense, layer in zip(self._chain, passes.layers, strict=True):
            motion = vectors[dense.weight] @ layer.inputs
            if moved is not None:
                motion += layer.weight @ moved
            if dense.bias is not None:
                motion += vectors[dense.bias][..., None]
            motions.append((moved, motion))
            moved = motion if layer.slope is None else motion * layer.slope
        assert moved is not None
        expected = (passes.probabilities * moved).sum(-2, keepdim=True)
        turn = passes.share * passes.probabilities * (moved - expected)
        for dense, layer, (before, motion) in reversed(list(zip(self._chain, passes.layers, motions, strict=True))):
            if layer.slope is not None:
                turn = turn * layer.slope
            if layer.bend is not None:
                turn += layer.bend * motion
            products[dense.weight].add_(turn @ layer.inputs.mT)
            if dense.bias is not None:
                products[dense.bias].add_(turn.sum(-1))
            if before is not None:
                products[dense.weight].add_(layer.pull @ before.mT)
                turn = layer.weight.mT @ turn
                turn += vectors[dense.weight].mT @ layer.pull


def both_passes(
    chain: Sequence[Dense], weights: Mapping[str, Tensor], inputs: Tensor, labels: Tensor, share: float
) -> Passes:
    """The passes of a point, whose weights are given by name, over examples, inputs (features, examples)."""
    hidden, forward = inputs, []
    for dense in chain:
        values = weights[dense.weight] @ hidden
        if dense.bias is not None:
            values += weights[dense.bias][:, None]
        after, slope, curve = _derivatives(dense.activation, values)
        forward.append((weights[dense.weight], hidden, slope, curve))
        hidden = after
    probabilities = hidden.softmax(0)
    pull = share * (probabilities - nn.functional.one_hot(labels.long(), len(probabilities)).mT)
    layers: list[Layer] = []
    for weight, before, slope, curve in reversed(forward):
        bend = None if curve is None else curve * pull
        pull = pull if slope is None else pull * slope
        layers.append(Layer(weight, before, slope, pull, bend))
        pull = weight.mT @ pull
    return Passes(layers[::-1], probabilities, share)


def _derivatives(function: nn.Module | None, values: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """f, f' and f'' of each number alone; None for an f that is the identity, and for an f'' that is 0."""
    if function is None:
        return values, None, None
    with torch.enable_grad():
        leaf = values.detach().requires_grad_()
        after = function(leaf.clone())  # which layers may change in place
        (slope,) = torch.autograd.grad(after.sum(), leaf, create_graph=True)
        curve = torch.autograd.grad(slope.sum(), leaf)[0] if slope.requires_grad else None
    return after.detach(), slope.detach(), curve if curve is not None and bool(curve.any()) else None
