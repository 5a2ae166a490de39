"""Trajectories: positions, what is off the plane, and what spans none."""

import inspect

import numpy as np
import pytest
import torch

from nwedge._random import derive
from nwedge.methods.trajectories import trajectory


def walk(seed: int, count: int = 12, dim: int = 60, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, dim, generator=derive(seed, "walk"), dtype=dtype).cumsum(0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("through", ["last", "mean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_checkpoint_is_its_shadow_and_what_is_off_the_plane(seed, through, dtype):
    points = walk(seed, dtype=dtype)
    found = trajectory(points, through=through, steps=range(0, 120, 10))
    origin = points[-1] if through == "last" else points.mean(0)
    torch.testing.assert_close(found.origin, origin)
    shadow = found.plane.embed(torch.from_numpy(found.dataset.position.values).to(dtype))
    rest = points - origin - shadow
    np.testing.assert_allclose(found.dataset.off_plane, rest.norm(dim=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.dataset.distance, (points - origin).norm(dim=1), rtol=1e-4, atol=1e-4)
    values = np.linalg.svd((points - origin).double().numpy(), compute_uv=False) ** 2
    assert found.dataset.sizes == {"checkpoint": 12, "axis": 2, "component": 11}
    np.testing.assert_allclose(found.dataset.explained, values[:11] / values.sum(), atol=1e-6)
    assert found.dataset.explained.sum().item() == pytest.approx(1)
    of_mean = np.cov(points.double().numpy(), rowvar=False)
    axes = found.plane.axes.double().numpy()
    np.testing.assert_allclose(found.dataset.variance, np.diag(axes @ of_mean @ axes.T) / of_mean.trace(), atol=1e-5)
    if through == "mean":  # then it is a principal component analysis
        largest = np.linalg.eigvalsh(of_mean)[::-1][:2]
        np.testing.assert_allclose(found.dataset.variance, largest / of_mean.trace(), atol=1e-5)
        np.testing.assert_allclose(found.dataset.variance, found.dataset.explained[:2], atol=1e-5)
    else:
        assert abs(found.dataset.variance.sum() - found.dataset.explained[:2].sum()) > 0.01
    assert found.dataset.step.values.tolist() == list(range(0, 120, 10))
    assert found.dataset.attrs == {"through": through}


def test_the_origin_is_a_copy_and_no_other_plane_explains_more():
    points = walk(5)
    found = trajectory(points)
    points[-1] += 1
    assert not torch.equal(found.origin, points[-1])
    shares = found.dataset.explained.values
    assert (np.diff(shares) <= 0).all()
    assert (found.dataset.off_plane[:-1] > 0).all()
    assert found.dataset.off_plane[-1] == 0


def test_what_is_no_trajectory_is_refused():
    points = walk(0)
    with pytest.raises(ValueError, match=r"at least 2 checkpoints.*got \(1, 60\)"):
        trajectory(points[:1])
    with pytest.raises(TypeError, match=r"one tensor of shape \(checkpoint, dim\); got list: torch.stack"):
        inspect.unwrap(trajectory)(list(points))
    with pytest.raises(ValueError, match="the points are equal"):
        trajectory(points[:1].expand(5, -1))
    with pytest.raises(ValueError, match="the points lie on one line"):
        trajectory(points[:2])
    with pytest.raises(ValueError, match="steps must be 12, one for each checkpoint; got 2"):
        trajectory(points, steps=[1, 2])
    with pytest.raises(ValueError, match="through must be one of 'last', 'mean'; got 'first'"):
        trajectory(points, through="first")
