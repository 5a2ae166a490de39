"""How much memory products with a Hessian over a ball take: bounded by splits of vectors, one part after the other."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.methods.curvature import SmoothedHessian

F64 = torch.float64


def network() -> tuple[NetworkLandscape, Tensor]:
    x = torch.randn(96, 10, generator=derive(8))
    model = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3))
    landscape = NetworkLandscape(model, (x, x[:, :3].argmax(1)), dtype=F64, batch_size=16)
    return landscape, landscape.initial(1, derive(9))[0]


@pytest.mark.parametrize("path", ["hessian_sum", "graph", "anew"])
def test_as_many_vectors_are_multiplied_at_once_as_hold_the_elements_that_are_stated(path: str, monkeypatch) -> None:
    landscape, point = network()
    hessian = SmoothedHessian(landscape, point, radius=0.1, generator=derive(11))
    expected = hessian.matrix()
    monkeypatch.setattr("nwedge.methods.curvature.ELEMENTS_AT_ONCE", 3 * landscape.dim + 1)
    summed = {
        "hessian_sum": lambda: hessian._summed,
        "graph": lambda: hessian._graph.products,  # pyright: ignore[reportOptionalMemberAccess]
        "anew": lambda: hessian._anew,
    }[path]()
    seen = []
    hessian.__dict__["_summed"] = lambda vectors: seen.append(len(vectors)) or summed(vectors)
    products = hessian.products(torch.eye(landscape.dim, dtype=F64))
    torch.testing.assert_close(products, expected)
    assert set(seen) == {3, landscape.dim % 3 or 3}
    assert sum(seen) == landscape.dim


@pytest.mark.parametrize("vectors", [1, 4])
def test_the_parts_of_a_ball_are_added_up_one_after_the_other(vectors: int) -> None:
    """The largest tensor has the coordinates of the vectors, not as many for each of the 12 parts."""
    landscape, point = network()
    hessian = SmoothedHessian(landscape, point, radius=0.1, generator=derive(11))
    assert len(hessian._parts) == 12
    given = torch.ones(vectors, landscape.dim, dtype=F64)
    hessian.products(given)
    with Largest() as seen:
        hessian.products(given)
    assert seen.elements < 2 * given.numel()


class Largest(TorchDispatchMode):
    """The numbers of the largest result of an operator."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        self.elements = max([self.elements, *sizes])
        return result
