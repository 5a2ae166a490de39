"""Controls: known minima and spectra, derivatives, and the Horseshoe's way round."""

import pytest
import torch

from nwedge._random import derive
from nwedge.landscape import Landscape, evaluate, gradient, hvp
from nwedge.landscapes.controls import FlatBall, Groove, Horseshoe, IsolatedMinima, QuadraticBowl
from nwedge.testing import check_landscape

F64 = torch.float64
KINDS = [QuadraticBowl, IsolatedMinima, Horseshoe, Groove, FlatBall]

kinds = pytest.mark.parametrize("kind", KINDS)


def starts(landscape, count=30):
    return landscape.initial(count, derive(0, "start"))


def hessian(landscape, point):
    eye = torch.eye(landscape.dim, dtype=landscape.dtype, device=landscape.device)
    return hvp(landscape, point.expand(landscape.dim, -1).contiguous(), eye)


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_is_a_deterministic_landscape(kind, dtype):
    landscape = kind(12, dtype=dtype)
    assert isinstance(landscape, Landscape)
    assert (landscape.dim, landscape.dtype, landscape.device) == (12, dtype, torch.device("cpu"))
    points = starts(landscape)
    assert points.dtype == dtype
    assert points.shape == (30, 12)
    copy = points.clone()
    losses = landscape.loss(points)
    assert losses.dtype == dtype
    assert losses.shape == (30,)
    assert (losses > 0).all()
    assert torch.equal(losses, kind(12, dtype=dtype).loss(points))
    assert torch.equal(points, copy)
    assert landscape.minibatch(derive(1)) is landscape
    assert landscape.minibatch([derive(1), derive(2)]) is landscape
    assert landscape.loss(points[:0]).shape == (0,)
    assert gradient(landscape, points[:0]).shape == (0, 12)
    assert landscape.loss(torch.full((1, 12), torch.nan, dtype=dtype)).isnan().all()


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_keeps_the_contract(kind, dtype):
    check_landscape(kind(12, dtype=dtype))


@kinds
def test_derivatives_agree_with_central_differences(kind):
    landscape = kind(12, dtype=F64)
    points, directions = starts(landscape), starts(landscape, 60)[30:]
    h = 1e-6
    slope = (landscape.loss(points + h * directions) - landscape.loss(points - h * directions)) / (2 * h)
    torch.testing.assert_close((gradient(landscape, points) * directions).sum(1), slope, rtol=1e-7, atol=1e-7)
    bend = (gradient(landscape, points + h * directions) - gradient(landscape, points - h * directions)) / (2 * h)
    torch.testing.assert_close(hvp(landscape, points, directions), bend, rtol=1e-6, atol=1e-6)


@kinds
def test_bad_points_are_refused(kind):
    landscape = kind(12)
    with pytest.raises(ValueError, match=r"points must have shape \(batch, 12\); got \(2, 11\)"):
        landscape.loss(torch.zeros(2, 11))
    with pytest.raises(TypeError, match=r"points must have dtype torch\.float32"):
        landscape.loss(torch.zeros(2, 12, dtype=F64))


@kinds
def test_bad_spaces_are_refused(kind):
    with pytest.raises(ValueError, match="dim must be at least"):
        kind(0)
    with pytest.raises(ValueError, match=r"dtype must be one of torch\.float32, torch\.float64"):
        kind(4, dtype=torch.float16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QuadraticBowl(5, low=0.0), "low must be positive"),
        (lambda: QuadraticBowl(5, low=2.0, high=1.0), "low must not exceed high; got low=2.0, high=1.0"),
        (lambda: IsolatedMinima(5, minima=0), "minima must be at least 1"),
        (lambda: Horseshoe(1), "dim must be at least 2; got 1"),
        (lambda: Horseshoe(5, stiffness=0.0), "stiffness must be positive"),
        (lambda: Horseshoe(5, radius=-1.0), "radius must be positive"),
        (lambda: Horseshoe(5, hill=0.0), "hill must be positive"),
        (lambda: FlatBall(5, radius=0.0), "radius must be positive"),
        (lambda: QuadraticBowl(5, seed=-1), "seed must be at least 0"),
        (lambda: IsolatedMinima(5, seed=-1), "seed must be at least 0"),
        (lambda: Groove(5, seed=-1), "seed must be at least 0"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [QuadraticBowl, IsolatedMinima, Groove])
