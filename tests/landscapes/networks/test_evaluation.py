import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nwedge import NetworkLandscape, hvp
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp
from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.functional import Network


@settings(deadline=None, max_examples=50)
@given(count=st.integers(1, 500), chunk=st.integers(1, 500))
def test_chunks_are_few_nearly_equal_and_cover_the_examples_once(count: int, chunk: int) -> None:
    chunks = Evaluation(Network(nn.Linear(1, 1)), "loop", chunk).chunks(count)
    rows = [row for part, _ in chunks for row in range(count)[part]]
    sizes = [part.stop - part.start for part, _ in chunks]
    assert rows == list(range(count))
    assert max(sizes) <= chunk
    assert len(chunks) == math.ceil(count / chunk)
    assert max(sizes) - min(sizes) <= 1
    assert [share for _, share in chunks] == [size / count for size in sizes]


@pytest.mark.parametrize("strategy", ["stacked", "vmap", "loop"])
@pytest.mark.parametrize("points", [0, 1, 32, 33, 70])
def test_results_do_not_depend_on_blocks_and_chunks(strategy: str, points: int) -> None:
    x, y = torch.randn(31, 4, generator=derive(0), dtype=torch.float64), torch.arange(31) % 3
    model = mlp(4, 3, (5,), activation=nn.Tanh)
    whole, parts = (
        NetworkLandscape(model, (x, y), strategy=strategy, chunk=chunk, dtype=torch.float64) for chunk in (31, 9)
    )
    rows = whole.initial(70, derive(1))[:points]
    torch.testing.assert_close(parts.loss(rows), whole.loss(rows))
    leaf = rows.clone().requires_grad_()
    (expected,) = torch.autograd.grad(whole.loss(leaf).sum(), leaf)
    for landscape in (parts, whole):
        losses, slopes = landscape.loss_and_gradient(rows)
        torch.testing.assert_close(losses, whole.loss(rows))
        torch.testing.assert_close(slopes, expected)
    torch.testing.assert_close(hvp(parts, rows, rows), hvp(whole, rows, rows))
    assert parts.loss(rows).shape == (points,)
