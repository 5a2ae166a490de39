"""The steepest and the sharpest directions, against a whole Hessian."""

import pytest
import torch

from nwedge import NetworkLandscape, WedgeLandscape, gradient
from nwedge._random import derive
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.curvature import SmoothedHessian
from nwedge.methods.directions import sharpest, steepest
from nwedge.methods.eigenvectors import WHOLE


def network(hidden: int, dtype: torch.dtype) -> NetworkLandscape:
    x = torch.randn(60, 4, generator=derive(0, "x"), dtype=dtype)
    return NetworkLandscape(mlp(4, 3, (hidden,)).to(dtype), (x, x[:, :3].argmax(1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden", [4, 20])
def test_the_sharpest_directions_are_the_top_of_the_hessian(dtype, hidden):
    landscape = network(hidden, dtype)
    assert (landscape.dim <= WHOLE) == (hidden == 4)
    point = landscape.initial(1, derive(1))[0]
    found = sharpest(landscape, point, 3, derive(2))
    matrix = SmoothedHessian(landscape, point, generator=derive(3)).matrix()
    torch.testing.assert_close(found.values, torch.linalg.eigvalsh(matrix).flip(0)[:3], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found.vectors @ found.vectors.T, torch.eye(3, dtype=dtype), rtol=0, atol=1e-5)
    products = found.vectors.double() @ matrix
    torch.testing.assert_close(products, found.values[:, None] * found.vectors, rtol=0, atol=1e-2, check_dtype=False)
    assert torch.equal(found.vectors, sharpest(landscape, point, 3, derive(2)).vectors)


def test_the_steepest_direction_is_the_gradient():
    landscape = network(4, torch.float64)
    point = landscape.initial(1, derive(1))[0]
    torch.testing.assert_close(steepest(landscape, point), gradient(landscape, point[None]))


def test_what_is_no_direction_is_refused():
    bowl = QuadraticBowl(20)
    with pytest.raises(ValueError, match=r"the gradient at this point is 0.*use nwedge\.geometry\.random"):
        steepest(bowl, bowl.centre)
    with pytest.raises(FloatingPointError, match="the gradient at this point is not finite"):
        steepest(bowl, torch.full((20,), torch.nan))
    with pytest.raises(ValueError, match="count must be between 1 and 19; got 20"):
        sharpest(bowl, torch.ones(20), 20, derive(0))
    with pytest.raises(ValueError, match="point must be finite"):
        sharpest(WedgeLandscape(20, 2), torch.full((20,), torch.inf), 1, derive(0))
