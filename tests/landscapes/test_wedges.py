"""The wedge model against slow references, on the wedge and off it, small and huge."""

import itertools
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from nwedge._random import derive
from nwedge.landscape import Landscape, evaluate, gradient, hvp
from nwedge.landscapes import wedges as module
from nwedge.landscapes.profiles import PROFILES
from nwedge.landscapes.theory import probe_loss
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.testing import check_landscape

F64 = torch.float64

FAMILIES: dict[str, dict[str, Any]] = {
    "complete-axes": {"dim": 9, "short": 4},
    "complete-random": {"dim": 9, "short": 4, "oriented": "random"},
    "sampled-axes": {"dim": 9, "short": 4, "wedges": 5},
    "sampled-random": {"dim": 9, "short": 4, "wedges": 5, "oriented": "random"},
    "unequal-axes": {"dim": 9, "short": (4, 1, 9, 3), "wedges": 4},
    "unequal-random": {"dim": 9, "short": (4, 1, 9, 3), "wedges": 4, "oriented": "random"},
}

families = pytest.mark.parametrize("family", FAMILIES)
profiles = pytest.mark.parametrize("profile", PROFILES)
thicknesses = pytest.mark.parametrize("thickness", [0.0, 0.4])


def wedge_landscape(family, **more):
    return WedgeLandscape(**{"dtype": F64, "seed": 3, **FAMILIES[family], **more})


def subspaces(landscape):
    """A basis of the short directions of every wedge, one after another: the slow and obvious list."""
    identity = torch.eye(landscape.dim, dtype=landscape.dtype)
    rows = identity if landscape.bases is None else landscape.bases
    if landscape.wedges is None:
        return [rows[list(chosen)] for chosen in itertools.combinations(range(landscape.dim), landscape.short)]
    if landscape.axes is not None:
        return [rows[chosen[chosen >= 0]] for chosen in landscape.axes]
    counts = landscape.short if isinstance(landscape.short, tuple) else (landscape.short,) * landscape.wedges
    return list(rows.split(counts))


def slow_distances(landscape, points):
    """The distance of each point to each wedge, shape (batch, wedges)."""
    norms = [(points @ basis.T).norm(dim=1) for basis in subspaces(landscape)]
    return (torch.stack(norms, 1) - landscape.thickness).clamp(min=0)


def points_of(landscape, count=50, scale=1.0):
    return scale * landscape.initial(count, derive(7, "points"))


def on_the_wedge(landscape, count=20):
    """Random points projected onto their nearest wedges."""
    points = points_of(landscape, count)
    basis = landscape.short_basis(points)
    points = points - torch.einsum("bsd,bs->bd", basis, torch.einsum("bsd,bd->bs", basis, points))
    if landscape.bases is None:  # no rounding: exactly zero
        points = points.masked_fill(basis.sum(1) > 0, 0.0)
    return points


@families
@profiles
@thicknesses
def test_keeps_the_contract(family, profile, thickness):
    """Noise and dtype take turns, so that every family meets all four pairs of them, and so does every profile."""
    turn = PROFILES.index(profile)
    noise = (0.0, 0.3)[(turn + (thickness > 0)) % 2]
    dtype = (torch.float32, F64)[(turn + list(FAMILIES).index(family)) % 2]
    check_landscape(wedge_landscape(family, profile=profile, thickness=thickness, noise=noise, dtype=dtype))


@families
@thicknesses
def test_distance_is_that_of_the_nearest_wedge(family, thickness):
    landscape = wedge_landscape(family, thickness=thickness)
    points = points_of(landscape)
    torch.testing.assert_close(landscape.distance(points), slow_distances(landscape, points).min(1).values)
    assert isinstance(landscape, Landscape)


@settings(deadline=None, max_examples=40)
@given(
    dim=st.integers(1, 7),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 99),
    oriented=st.sampled_from(["axes", "random"]),
)
def test_the_complete_family_holds_every_choice_of_axes(dim, fraction, seed, oriented):
    landscape = WedgeLandscape(dim, round(fraction * dim), oriented=oriented, seed=seed, dtype=F64)
    points = points_of(landscape, 5)
    torch.testing.assert_close(landscape.loss(points), slow_distances(landscape, points).min(1).values)


@families
@profiles
@thicknesses
def test_loss_is_the_profile_of_the_distance(family, profile, thickness):
    landscape = wedge_landscape(family, profile=profile, thickness=thickness, width=0.6)
    points = points_of(landscape)
    d = landscape.distance(points)
    expected = {"distance": d, "squared": d**2, "saturating": 1 - torch.exp(-(d**2) / (2 * 0.6**2))}[profile]
    torch.testing.assert_close(landscape.loss(points), expected)


