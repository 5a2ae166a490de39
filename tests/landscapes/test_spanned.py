"""The mean loss over a chart as a landscape of its free vertices."""

import pytest
import torch

from nwedge import WedgeLandscape, check_landscape, gradient
from nwedge._random import derive
from nwedge.geometry import Bezier, Path, Sheet
from nwedge.landscapes.spanned import SpannedLandscape

DIM = 6


def wedges(noise: float = 0.0) -> WedgeLandscape:
    return WedgeLandscape(DIM, 2, wedges=3, profile="squared", noise=noise, dtype=torch.float64)


def points(count: int) -> torch.Tensor:
    return torch.randn(count, DIM, generator=derive(0), dtype=torch.float64)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("chart", [Path(points(4)), Sheet(points(3))])
def test_it_is_a_landscape(chart: Path | Sheet, noise: float) -> None:
    check_landscape(SpannedLandscape(wedges(noise), chart, samples=4))


def test_the_loss_is_the_mean_over_the_chart() -> None:
    spanned = SpannedLandscape(wedges(), Path(points(3)), samples=4)
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    exact = wedges().loss(Path(points(3)).embed(t)).mean()
    assert spanned.loss(spanned.start[None]).item() == pytest.approx(exact.item(), rel=0.2)
    draws = [spanned.minibatch(derive(seed)).loss(spanned.start[None]) for seed in range(2000)]
    assert torch.cat(draws).mean().item() == pytest.approx(exact.item(), rel=0.03)


def test_only_the_free_vertices_move() -> None:
    sheet = Sheet(points(3))
    spanned = SpannedLandscape(wedges(), sheet, samples=4)
    moved = spanned.chart_at(spanned.start + 1)
    torch.testing.assert_close(moved.vertices[list(sheet.free)], sheet.vertices[list(sheet.free)] + 1)
    torch.testing.assert_close(moved.embed(torch.eye(3, dtype=torch.float64)[:, 1:]), sheet.optima)


def test_the_gradient_is_the_weighted_sum_of_the_gradients_on_the_chart() -> None:
    path = Path(points(3))
    view = SpannedLandscape(wedges(), path, samples=5).minibatch(derive(4))
    coords = path.coordinates(5, derive(4))
    slopes = gradient(wedges(), path.embed(coords))
    expected = (path.weights(coords)[:, 1:2] * slopes).mean(0)
    torch.testing.assert_close(gradient(view, path.vertices[1][None])[0], expected)


@pytest.mark.parametrize("chart", [Path(points(4)), Bezier(points(4)), Sheet(points(5))])
def test_loss_and_gradient_are_those_of_the_dense_product(chart: Path | Bezier | Sheet) -> None:
    spanned = SpannedLandscape(wedges(), chart, samples=6)
    some = spanned.initial(3, derive(0)) + torch.randn(3, spanned.dim, generator=derive(1), dtype=torch.float64)
    draws = [derive(seed) for seed in range(3)]
    view = spanned.minibatch([one.clone_state() for one in draws])
    leaf = some.clone().requires_grad_()
    expected = []
    for point, draw in zip(leaf, draws, strict=True):
        weights, vertices = chart.weights(chart.coordinates(6, draw)), chart.vertices.clone()
        vertices[list(chart.free)] = point.view(len(chart.free), DIM)
        expected.append(wedges().loss(weights @ vertices).mean())
    torch.testing.assert_close(view.loss(some), torch.stack(expected))
    (slope,) = torch.autograd.grad(torch.stack(expected).sum(), leaf)
    torch.testing.assert_close(gradient(view, some), slope)
    losses, slopes = view.loss_and_gradient(some)
    torch.testing.assert_close(losses, torch.stack(expected).detach())
    assert torch.equal(slopes, gradient(view, some))
    assert not losses.requires_grad
    assert not slopes.requires_grad


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_gradient_is_that_of_a_backward_pass_through_the_loss(noise: float) -> None:
    spanned = SpannedLandscape(wedges(noise), Sheet(points(4)), samples=3)
    for view in (spanned, spanned.minibatch(derive(1)), spanned.minibatch([derive(2), derive(3)])):
        leaf = spanned.initial(2, derive(0)).requires_grad_()
        losses = view.loss(leaf)
        found, slopes = view.loss_and_gradient(leaf)
        torch.testing.assert_close(found, losses.detach())
        torch.testing.assert_close(slopes, torch.autograd.grad(losses.sum(), leaf)[0])
    none = leaf[:0].detach()
    assert [result.shape for result in spanned.loss_and_gradient(none)] == [(0,), (0, spanned.dim)]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="has no free vertices: give it at least one bend"):
        SpannedLandscape(wedges(), Path(points(2)), samples=4)
    spanned = SpannedLandscape(wedges(), Path(points(3)), samples=4)
    view = spanned.minibatch([derive(0), derive(1)])
    with pytest.raises(ValueError, match="drawn for 2 points, one generator each; got 1"):
        view.loss(spanned.start[None])
    with pytest.raises(ValueError, match="drawn for 2 points, one generator each; got 1"):
        view.loss_and_gradient(spanned.start[None])
