"""A landscape seen through a chart is a landscape: values, gradients, kinds and refusals."""

import pytest
import torch

from nwedge import (
    NetworkLandscape,
    Predictive,
    Separable,
    WedgeLandscape,
    check_landscape,
    gradient,
    hvp,
    restrict,
    tunnel,
)
from nwedge._random import derive
from nwedge.geometry import Bezier, Line, Path, Plane, RandomSubspace, Sheet
from nwedge.landscapes import restricted
from nwedge.landscapes.networks.architectures import mlp
from nwedge.landscapes.restricted import RestrictedLandscape
from nwedge.landscapes.tilted import TiltedLandscape

DIM = 12
KINDS = ("dense", "hadamard", "sparse")


def wedges(noise: float = 0.0) -> WedgeLandscape:
    return WedgeLandscape(DIM, 3, wedges=4, profile="squared", noise=noise, dtype=torch.float64)


def points(count: int) -> torch.Tensor:
    return torch.randn(count, DIM, generator=derive(0), dtype=torch.float64)


def views(noise: float = 0.0) -> dict[str, RestrictedLandscape]:
    whole, (a, b, c) = wedges(noise), points(3)
    return {
        "line": restrict(whole, Line(a, b)),
        "plane": restrict(whole, Plane(a, b), c),
        "path": restrict(whole, Path(points(4))),
        "bezier": restrict(whole, Bezier(points(3))),
        "sheet": restrict(whole, Sheet(points(3))),
        **{kind: restrict(whole, RandomSubspace(DIM, 5, kind, dtype=torch.float64), c) for kind in KINDS},
    }


@pytest.mark.parametrize("name", views())
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_view_is_a_landscape(name: str, noise: float) -> None:
    check_landscape(views(noise)[name])


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_transposed_embedding_of_the_gradient(kind: str) -> None:
    view = views()[kind]
    coords = torch.randn(3, 5, generator=derive(1), dtype=torch.float64)
    whole = gradient(wedges(), view.embed(coords))
    torch.testing.assert_close(gradient(view, coords), whole @ view.chart.basis)


def test_a_view_of_a_view() -> None:
    inner = views()["hadamard"]
    u, v, origin = torch.randn(3, 5, generator=derive(2), dtype=torch.float64)
    outer = restrict(inner, Plane(u, v), origin)
    coords = torch.randn(4, 2, generator=derive(3), dtype=torch.float64)
    torch.testing.assert_close(outer.loss(coords), inner.loss(origin + coords @ torch.stack([u, v])))


def test_what_does_not_fit_is_refused() -> None:
    a, b, c = points(3)
    with pytest.raises(ValueError, match="a Plane embeds to displacements: give the origin"):
        restrict(wedges(), Plane(a, b))
    with pytest.raises(ValueError, match="a Line embeds to points: leave the origin out"):
        restrict(wedges(), Line(a, b), c)
    with pytest.raises(ValueError, match="embeds into 11 dimensions; the landscape has 12"):
        restrict(wedges(), Line(a[1:], b[1:]))
    with pytest.raises(ValueError, match=r"chart has dtype torch\.float32; the landscape has torch\.float64"):
        restrict(wedges(), Line(a.float(), b.float()))
    with pytest.raises(ValueError, match="the origin must have the shape"):
        restrict(wedges(), Plane(a, b), c[1:])


class Foreign:
    """A landscape whose loss is detached, as that of another framework, with a gradient of its own."""

    dim, dtype, device = 6, torch.float64, torch.device("cpu")

    def loss(self, points):
        return points.detach().pow(4).sum(1)

    def gradient(self, points):
        return 4 * points.detach() ** 3

    def hvp(self, points, vectors):
        return 12 * points.detach() ** 2 * vectors

    def initial(self, count, generator):
        return torch.randn(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self


class Bare(Foreign):
    hvp = None


def test_what_wraps_a_landscape_uses_its_own_gradient() -> None:
    whole = Foreign()
    a, b = whole.initial(2, derive(1))
    line = restrict(whole, Line(a, b))
    check_landscape(line)
    t = torch.full((1, 1), 0.3, dtype=torch.float64)
    expected = (4 * (a + 0.3 * (b - a)) ** 3) @ (b - a)
    torch.testing.assert_close(gradient(line, t)[0, 0], expected)
    with pytest.raises(RuntimeError, match="Bare is detached, so its curvature needs a method `hvp`"):
        hvp(restrict(Bare(), Line(a, b)), t, torch.ones_like(t))
    tilted = TiltedLandscape(whole, 0.5, derive(2))
    slope = gradient(tilted, a[None]) - gradient(whole, a[None])
    torch.testing.assert_close(gradient(tilted, b[None]) - gradient(whole, b[None]), slope)
    found = tunnel(whole, a, b, steps=20, generator=derive(3))
    assert found.barrier < found.line_barrier or found.line_barrier == 0


def test_a_view_of_a_landscape_on_finite_data_is_one() -> None:
    x = torch.randn(30, 4, generator=derive(0), dtype=torch.float64)
    for loss in (None, lambda model, batch: (model(batch[0]).sum(1) - batch[1]).square().mean()):
        network = NetworkLandscape(mlp(4, 3, (5,)).double(), (x, torch.arange(30) % 3), loss=loss)
        a, b, c = network.initial(3, derive(1))
        view = restrict(network, Plane(a, b), c)
        check_landscape(view)
        assert isinstance(view, Separable)
        assert isinstance(view, Predictive) == isinstance(network, Predictive)
        coords = torch.randn(4, 2, generator=derive(2), dtype=torch.float64)
        assert view.examples == 30
        torch.testing.assert_close(view.example_losses(coords), network.example_losses(view.embed(coords)))
        some = torch.tensor([3, 8, 1])
        torch.testing.assert_close(view.take(some).loss(coords), network.take(some).loss(view.embed(coords)))
    assert not isinstance(views()["plane"], Separable)


def test_few_points_of_a_large_landscape_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view, coords = views()["plane"], torch.randn(10, 2, generator=derive(4), dtype=torch.float64)
    whole, sizes = view.loss(coords), []
    own = view.landscape.loss
    monkeypatch.setattr(view.landscape, "loss", lambda points: sizes.append(len(points)) or own(points))
    monkeypatch.setattr(restricted, "ELEMENTS_AT_ONCE", 4 * DIM + 1)
    torch.testing.assert_close(view.loss(coords), whole)
    assert sizes == [4, 4, 2]
    assert view.loss(coords[:0]).shape == (0,)