@families
@profiles
@thicknesses
def test_derivatives_agree_with_central_differences(family, profile, thickness):
    landscape = wedge_landscape(family, profile=profile, thickness=thickness)
    points, directions = points_of(landscape, 8), points_of(landscape, 16)[8:]
    h = 1e-6
    slope = (landscape.loss(points + h * directions) - landscape.loss(points - h * directions)) / (2 * h)
    torch.testing.assert_close((gradient(landscape, points) * directions).sum(1), slope, rtol=1e-6, atol=1e-7)
    bend = (gradient(landscape, points + h * directions) - gradient(landscape, points - h * directions)) / (2 * h)
    torch.testing.assert_close(hvp(landscape, points, directions), bend, rtol=1e-5, atol=1e-6)


@families
@profiles
@thicknesses
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_derivatives_on_the_wedge_are_zero_or_exact_never_nan(family, profile, thickness, dtype):
    landscape = wedge_landscape(family, profile=profile, thickness=thickness, width=0.5, dtype=dtype)
    points = torch.cat([on_the_wedge(landscape), torch.zeros(1, 9, dtype=dtype)])
    exact = landscape.bases is None or thickness > 0
    if not exact:
        points = points[-1:]  # the origin lies on every wedge without rounding
    assert not landscape.loss(points).any()
    assert not gradient(landscape, points).any()
    vectors = points_of(landscape, len(points))
    products = hvp(landscape, points, vectors)
    if thickness > 0 or profile == "distance":
        assert not products.any()
    else:
        basis = landscape.short_basis(points)
        short = torch.einsum("bsd,bs->bd", basis, torch.einsum("bsd,bd->bs", basis, vectors))
        torch.testing.assert_close(products, short * (2.0 if profile == "squared" else 1 / 0.5**2))


@families
def test_nearest_wedge_and_its_axes(family):
    landscape = wedge_landscape(family)
    points = points_of(landscape)
    slow = slow_distances(landscape, points)
    basis = landscape.short_basis(points)
    torch.testing.assert_close(torch.einsum("bsd,bd->bs", basis, points).norm(dim=1), slow.min(1).values)
    gram = basis @ basis.mT
    torch.testing.assert_close(gram, torch.diag_embed(gram.diagonal(dim1=1, dim2=2).round()))
    if landscape.wedges is None:
        with pytest.raises(ValueError, match="complete family has no list of wedges"):
            landscape.nearest_wedge(points)
        with pytest.raises(ValueError, match="complete family has no list of wedges"):
            landscape.containing(points, 0.1)
    else:
        assert torch.equal(landscape.nearest_wedge(points), slow.argmin(1))
    if landscape.oriented == "random":
        with pytest.raises(ValueError, match="randomly oriented wedges have no short axes"):
            landscape.nearest(points)
    else:
        for row, point, found in zip(landscape.nearest(points), points, slow.min(1).values, strict=True):
            axes = row[row >= 0]
            assert axes.tolist() == sorted(set(axes.tolist()))
            torch.testing.assert_close(point[axes].norm(), found)
    if landscape.axes is not None:
        assert torch.equal(landscape.nearest(points), landscape.axes[landscape.nearest_wedge(points)])


@pytest.mark.parametrize("family", [family for family in FAMILIES if "complete" not in family])
@thicknesses
def test_containing_lists_the_wedges_within_the_tolerance(family, thickness):
    landscape = wedge_landscape(family, thickness=thickness)
    points = torch.cat([points_of(landscape), torch.zeros(1, 9, dtype=F64)])
    found = landscape.containing(points, 1.2)
    assert torch.equal(found, slow_distances(landscape, points) <= 1.2)
    assert 0.1 < found.double().mean() < 0.9
    assert landscape.containing(points, 0.0)[-1].all()
    with pytest.raises(ValueError, match="tolerance must be at least 0"):
        landscape.containing(points, -0.1)


@families
@pytest.mark.parametrize("elements", [1, 40])
def test_chunks_change_nothing(family, elements, monkeypatch):
    whole = wedge_landscape(family)
    points = points_of(whole, 13)
    monkeypatch.setattr(module, "ELEMENTS_AT_ONCE", elements)
    chunked = wedge_landscape(family)
    kind, rows = type(chunked._family), []
    search = kind.find
    monkeypatch.setattr(kind, "find", lambda self, some: rows.append(some.shape) or search(self, some))
    chunked.loss(points)
    assert sum(count for count, _ in rows) == 13
    assert all(count == 1 or count * width <= elements for count, width in rows)
    torch.testing.assert_close(chunked.loss(points), whole.loss(points))
    torch.testing.assert_close(gradient(chunked, points), gradient(whole, points))
    torch.testing.assert_close(hvp(chunked, points, points), hvp(whole, points, points))
    if whole.wedges is not None:
        assert torch.equal(chunked.containing(points, 1.0), whole.containing(points, 1.0))


