"""Every closed form against Monte Carlo on the wedge model itself; root mean squares are compared as squares."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import normalize

from nwedge._random import derive
from nwedge.landscapes import theory
from nwedge.landscapes.orientation import draw_axes
from nwedge.landscapes.wedges import WedgeLandscape

F64 = torch.float64
GRID = torch.tensor([0.5, 3.0, 20.0], dtype=F64)


def draws(*shape, name):
    return torch.randn(*shape, generator=derive(0, "theory", name), dtype=F64)


def assert_mean_is(samples, expected, errors=5.0):
    """The mean of independent samples lies within `errors` standard errors of a number, which is a sharp test."""
    error = samples.std() / len(samples) ** 0.5
    assert error < 0.05 * expected
    assert (samples.mean() - expected).abs() < errors * error


def best_squares(landscape, origin, planes):
    """The smallest squared distance to the one wedge on each affine plane origin + span(rows), by least squares."""
    basis = landscape.short_basis(origin)
    short = torch.einsum("bsd,bd->bs", basis, origin)
    directions = torch.einsum("bsd,bkd->bsk", basis, planes)
    coordinates = torch.linalg.lstsq(directions, -short[..., None], driver="gelsd").solution
    best = origin + torch.einsum("bkd,bk->bd", planes, coordinates[..., 0])
    return landscape.distance(best).square()


@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize("d", [0, 1, 5, 11, 12, 15])
def test_best_loss_on_a_random_section(oriented, d):
    dim, short, radius, planes = 30, 12, 4.0, 6000
    landscape = WedgeLandscape(dim, short, wedges=1, oriented=oriented, dtype=F64)
    origin = radius * normalize(draws(planes, dim, name=f"origin {d}"), dim=1)
    law = theory.section_loss(dim, short, d, radius)
    if d == 0:
        squares = landscape.distance(origin).square()
    else:
        squares = best_squares(landscape, origin, draws(planes, d, dim, name=f"plane {d}"))
    if d < short:
        assert_mean_is(squares, law**2)
    else:
        assert law == 0
        assert squares.max() < 1e-18


def test_threshold_inverts_the_section_loss():
    dim, short, radius = 200.0, 50.0, 14.0
    for d in (0.0, 7.5, 49.0):
        level = theory.section_loss(dim, short, d, radius)
        assert theory.section_threshold(dim, short, level, radius) == pytest.approx(d)
    assert theory.section_threshold(dim, short, 1e-9, radius) == pytest.approx(short)


def test_many_wedges_lie_below_the_section_law():
    landscape = WedgeLandscape(30, 12, dtype=F64)
    origin = 4.0 * normalize(draws(500, 30, name="many"), dim=1)
    assert landscape.distance(origin).square().mean() < 0.2 * theory.section_loss(30, 12, 0, 4.0) ** 2


@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize("height", [0.0, 2.0])
def test_probe_law(oriented, height):
    dim, short, distance, probes = 400, 100, 3.0, 4000
    landscape = WedgeLandscape(dim, short, wedges=1, oriented=oriented, dtype=F64)
    start = draws(1, dim, name="probe start")
    (basis,) = landscape.short_basis(start)
    side = basis.T @ normalize(draws(short, name="side"), dim=0)
    start = start - (start @ basis.T) @ basis + height * side
    directions = normalize(draws(probes, dim, name="probe"), dim=1)
    found = landscape.distance(start + distance * directions)
    law = theory.probe_loss(dim, short, height, distance)
    assert_mean_is(found.square(), law**2)
    assert found.std() / law < 1 / short**0.5  # the same in all directions, up to O(1/sqrt(s))


@pytest.mark.parametrize("angle", [0.3, 1.2, math.pi / 2, 2.5])
def test_rotation_law(angle):
    dim, short, radius, probes = 25, 5, 3.0, 20000
    landscape = WedgeLandscape(dim, short, wedges=1, dtype=F64)
    optimum = draws(dim, name="optimum")
    optimum[landscape.nearest(optimum[None])[0]] = 0.0
    optimum = radius * normalize(optimum, dim=0)
    directions = draws(probes, dim, name="rotation")
    directions = normalize(directions - directions @ optimum[:, None] * optimum / radius**2, dim=1)
    found = landscape.distance(math.cos(angle) * optimum + radius * math.sin(angle) * directions)
    law = theory.rotated_loss(dim, short, radius, angle)
    assert_mean_is(found.square(), law**2 * dim / (dim - 1))  # the direction is normal to the optimum


def test_radial_angle_inverts_the_rotation_law():
    for angle in (0.0, 0.4, 1.5):
        level = theory.rotated_loss(1000, 50, 30.0, angle)
        assert theory.radial_angle(1000, 50, 30.0, level) == pytest.approx(angle)


def test_radial_angle_without_a_crossing_is_infinite():
    highest = theory.rotated_loss(1000, 50, 30.0, math.pi / 2)
    assert theory.radial_angle(1000, 50, 30.0, 1.01 * highest) == math.inf
    assert theory.radial_angle(1000, 0, 30.0, 0.1) == math.inf
    levels = torch.tensor([0.5, 1.0, 1.01, math.nan], dtype=F64) * highest
    expected = torch.tensor([math.pi / 6, math.pi / 2, math.inf, math.nan], dtype=F64)
    torch.testing.assert_close(theory.radial_angle(1000, 50, 30.0, levels), expected, equal_nan=True)


def test_short_directions_where_axis_aligned_wedges_meet():
    dim, short, trials = 300, 15, 400
    for m in (1, 2, 3, 5, 10):
        unions = []
        for seed in range(trials):
            unions.append(len(draw_axes(dim, short, m, seed).unique()))
        law = theory.meeting_short_directions(dim, short, m)
        assert sum(unions) / trials == pytest.approx(law, abs=0.5)
    law = theory.meeting_short_directions(dim, short, torch.tensor([1, 2, 3, 4, 5]))
    torch.testing.assert_close(law, torch.tensor([15.0, 29.25, 42.79, 55.65, 67.87]), rtol=0, atol=0.01)


def test_short_directions_where_randomly_oriented_wedges_meet():
    for m in (1, 2, 3, 4, 7):
        bases = WedgeLandscape(30, 9, wedges=m, oriented="random", dtype=F64).bases
        assert torch.linalg.matrix_rank(bases) == theory.meeting_short_directions(30, 9, m, oriented="random")
    with pytest.raises(ValueError, match="oriented must be one of 'axes', 'random'; got 'up'"):
        theory.meeting_short_directions(30, 9, 2, oriented="up")


def along(vertices, count=25):
    """Points along a polygon, its vertices included."""
    t = torch.linspace(0, 1, count, dtype=vertices.dtype)[:, None]
    return torch.cat([start + t * (end - start) for start, end in itertools.pairwise(vertices)])


def two_optima(landscape):
    """Two points on different wedges, and the bases of their short directions."""
    points = landscape.initial(20, derive(0, "optima"))
    bases = landscape.short_basis(points)
    other = next(row for row in range(1, 20) if not torch.equal(bases[row], bases[0]))
    points, bases = points[[0, other]], bases[[0, other]]
    return points - torch.einsum("bsd,bs->bd", bases, torch.einsum("bsd,bd->bs", bases, points)), bases


SETTINGS = [{"short": 6}, {"short": 6, "wedges": 7}, {"short": (6, 3, 9, 1), "wedges": 4}]


@pytest.mark.parametrize("more", SETTINGS)
def test_exact_tunnel_between_axis_aligned_wedges(more):
    landscape = WedgeLandscape(40, **more, dtype=F64)
    (first, second), _ = two_optima(landscape)
    sets = landscape.nearest(torch.stack([first, second]))
    first[sets[0][sets[0] >= 0]] = 0.0
    second[sets[1][sets[1] >= 0]] = 0.0
    copies = first.clone(), second.clone()
    vertices = theory.exact_tunnel(first, second, *sets)
    assert vertices.shape == (4, 40)
    assert torch.equal(vertices[[0, 3]], torch.stack(copies))
    assert landscape.loss(along(vertices)).max() == 0
    assert landscape.loss(along(vertices[[0, 3]])).max() > 0.1


@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize("more", SETTINGS)
def test_exact_tunnel_between_wedges_of_any_orientation(more, oriented):
    landscape = WedgeLandscape(40, oriented=oriented, **more, dtype=F64)
    (first, second), bases = two_optima(landscape)
    vertices = theory.exact_tunnel_oriented(first, second, *bases)
    assert vertices.shape == (4, 40)
    assert torch.equal(vertices[[0, 3]], torch.stack([first, second]))
    assert landscape.loss(along(vertices)).max() < 1e-13
    assert landscape.loss(along(vertices[[0, 3]])).max() > 0.1
    # the bends are projections: what they removed is spanned by the two bases, no more
    spanned = torch.linalg.matrix_rank(torch.cat(list(bases)))
    removed = torch.stack([first - vertices[1], second - vertices[2]])
    assert torch.linalg.matrix_rank(torch.cat([*bases, removed]), atol=1e-10) == spanned
    if oriented == "axes":
        sets = landscape.nearest(torch.stack([first, second]))
        torch.testing.assert_close(vertices, theory.exact_tunnel(first, second, *sets))


def test_exact_tunnel_where_nothing_is_short():
    first, second = draws(2, 5, name="free")
    nothing = torch.empty(0, 5, dtype=F64)
    expected = torch.stack([first, first, second, second])
    torch.testing.assert_close(theory.exact_tunnel_oriented(first, second, nothing, nothing), expected)
    empty = torch.empty(0, dtype=torch.int64)
    torch.testing.assert_close(theory.exact_tunnel(first, second, empty, empty), expected)


@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        (theory.section_loss, {"dim": 30, "short": 12, "d": GRID, "radius": 4.0}),
        (theory.section_threshold, {"dim": 30, "short": 12, "level": 0.1, "radius": GRID}),
        (theory.probe_loss, {"dim": 30, "short": 12, "loss": 0.3, "distance": GRID}),
        (theory.rotated_loss, {"dim": 30, "short": 12, "radius": 4.0, "angle": GRID / 7}),
        (theory.radial_angle, {"dim": 30, "short": 12, "radius": 4.0, "level": GRID}),
        (theory.meeting_short_directions, {"dim": 30, "short": 12, "m": GRID}),
        (theory.meeting_short_directions, {"dim": 30, "short": 12, "m": GRID, "oriented": "random"}),
    ],
)
def test_numbers_and_tensors_agree(law, arguments):
    (name, grid), *_ = [(name, value) for name, value in arguments.items() if isinstance(value, torch.Tensor)]
    one_by_one = [law(**arguments | {name: value.item()}) for value in grid]
    assert all(isinstance(value, float) for value in one_by_one)
    torch.testing.assert_close(law(**arguments), torch.tensor(one_by_one, dtype=F64))