def test_the_seed_fixes_the_landscape_whatever_the_dtype(kind):
    points = starts(kind(12, dtype=F64))
    one, same, other = kind(12, seed=3, dtype=F64), kind(12, seed=3, dtype=F64), kind(12, seed=4, dtype=F64)
    assert torch.equal(one.loss(points), same.loss(points))
    assert not torch.allclose(one.loss(points), other.loss(points))
    torch.testing.assert_close(kind(12, seed=3).loss(points.float()), one.loss(points).float())


@pytest.mark.parametrize("kind", [QuadraticBowl, IsolatedMinima, Groove, FlatBall])
def test_initial_points_are_standard_normal(kind):
    points = starts(kind(500), 200)
    assert points.mean().abs() < 5 / points.numel() ** 0.5
    assert (points.std() - 1).abs() < 0.02


def test_bowl_has_its_centre_and_its_spectrum():
    bowl = QuadraticBowl(9, low=0.01, high=100.0, seed=1, dtype=F64)
    assert bowl.loss(bowl.centre[None]) == 0
    assert not gradient(bowl, bowl.centre[None]).any()
    torch.testing.assert_close(hessian(bowl, starts(bowl, 1)), torch.diag(bowl.curvatures))
    torch.testing.assert_close(bowl.curvatures.sort().values, 10.0 ** torch.linspace(-2, 2, 9, dtype=F64))
    assert not torch.equal(bowl.curvatures, bowl.curvatures.sort().values)


def test_isolated_minima_are_isolated():
    landscape = IsolatedMinima(10, minima=7, dtype=F64)
    assert landscape.minima.shape == (7, 10)
    assert not landscape.loss(landscape.minima).any()
    assert not gradient(landscape, landscape.minima).any()
    torch.testing.assert_close(hessian(landscape, landscape.minima[:1]), 2 * torch.eye(10, dtype=F64))
    points = starts(landscape, 200)
    slow = torch.stack([(points - minimum).square().sum(1) for minimum in landscape.minima]).min(0).values
    torch.testing.assert_close(landscape.loss(points), slow)
    middle = (landscape.minima[:1] + landscape.minima[1:2]) / 2
    assert landscape.loss(middle) > 0.5


def test_groove_is_short_in_one_direction():
    groove = Groove(10, seed=2, dtype=F64)
    assert groove.direction.norm() == pytest.approx(1)
    points = starts(groove)
    valley = points - points @ groove.direction[:, None] * groove.direction
    assert groove.loss(valley).max() < 1e-28
    u = groove.direction[:, None]
    torch.testing.assert_close(hessian(groove, points[:1]), 2 * u @ u.T)
    # the rise varies with the direction like a squared normal variable: relative spread near sqrt(2)
    wide = Groove(400, dtype=F64)
    rises = wide.loss(torch.nn.functional.normalize(starts(wide, 4000), dim=1))
    assert rises.std() / rises.mean() == pytest.approx(2**0.5, rel=0.1)


def test_ball_is_flat_inside_and_short_in_one_direction_at_its_edge():
    ball = FlatBall(16, dtype=F64)
    assert ball.radius == 2.0
    outward = torch.nn.functional.normalize(starts(ball), dim=1)
    assert not ball.loss(1.999 * outward).any()
    assert not gradient(ball, torch.cat([outward, torch.zeros(1, 16, dtype=F64)])).any()
    assert not hvp(ball, torch.zeros(1, 16, dtype=F64), outward[:1]).any()
    torch.testing.assert_close(ball.loss(5 * outward), torch.full((30,), 4.5, dtype=F64))
    eigenvalues = torch.linalg.eigvalsh(hessian(ball, 2.001 * outward[:1]))
    assert eigenvalues[-1] == pytest.approx(1)
    assert eigenvalues[:-1].max() < 1e-3
    assert FlatBall(16, radius=3.0).radius == 3.0


