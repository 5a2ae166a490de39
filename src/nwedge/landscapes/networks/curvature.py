"""Hessian-vector products of a mean over examples, with one chunk of examples in memory at a time."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.examples import Examples
from nwedge.landscapes.networks.functional import Function

EVERY_ROW = slice(None)


def hessian_products(
    evaluation: Evaluation,
    function: Function,
    points: Tensor,
    vectors: Tensor,
    examples: Examples,
    training: Examples,
) -> Tensor:
    """Products of the vectors with the Hessians of L(P) = mean over the examples of function, shape (batch, dim).

    Recomputed BatchNorm statistics s(P) make it L(P) = f(P, s(P)). Along P + e v they move by s' = (ds/dP) v, and
    H v = d/de [df/dP + (ds/dP)^T df/ds]: a sum over chunks of second derivatives of f, and of q.s(P) with q = df/ds.

    Args:
        evaluation: how the network is evaluated.
        function: its value on a batch is a mean over the batch.
        points: shape (batch, dim).
        vectors: shape (batch, dim).
        examples: those that the function is averaged over.
        training: those that the BatchNorm statistics are averaged over.
    """
    products = torch.zeros_like(points)
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention cannot be differentiated twice
        for rows in evaluation.blocks(points):
            products[rows] = _products(evaluation, function, points[rows], vectors[rows], examples, training)
    return products


def _products(
    evaluation: Evaluation, function: Function, points: Tensor, vectors: Tensor, examples: Examples, training: Examples
) -> Tensor:
    with torch.no_grad():
        statistics = evaluation.statistics(function, points, training)
    product, moved, slope, turned = map(torch.zeros_like, (points, statistics, statistics, statistics))
    seen_in = evaluation.chunks(training.count) if evaluation.network.batch_norms else []
    for part, share in seen_in:
        pairing = _paired(functools.partial(evaluation.seen, function, batch=training.batch(EVERY_ROW, part)))
        _, (_, motion) = _second(pairing, (points, slope), (vectors, slope))  # slope is still 0
        moved += share * motion
    for part, share in evaluation.chunks(examples.count):
        value = functools.partial(evaluation.values, function, batch=examples.batch(EVERY_ROW, part))
        (_, pull), (bend, turn) = _second(value, (points, statistics), (vectors, moved))
        product += share * bend
        slope += share * pull
        turned += share * turn
    for part, share in seen_in:
        pairing = _paired(functools.partial(evaluation.seen, function, batch=training.batch(EVERY_ROW, part)))
        _, (bend, _) = _second(pairing, (points, slope), (vectors, turned))
        product += share * bend
    return product


def _paired(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda point, weights: weights * function(point)


def _second(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], vectors: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The gradient of the sum of a function's values, and the derivative of that gradient along the vectors."""
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        slopes = torch.autograd.grad(function(*leaves).sum(), leaves, create_graph=True, materialize_grads=True)
        along = torch.stack([(slope * vector).sum() for slope, vector in zip(slopes, vectors, strict=True)]).sum()
        if not along.requires_grad:  # linear in all of them
            return [slope.detach() for slope in slopes], [torch.zeros_like(tensor) for tensor in inputs]
        return [slope.detach() for slope in slopes], torch.autograd.grad(along, leaves, materialize_grads=True)