@pytest.mark.parametrize("more", [{}, {"wedges": 50}])
def test_the_gradient_keeps_no_more_than_the_short_axes(more):
    landscape = WedgeLandscape(1000, 5, **more)
    points, kept = points_of(landscape, 8).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: points):
        landscape.loss(points)
    own = points.untyped_storage().data_ptr()
    kept = [tensor.numel() for tensor in kept if tensor.untyped_storage().data_ptr() != own]
    assert 0 < sum(kept) <= 8 * 8 * 5  # a few numbers for each point and short axis, none for the long ones


@families
def test_an_empty_batch_has_an_empty_loss(family):
    landscape = wedge_landscape(family)
    points = torch.empty(0, 9, dtype=F64)
    assert landscape.loss(points).shape == landscape.distance(points).shape == (0,)
    assert gradient(landscape, points).shape == hvp(landscape, points, points).shape == (0, 9)


@families
def test_loss_is_pure_and_takes_a_graph_through_transformed_points(family):
    landscape = wedge_landscape(family, profile="squared")
    points = points_of(landscape, 4)
    copy = points.clone()
    factor = torch.tensor(2.0, dtype=F64, requires_grad=True)
    losses = landscape.loss(factor * points)
    (slope,) = torch.autograd.grad(losses.sum(), factor)
    torch.testing.assert_close(slope, losses.sum() * 2 / factor)  # homogeneous of degree 2
    assert torch.equal(points, copy)
    assert torch.equal(landscape.loss(points), landscape.loss(points))


def test_nan_stays_nan():
    for family in FAMILIES:
        landscape = wedge_landscape(family)
        points = points_of(landscape, 3)
        axis = 0 if landscape.axes is None else int(landscape.axes[0, 0])
        points[1, axis] = torch.nan
        assert landscape.loss(points).isnan().tolist() == [False, True, False]
        assert gradient(landscape, points).isnan().any(1).tolist() == [False, True, False]


def test_a_wedge_without_short_directions_is_the_whole_space():
    settings: list[dict[str, Any]] = [{}, {"wedges": 3}, {"oriented": "random"}, {"wedges": 2, "oriented": "random"}]
    points = torch.randn(50, 5, generator=derive(0, "points"), dtype=F64)
    for more in settings:
        landscape = WedgeLandscape(5, 0, dtype=F64, **more)
        assert not landscape.loss(points).any()
        assert not gradient(landscape, points).any()
    full = WedgeLandscape(5, 5, wedges=2, dtype=F64)
    torch.testing.assert_close(full.loss(points), points.norm(dim=1))


@pytest.mark.parametrize("family", ["sampled-axes", "sampled-random", "complete-random"])
def test_the_wedges_depend_on_dim_short_wedges_and_seed_alone(family):
    other = {"thickness": 0.1, "profile": "squared", "width": 2.0, "noise": 0.3, "scale": 3.0, "dtype": torch.float32}
    drawn = "bases" if "random" in family else "axes"
    one, same, reseeded = (getattr(wedge_landscape(family, **more), drawn) for more in ({}, other, {"seed": 4}))
    assert torch.equal(one.to(same.dtype), same)
    assert not torch.equal(one, reseeded)


def test_initial_points_have_the_stated_scale():
    landscape = WedgeLandscape(1000, 5, scale=2.5)
    points = landscape.initial(50, derive(0, "start"))
    assert (points.std() - 2.5).abs() < 0.05
    assert torch.equal(points, landscape.initial(50, derive(0, "start")))


