"""The law of landscapes on finite data: the loss is the mean over the examples, and so it is of some of them."""

import torch

from nwedge._random import choose
from nwedge.landscape import Separable, evaluate
from nwedge.testing.case import Case


def examples_make_up_the_loss(case: Case) -> None:
    """`example_losses` has the mean `loss`; of the landscape that `take` gives, it has the examples that were taken.

    A landscape that refuses `example_losses` (ValueError), as its loss is no mean over examples, is left.
    """
    landscape, points, law = case.landscape, case.points, "examples"
    if not isinstance(landscape, Separable):
        return
    try:
        losses = landscape.example_losses(points)
    except ValueError:
        return
    count = landscape.examples
    case.require_tensor(losses, law, "the result of `example_losses`", (len(points), count))
    case.require_equal(losses.mean(1), evaluate(landscape, points), law, "the loss to be the mean of `example_losses`")
    indices = choose(count, max(1, count // 2), case.generator("examples"))
    some = landscape.take(indices)
    case.require(some.examples == len(indices), law, f"`take` to give {len(indices)} examples", some.examples)
    taken = losses[:, indices.to(losses.device)]
    case.require_equal(some.example_losses(points), taken, law, "`take` to give the examples of the indices, in order")
    case.require_equal(evaluate(some, points), taken.mean(1), law, "the loss after `take` to be the mean over these")
    case.require(torch.equal(landscape.example_losses(points), losses), law, "`take` to leave its source", "another")
