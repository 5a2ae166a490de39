"""Cuts of landscapes that are known: values, distances, angles, what is not finite, samples, refinement, and errors."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from nwedge import NetworkLandscape, WedgeLandscape, evaluate, restrict
from nwedge._random import derive
from nwedge.geometry import Bezier, Line, Plane, RandomSubspace, Sheet
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.methods.cutting import cut
from nwedge.methods.grids import Grid
from nwedge.methods.metrics import metrics_of


class Function:
    """A landscape that is any function of points."""

    device = torch.device("cpu")

    def __init__(self, function: Callable[[Tensor], Tensor], dim: int = 6, dtype: torch.dtype = torch.float64) -> None:
        self.function, self.dim, self.dtype = function, dim, dtype

    def loss(self, points: Tensor) -> Tensor:
        return self.function(points)

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.rand(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator: torch.Generator) -> "Function":
        return self


SLOPE = torch.randn(6, generator=derive(0, "slope"), dtype=torch.float64)
U, V, HOME = torch.randn(3, 6, generator=derive(0, "axes"), dtype=torch.float64)
X, Y = torch.linspace(-1, 2, 7, dtype=torch.float64), torch.tensor([-2.0, 0.0, 0.3, 5.0], dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_landscape_gives_the_known_plane(dtype):
    slope, u, v, home = (tensor.to(dtype) for tensor in (SLOPE, U, V, HOME))
    found = cut(Function(lambda points: points @ slope, dtype=dtype), Plane(u, v), [X, Y], origin=home)
    exact = HOME @ SLOPE + X[:, None] * (U @ SLOPE) + Y * (V @ SLOPE)
    np.testing.assert_allclose(found.loss, exact, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=1e-5)
    assert found.loss.dims == ("c0", "c1")
    assert found.loss.dtype == np.float64
    np.testing.assert_allclose(found.c0, X, rtol=1e-6)
    np.testing.assert_allclose(found.distance0, X * U.norm(), rtol=1e-5)
    np.testing.assert_allclose(found.distance1, Y * V.norm(), rtol=1e-5)
    angle = torch.rad2deg(torch.acos(U @ V / U.norm() / V.norm())).item()
    assert found.attrs == {"chart": "plane", "evaluations": 28, "angle": pytest.approx(angle, abs=1e-3)}
    assert found.loss.attrs == {"long_name": "loss", "units": "1", "nonfinite": 0}


def test_one_three_and_curved_dimensions():
    landscape = Function(lambda points: points @ SLOPE)
    line = cut(landscape, Line(HOME, U), [X])
    np.testing.assert_allclose(line.loss, (1 - X) * (HOME @ SLOPE) + X * (U @ SLOPE))
    np.testing.assert_allclose(line.distance0, X * (U - HOME).norm())
    assert "angle" not in line.attrs
    space = RandomSubspace(6, 3, seed=1, dtype=torch.float64)
    solid = cut(landscape, space, [X, Y, X[:3]], origin=HOME)
    assert solid.loss.shape == (7, 4, 3)
    one = space.embed(torch.stack([X[2], Y[3], X[1]])[None])[0]
    assert solid.loss[2, 3, 1].item() == pytest.approx(((HOME + one) @ SLOPE).item())
    np.testing.assert_allclose(solid.attrs["angle"], [90, 90, 90])
    curve = Bezier(torch.stack([HOME, V, U]))
    bent = cut(landscape, curve, [torch.linspace(0, 1, 5, dtype=torch.float64)])
    np.testing.assert_allclose(
        bent.distance0, (curve.embed(torch.linspace(0, 1, 5).double()[:, None]) - HOME).norm(dim=1)
    )
    third = torch.linspace(0, 0.4, 3, dtype=torch.float64)
    sheet = cut(landscape, Sheet(torch.stack([HOME, U, V])), [third, third])
    assert sheet.loss[0, 2].item() == pytest.approx(((0.6 * HOME + 0.4 * V) @ SLOPE).item())
    assert sheet.attrs["chart"] == "sheet"


def test_axes_of_any_coordinates_have_distances_and_an_angle():
    zero = torch.zeros(1, dtype=torch.float64)
    near = torch.tensor([-1e-9, 1.0])  # a zero of linspace in float32
    angle = torch.rad2deg(torch.acos(U @ V / U.norm() / V.norm())).item()
    for axes in ([zero, Y], [near, -Y.flip(0)], [[-3.0, -1.0], np.array([2, 4])]):
        found = cut(Function(lambda points: points @ SLOPE), Plane(U, V), axes, origin=HOME)
        assert found.attrs["angle"] == pytest.approx(angle)
        np.testing.assert_allclose(found.distance1, found.c1 * V.norm().item())


def test_what_is_not_finite_stays_and_is_counted(tmp_path: File):
    def broken(points: Tensor) -> Tensor:
        out = points.sum(1)
        return torch.where(points[:, 0] > 1, torch.nan, torch.where(points[:, 1] > 4, torch.inf, out))

    plane = Plane(*torch.eye(6, dtype=torch.float64)[:2])
    found = cut(Function(broken), plane, [X, Y], origin=torch.zeros(6, dtype=torch.float64))
    expected = X[:, None] + Y
    expected = torch.where(X[:, None] > 1, torch.nan, torch.where(Y > 4, torch.inf, expected))
    np.testing.assert_array_equal(found.loss, expected)
    assert found.loss.attrs["nonfinite"] == 2 * 4 + 5
    found.to_netcdf(tmp_path / "cut.nc", engine="netcdf4")
    again = xr.load_dataset(tmp_path / "cut.nc", engine="netcdf4")
    xr.testing.assert_identical(again.loss, found.loss)


def network(examples: int = 3001, dtype: torch.dtype = torch.float64, **options: Any) -> NetworkLandscape:
    torch.manual_seed(0)
    x = torch.randn(examples, 5, generator=derive(0, "x"), dtype=dtype)
    y = (x[:, 0] > 0).long()
    unseen = torch.randn(50, 5, generator=derive(1, "x"), dtype=dtype)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2)).to(dtype)
    return NetworkLandscape(model, (x, y), (unseen, (unseen[:, 0] > 0).long()), **options)


def plane_of(landscape: NetworkLandscape) -> tuple[Plane, Tensor]:
    u, v, home = landscape.initial(3, derive(2))
    return Plane(u, v), home


def test_the_loss_is_that_of_all_examples_whatever_the_chunks():
    landscape = network(chunk=1000)  # of 1,000, 1,000 and 1,001
    plane, home = plane_of(landscape)
    names = ("loss", "accuracy", "held_out_loss", "held_out_accuracy")
    found = cut(landscape, plane, [X, Y], origin=home, metrics=names)
    assert list(found) == list(names)
    whole = network(chunk=5000)
    for i, x in enumerate(X):
        for j, y in enumerate(Y):
            point = (home + x * plane.axes[0] + y * plane.axes[1])[None]
            for name, own in (("loss", whole), ("held_out_loss", whole.held_out)):
                assert found[name][i, j].item() == pytest.approx(own.loss(point).item())
            assert found.accuracy[i, j].item() == pytest.approx(whole.accuracy(point).item())
            assert found.held_out_accuracy[i, j].item() == pytest.approx(whole.held_out.accuracy(point).item())
    assert found.loss.attrs["units"] == "nats"
    assert found.held_out_loss.attrs["long_name"] == "held-out loss"
    assert found.accuracy.attrs["units"] == "fraction"
    assert found.attrs["examples"] == 3001


@pytest.mark.parametrize("seed", range(3))
def test_a_tolerance_gives_losses_with_known_error_from_fewer_examples(seed):
    landscape = network()
    plane, home = plane_of(landscape)
    metrics = ("loss", "accuracy", "held_out_loss")
    full = cut(landscape, plane, [X, Y], origin=home, metrics=metrics)
    found = cut(landscape, plane, [X, Y], origin=home, metrics=metrics, tolerance=0.03, generator=derive(seed))
    assert (found.loss_error <= 0.03 * np.maximum(abs(found.loss), 0.1) * (1 + 1e-6)).all()
    misses = abs(found.loss - full.loss) / found.loss_error.where(found.loss_error > 0, 1e-9)
    assert (misses < 4.5).all()
    assert found.loss_examples.dtype == np.int64
    assert 1024 <= found.loss_examples.min() < found.attrs["examples"] == 3001
    assert (found.loss_examples.values < 3001).mean() > 0.5
    np.testing.assert_allclose(found.held_out_loss, full.held_out_loss)  # 50 examples are all seen
    assert (found.held_out_loss_error == 0).all()
    assert found.held_out_loss_examples.attrs["share"] == 1
    assert found.loss_examples.attrs["share"] == pytest.approx(found.loss_examples.values.mean() / 3001)
    np.testing.assert_array_equal(found.accuracy, full.accuracy)
    assert "accuracy_error" not in found
    assert found.attrs["tolerance"] == 0.03
    assert found.attrs["floor"] == 0.1
    again = cut(landscape, plane, [X, Y], origin=home, metrics=metrics, tolerance=0.03, generator=derive(seed))
    xr.testing.assert_identical(found, again)


def bump(points: Tensor) -> Tensor:
    return 3 * torch.exp(-(points[:, :2] - 0.3).square().sum(1) / 0.02) + points.sum(1).square()


AXES = torch.eye(6, dtype=torch.float64)[:2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("sizes", "exact"), [((41, 41), True), ((65,), True), ((81, 65), False), ((40,), False)])
def test_refinement_evaluates_few_points_and_says_which(sizes, exact, dtype):
    zero = torch.zeros(6, dtype=dtype)
    u, v = AXES.to(dtype)
    chart, origin = (Plane(u, v), zero) if len(sizes) == 2 else (Line(zero, u), None)
    axes = [torch.linspace(-0.5, 1, size, dtype=dtype) for size in sizes]
    calls = []
    landscape = Function(lambda points: calls.append(len(points)) or bump(points), dtype=dtype)
    both = {"loss": "loss", "twice": lambda own, points: 2 * bump(points)}
    full = cut(landscape, chart, axes, origin=origin)
    calls.clear()
    found = cut(landscape, chart, axes, origin=origin, metrics=both, refine=0.02)
    assert found.attrs["evaluations"] == sum(calls) < full.attrs["evaluations"]
    assert found.attrs["refine"] == 0.02
    assert bool(found.evaluated.any())
    assert not bool(found.evaluated.all())
    if exact:
        assert int(found.evaluated.sum()) == sum(calls)
    np.testing.assert_allclose(found.loss.where(found.evaluated), full.loss.where(found.evaluated), rtol=1e-4)
    assert (abs(found.loss - full.loss) <= 0.05 * np.maximum(full.loss, 0.1)).all()
    np.testing.assert_allclose(found.twice, 2 * found.loss, rtol=1e-6)


def test_refinement_and_samples_go_together():
    landscape = network()
    plane, home = plane_of(landscape)
    axis = torch.linspace(-1, 1, 17, dtype=torch.float64)
    found = cut(landscape, plane, [axis, axis], origin=home, tolerance=0.05, refine=0.1)
    full = cut(landscape, plane, [axis, axis], origin=home)
    assert found.attrs["evaluations"] == int(found.evaluated.sum()) < 17 * 17
    assert ((found.loss_examples > 0) == found.evaluated).all()
    assert (abs(found.loss - full.loss) < 0.3 * np.maximum(full.loss, 0.1)).all()
    assert (found.loss_error > 0).any()
    names, keep = [], lambda name, compute: names.append(name) or compute()
    closer = cut(landscape, plane, [axis, axis], origin=home, tolerance=0.01, refine=0.02, keep=keep)
    assert len({name.split("-")[0] for name in names}) > 1, "there are several rounds"
    own = closer.loss_examples.values[closer.evaluated.values]
    assert closer.loss_examples.attrs["share"] == pytest.approx(own.mean() / 3001)


def test_a_grid_no_larger_than_the_coarsest_lattice_is_evaluated():
    found = cut(Function(bump), Plane(*AXES), [X[:3], Y[:3]], origin=HOME, refine=0.01)
    full = cut(Function(bump), Plane(*AXES), [X[:3], Y[:3]], origin=HOME)
    assert bool(found.evaluated.any())
    np.testing.assert_allclose(found.loss.where(found.evaluated), full.loss.where(found.evaluated))


@pytest.mark.parametrize("options", [{}, {"tolerance": 0.05}, {"refine": 0.05}, {"metrics": ("loss", "accuracy")}])
def test_progress_goes_up_to_the_end(options):
    landscape = network()
    plane, home = plane_of(landscape)
    seen: list[tuple[int, int]] = []
    cut(landscape, plane, [X, X], origin=home, progress=lambda done, total: seen.append((done, total)), **options)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert done[-1] == totals[-1] >= 49


def test_any_landscape_and_metrics_of_ones_own():
    wedges = WedgeLandscape(20, 3, dtype=torch.float64)
    space, home = RandomSubspace(20, 2, seed=3, dtype=torch.float64), torch.ones(20, dtype=torch.float64)
    found = cut(wedges, space, [X, Y], origin=home, metrics={"loss": evaluate, "norm": lambda own, p: p.norm(dim=1)})
    grid = torch.cartesian_prod(X, Y)
    np.testing.assert_allclose(found.loss.values.ravel(), evaluate(restrict(wedges, space, home), grid))
    np.testing.assert_allclose(found.norm.values.ravel(), (home + space.embed(grid)).norm(dim=1))
    seen = restrict(QuadraticBowl(20, dtype=torch.float64), space, home)  # a cut of a cut
    line = cut(seen, Line(torch.zeros(2).double(), torch.ones(2).double()), [X], metrics="loss")
    assert line.loss.shape == (7,)


@dataclasses.dataclass
class Unhashable(Function):
    """A bowl about a centre as a dataclass, which equals others and so has no hash."""

    centre: Tensor
    dim = 6
    dtype = torch.float64

    def loss(self, points: Tensor) -> Tensor:
        return (points - self.centre).square().sum(1)


def test_a_landscape_needs_no_hash():
    landscape = Unhashable(HOME)
    found = cut(landscape, Plane(*AXES), [X, Y], origin=HOME, metrics={"one": "loss", "two": "loss"})
    for name in ("one", "two"):
        np.testing.assert_allclose(found[name], X[:, None] ** 2 + Y**2)


def failing(**changes: Any) -> dict[str, Any]:
    given = {"landscape": Function(bump), "chart": Plane(*AXES), "coordinates": [X, Y], "origin": HOME}
    return given | changes


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"origin": None}, ValueError, "a Plane embeds to displacements: give the origin"),
        ({"chart": Line(U, V)}, ValueError, "a Line embeds to points: leave the origin out"),
        ({"coordinates": [X]}, ValueError, r"a list of 2, one for each dimension of the Plane.*got 1"),
        ({"coordinates": [X, Y.flip(0)]}, ValueError, "coordinates of dimension 1 must increase"),
        ({"coordinates": [X, X * torch.nan]}, ValueError, "coordinates of dimension 1 must be finite"),
        ({"coordinates": [X, X[None]]}, ValueError, r"dimension 1 must have shape \(at least 1,\); got \(1, 7\)"),
        (
            {"coordinates": [torch.arange(20_000.0), torch.arange(20_000.0)]},
            ValueError,
            r"a grid of 20000 x 20000 points takes 8\.9 GiB, over the 2 GiB.*take about 9459 x 9459, or cut it",
        ),
        ({"coordinates": [["a"], Y]}, TypeError, r"coordinates of dimension 0 must be numbers.*got \['a'\]"),
        (
            {"chart": Line(U, U), "origin": None, "coordinates": [X]},
            ValueError,
            "dimension 0 of the Line has norm 0: all of its coordinates are one point",
        ),
        ({"chart": Sheet(torch.stack([U, V, U])), "origin": None}, ValueError, "dimension 1 of the Sheet has norm 0"),
        ({"chart": Plane(U, 2 * U)}, ValueError, "dimensions 0 and 1 of the chart are parallel"),
        ({"chart": Plane(U, -3 * U + 1e-5 * V)}, ValueError, "dimensions 0 and 1 of the chart are parallel"),
        ({"metrics": ()}, ValueError, "metrics must be at least one of loss, accuracy"),
        ({"metrics": ("loss", "loss")}, ValueError, "metrics must be different; got loss, loss"),
        ({"metrics": ("f1",)}, ValueError, "a metric must be one of 'loss', 'accuracy'"),
        ({"metrics": ("accuracy",)}, ValueError, "'accuracy' needs predictions of classes, and this Function makes"),
        (
            {"metrics": ("held_out_loss",)},
            ValueError,
            "'held_out_loss' needs held-out data, and this Function has none",
        ),
        (
            {"metrics": {"own": lambda own, points: points}},
            ValueError,
            r"metric 'own' must return one number a point, a tensor of shape \(28,\); got shape \(28, 6\): reduce it",
        ),
        ({"metrics": {"own": lambda own, points: 1.0}}, TypeError, r"'own' must return one number a point.*got float"),
        ({"metrics": {"own": lambda own, points: 1j * points[:, 0]}}, TypeError, "and real; got torch.complex128"),
        ({"metrics": {"c0": evaluate}}, ValueError, "a metric must not be called 'c0'"),
        ({"metrics": {"loss_error": evaluate}}, ValueError, "a metric must not be called 'loss_error'"),
        ({"metrics": {"two words": evaluate}}, ValueError, "a metric's name must be a word"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be positive"),
        ({"refine": -1.0}, ValueError, "tolerance must be positive"),
        ({"tolerance": 0.1}, TypeError, "only the mean over finite data can be estimated"),
        ({"tolerance": 0.1, "metrics": {"own": evaluate}}, ValueError, "a tolerance is of losses"),
        ({"refine": 0.1, "coordinates": [X, Y[:1]]}, ValueError, "refine needs at least 2 coordinates"),
        (
            {"refine": 0.1, "chart": RandomSubspace(6, 3, dtype=torch.float64), "coordinates": [X] * 3},
            ValueError,
            "must have 1 or 2 dimensions; got 3",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        cut(**failing(**changes))


def test_coordinates_that_are_no_list_are_refused():
    with pytest.raises(ValueError, match=r"a list of 1, one for each dimension of the Line.*got shape \(7,\)"):
        Grid(Line(U, V), X, 1)  # the annotations of public functions are checked in tests
    with pytest.raises(TypeError, match=r"a list of 1, one for each dimension of the Line.*got int"):
        Grid(Line(U, V), 5, 1)


@pytest.mark.parametrize("metrics", [5, [evaluate], [["loss"]]])
def test_metrics_that_are_no_names_are_refused(metrics):
    with pytest.raises(TypeError, match="metrics must be names, or functions by names of one's own; got"):
        inspect.unwrap(metrics_of)(Function(bump), metrics)


def test_coordinates_that_are_all_0_and_a_small_angle_are_none_of_these():
    zero = torch.zeros(1, dtype=torch.float64)
    home, other = HOME.float(), (HOME + U).float()
    tiny = cut(Function(bump, dtype=torch.float32), Line(home, other), [torch.tensor([1e-12])])  # a zero of linspace
    assert tiny.distance0.item() == 0
    assert cut(Function(bump), Line(HOME, U), [zero]).distance0.item() == 0
    assert 0.1 < cut(Function(bump), Plane(U, U + 0.01 * V), [X, Y], origin=HOME).attrs["angle"] < 1


def test_directions_of_norm_0_and_recomputed_statistics_are_refused():
    with pytest.raises(ValueError, match="the axis v of a plane must not be zero: give a direction of positive norm"):
        Plane(U, 0 * V)
    x = torch.randn(40, 3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    landscape = NetworkLandscape(model.eval(), (x, torch.zeros(40).long()), batch_norm="recompute")
    a, b = landscape.initial(2, derive(0))
    with pytest.raises(ValueError, match="with batch_norm='recompute' the loss of one example depends on all"):
        cut(landscape, Line(a, b), [[0.0, 1.0]], tolerance=0.1)