def test_noise_makes_views_and_its_absence_none():
    quiet = WedgeLandscape(9, 3)
    assert quiet.minibatch(derive(0)) is quiet
    assert quiet.minibatch([derive(0), derive(1)]) is quiet
    noisy = WedgeLandscape(9, 3, noise=0.2, dtype=F64)
    points = points_of(noisy, 2)
    tilt = noisy.minibatch(derive(0, "xi")).loss(points) - noisy.loss(points)
    xi = torch.randn(9, generator=derive(0, "xi"), dtype=F64)
    torch.testing.assert_close(tilt, 0.2 * points @ xi)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0, "short": 0}, "dim must be at least 1; got 0"),
        ({"dim": 5, "short": 6}, "short must be between 0 and 5; got 6"),
        ({"dim": 5, "short": 2, "wedges": 0}, "wedges must be at least 1; got 0"),
        ({"dim": 5, "short": (1, 2)}, "a sequence of short counts needs as many sampled wedges"),
        ({"dim": 5, "short": (1, 2), "wedges": 3}, "one number per wedge, 3 in all; got 2"),
        (
            {"dim": 5, "short": 2, "profile": "cubic"},
            "profile must be one of 'distance', 'squared', 'saturating'; got 'cubic'",
        ),
        ({"dim": 5, "short": 2, "oriented": "up"}, "oriented must be one of 'axes', 'random'; got 'up'"),
        ({"dim": 5, "short": 2, "thickness": -0.1}, "thickness must be at least 0"),
        ({"dim": 5, "short": 2, "width": 0.0}, "width must be positive"),
        ({"dim": 5, "short": 2, "noise": float("nan")}, "noise must be at least 0"),
        ({"dim": 5, "short": 2, "scale": 0.0}, "scale must be positive"),
        ({"dim": 5, "short": 2, "seed": -1}, "seed must be at least 0"),
        ({"dim": 5, "short": 2, "dtype": torch.int64}, "dtype must be one of torch.float32, torch.float64"),
        (
            {"dim": 10**5, "short": 2, "oriented": "random"},
            "a random rotation of 100000 dimensions would hold 1e.10 numbers",
        ),
        ({"dim": 10**6, "short": 500, "wedges": 2, "oriented": "random"}, "the limit is 1 GiB"),
    ],
)
def test_bad_arguments_are_refused_with_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        WedgeLandscape(**arguments)


def test_bad_points_are_refused_by_every_method():
    landscape = WedgeLandscape(9, 3, wedges=2)
    methods = (
        landscape.loss,
        landscape.distance,
        landscape.nearest,
        landscape.nearest_wedge,
        landscape.short_basis,
        landscape.hessian_sum,
        landscape.loss_and_gradient,
        lambda points: landscape.containing(points, 0.1),
    )
    for method in methods:
        with pytest.raises(ValueError, match=r"points must have shape \(batch, 9\); got \(2, 8\)"):
            method(torch.zeros(2, 8))
        with pytest.raises(TypeError, match=r"points must have dtype torch\.float32; got torch\.float64"):
            method(torch.zeros(2, 9, dtype=F64))
        with pytest.raises(ValueError, match="points must be on device cpu; got meta"):
            method(torch.zeros(2, 9, device="meta"))


@pytest.mark.parametrize(
    ("dim", "short", "wedges", "distance", "ratio"),
    [
        (1000, 50, None, 1.0, 0.83),
        (1000, 50, None, 5.0, 0.235),
        (4000, 400, None, 5.0, 0.73),
        (300, 15, 40, 5.0, 1.00),
        (300, 15, 40, 20.0, 0.81),
    ],
)
def test_known_departures_from_the_probe_law(dim, short, wedges, distance, ratio):
    """A probe of the complete family finds a nearer wedge; one of the sampled family does so later."""
    landscape = WedgeLandscape(dim, short, wedges=wedges, dtype=F64)
    start = landscape.initial(400, derive(0, "start"))
    start = start.scatter(1, landscape.nearest(start), 0.0)
    directions = normalize(landscape.initial(400, derive(0, "probe")), dim=1)
    found = evaluate(landscape, start + distance * directions).square().mean().sqrt()
    assert found / probe_loss(dim, short, 0.0, distance) == pytest.approx(ratio, abs=0.02)


MEMORY = """
import torch
from nwedge import WedgeLandscape, gradient
landscape = WedgeLandscape({arguments})
points = landscape.initial({count}, torch.Generator().manual_seed(0))
loss, slope = landscape.loss(points), gradient(landscape, points)
torch.testing.assert_close((slope * points).sum(1), loss)  # homogeneous of degree 1
assert loss.min() > 0
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak) * 1024)  # of this program alone, where ru_maxrss counts that of the process that started it
"""


@pytest.mark.parametrize(
    ("arguments", "count"), [("10**7, 10**6", 2), ("10**8, 5 * 10**7", 1), ("10**5, 500, wedges=1000", 64)]
)
def test_huge_landscapes_fit_in_two_gibibytes(arguments, count):
    script = MEMORY.format(arguments=arguments, count=count)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2 * 2**30
