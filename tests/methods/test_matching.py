"""Assignments of units and of their parts, against all there are."""

import itertools

import pytest
import torch
from torch import Tensor

from nwedge._random import derive
from nwedge.landscapes.networks.permutations import Order
from nwedge.methods.matching import Likeness


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(3, ()), (3, (2,)), (2, (3, 2))])
def test_the_best_order_is_the_best_of_all(shape: tuple[int, tuple[int, ...]], seed: int) -> None:
    count, parts = shape
    stream = derive(seed, "likeness")
    likeness = Likeness(
        torch.randn(count, count, generator=stream, dtype=torch.float64),
        tuple(torch.randn(count * part, count * part, generator=stream, dtype=torch.float64) for part in parts),
    )

    def value(order: Order) -> float:
        total = sum(likeness.units[unit, source].item() for unit, source in enumerate(order.units))
        for part, alike, inner in zip(parts, likeness.parts, order.inner, strict=True):
            for (unit, source), row in zip(enumerate(order.units.tolist()), inner.tolist(), strict=True):
                total += sum(alike[unit * part + own, source * part + its].item() for own, its in enumerate(row))
        return total

    def every(part: int) -> list[Tensor]:
        return [torch.tensor(rows) for rows in itertools.product(itertools.permutations(range(part)), repeat=count)]

    orders = [
        Order(torch.tensor(units), inner)
        for units in itertools.permutations(range(count))
        for inner in itertools.product(*map(every, parts))
    ]
    assert value(likeness.best()) == pytest.approx(max(map(value, orders)), rel=1e-12)