def test_ball_is_met_by_a_random_plane_where_theory_says():
    """A plane through a point at distance R comes within R sqrt(1 - d/D) of the origin, a root mean square."""
    ball, d = FlatBall(60, dtype=F64), 45
    origin = starts(ball, 400)
    planes = torch.randn(400, 60, d, generator=derive(0, "plane"), dtype=F64)
    basis = torch.linalg.qr(planes).Q
    closest = origin - torch.einsum("bdk,bk->bd", basis, torch.einsum("bdk,bd->bk", basis, origin))
    assert closest.square().sum(1).mean() == pytest.approx(60 - d, rel=0.05)
    assert 0.3 < (ball.loss(closest) == 0).double().mean() < 0.7  # r^2 = D/4: the threshold is 3/4 of D


def test_horseshoe_has_its_optimum_and_its_spectrum():
    for landscape in (Horseshoe(6, dtype=F64), Horseshoe(6, stiffness=7.0, radius=2.0, hill=3.0, dtype=F64)):
        optimum = landscape.optimum[None]
        assert landscape.loss(optimum) == 0
        assert not gradient(landscape, optimum).any()
        spectrum = [landscape.stiffness, landscape.hill / landscape.radius**2, 1, 1, 1, 1]
        torch.testing.assert_close(hessian(landscape, optimum), torch.diag(torch.tensor(spectrum, dtype=F64)))
        r, theta, rest = 1.3, 2.1, 0.4
        point = torch.zeros(1, 6, dtype=F64)
        point[0, :3] = torch.tensor([r, 0.0, rest])
        turn = torch.tensor(theta, dtype=F64)
        point[0, 0], point[0, 1] = r * turn.cos(), r * turn.sin()
        formula = (
            landscape.stiffness * (r - landscape.radius) ** 2 / 2 + landscape.hill * (1 - turn.cos()) + rest**2 / 2
        )
        torch.testing.assert_close(landscape.loss(point), formula[None])


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_horseshoe_is_finite_at_the_centre(dtype):
    landscape = Horseshoe(3, dtype=dtype)
    size = torch.cat([torch.zeros(1), 10.0 ** torch.arange(-45, 1)]).to(dtype)
    turn = torch.linspace(0, 6, 7, dtype=dtype)
    points = torch.zeros(len(size), len(turn), 3, dtype=dtype)
    points[..., 0], points[..., 1] = size[:, None] * turn.cos(), size[:, None] * turn.sin()
    points = points.flatten(0, 1)
    assert torch.isfinite(landscape.loss(points)).all()
    assert gradient(landscape, points).norm(dim=1).max() < 100
    assert torch.isfinite(hvp(landscape, points, points.roll(1, 1) + 1)).all()
    torch.testing.assert_close(landscape.loss(points[:1]), torch.tensor([10.5], dtype=dtype))


def test_horseshoe_starts_far_round_on_either_side():
    landscape = Horseshoe(20, radius=2.0, dtype=F64)
    points = starts(landscape, 2000)
    angle = torch.atan2(points[:, 1], points[:, 0]) / torch.pi
    torch.testing.assert_close(points[:, :2].norm(dim=1), torch.full((2000,), 2.0, dtype=F64))
    assert angle.abs().min() == pytest.approx(0.75, abs=0.01)
    assert angle.abs().max() == pytest.approx(0.95, abs=0.01)
    assert (angle > 0).double().mean() == pytest.approx(0.5, abs=0.06)
    assert points[:, 2:].std() == pytest.approx(0.1, abs=0.005)


def test_horseshoe_descends_all_the_way_round_but_the_line_rises():
    landscape = Horseshoe(20, dtype=F64)
    start = starts(landscape, 200)
    t = torch.linspace(0, 1, 101, dtype=F64)[:, None, None]
    line = (start + t * (landscape.optimum - start)).flatten(0, 1)
    line = evaluate(landscape, line).view(101, 200)
    rise, drop = line.max(0).values - line[0], line[0] - line[-1]
    assert (rise / drop).mean() > 4
    assert (rise / drop).min() > 2.5

    points, losses = start.clone(), [landscape.loss(start)]
    for _ in range(1000):
        points = points - 0.05 * gradient(landscape, points)
        losses.append(landscape.loss(points))
    losses = torch.stack(losses)
    assert losses.diff(dim=0).max() < 1e-15
    assert (losses[-1] / losses[0]).max() < 1e-3
    assert (points - landscape.optimum).norm(dim=1).max() < 0.05
