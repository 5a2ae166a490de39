"""The wedge model in JAX has the numbers of the one in torch."""

import inspect
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax")

import nwedge  # noqa: E402
from nwedge._random import derive  # noqa: E402
from nwedge.adapters.jax import JaxWedges  # noqa: E402
from nwedge.adapters.jax import wedges as module  # noqa: E402
from nwedge.landscapes.profiles import PROFILES  # noqa: E402
from nwedge.landscapes.wedges import WedgeLandscape  # noqa: E402

DIM = 9
FAMILIES: dict[str, dict[str, Any]] = {
    "complete-axes": {"dim": DIM, "short": 4},
    "complete-random": {"dim": DIM, "short": 4, "oriented": "random"},
    "sampled-axes": {"dim": DIM, "short": 4, "wedges": 4},
    "sampled-random": {"dim": DIM, "short": 4, "wedges": 4, "oriented": "random"},
    "unequal-axes": {"dim": DIM, "short": (4, 0, 9, 3), "wedges": 4},
    "unequal-random": {"dim": DIM, "short": (4, 2, 9, 3), "wedges": 4, "oriented": "random"},
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def both(**arguments):
    return WedgeLandscape(**arguments), JaxWedges(**arguments)


def assert_close(found, expected, scale, dtype):
    """Each row differs by no more than the tolerance times its scale."""
    gap = (found - expected).abs()
    rows = gap if gap.ndim == 1 else gap.amax(1)
    assert bool((rows <= TOLERANCE[dtype] * scale + torch.finfo(dtype).eps).all()), (rows / scale).max()


def assert_alike(torch_wedges, jax_wedges, points, vectors):
    dtype = points.dtype
    losses = nwedge.evaluate(torch_wedges, points)
    assert_close(nwedge.evaluate(jax_wedges, points), losses, losses, dtype)
    slopes = nwedge.gradient(torch_wedges, points)
    steepness = slopes.norm(dim=1)
    assert_close(nwedge.gradient(jax_wedges, points), slopes, steepness, dtype)
    products = nwedge.hvp(torch_wedges, points, vectors)
    # a Hessian may be 0 up to the rounding of its terms, of the size |g| |v| / |P_S|, and |P_S| >= d
    terms = steepness * vectors.norm(dim=1) / torch_wedges.distance(points).clamp(min=1e-2)
    assert_close(nwedge.hvp(jax_wedges, points, vectors), products, products.norm(dim=1) + terms, dtype)


@st.composite
def arguments(draw):
    wedges = draw(st.sampled_from([None, 4]))
    counts = st.integers(0, DIM)
    short = draw(counts if wedges is None else st.one_of(counts, st.tuples(*[counts] * 4)))
    return {
        "dim": DIM,
        "short": short,
        "wedges": wedges,
        "oriented": draw(st.sampled_from(["axes", "random"])),
        "thickness": draw(st.sampled_from([0.0, 0.3, 1.1])),
        "profile": draw(st.sampled_from(PROFILES)),
        "width": draw(st.floats(0.3, 3.0)),
        "seed": draw(st.integers(0, 10**6)),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
    }


@settings(deadline=None, max_examples=16)
@given(arguments=arguments(), seed=st.integers(0, 10**6))
def test_agrees_with_torch(arguments, seed):
    """Losses, gradients and Hessian-vector products: 1e-5 in float32 and 1e-10 in float64."""
    torch_wedges, jax_wedges = both(**arguments)
    points = torch_wedges.initial(5, derive(seed, "points"))
    vectors = torch_wedges.initial(5, derive(seed, "vectors"))
    assert_alike(torch_wedges, jax_wedges, points, vectors)
    torch.testing.assert_close(jax_wedges.distance(points), torch_wedges.distance(points), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_torch_in_every_family(family):
    dtype = torch.float64 if family.endswith("random") else torch.float32
    pair = both(**FAMILIES[family], profile="saturating", thickness=0.3, dtype=dtype, seed=3)
    points, vectors = pair[0].initial(5, derive(1, "points")), pair[0].initial(5, derive(1, "vectors"))
    assert_alike(*pair, points, vectors)


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("complete-axes", {"profile": "saturating", "noise": 0.3}),
        ("unequal-random", {"profile": "squared", "thickness": 0.4, "dtype": torch.float64}),
    ],
)
def test_keeps_the_contract(family, more):
    nwedge.check_landscape(JaxWedges(**FAMILIES[family], **more))


def test_has_the_constructor_and_the_wedges_of_torch():
    assert inspect.signature(JaxWedges) == inspect.signature(WedgeLandscape)
    torch_wedges, jax_wedges = both(dim=30, short=(3, 5, 4), wedges=3, seed=7)
    points = torch_wedges.initial(6, derive(0, "points"))
    assert torch.equal(torch_wedges.axes, jax_wedges.axes)
    assert torch.equal(torch_wedges.nearest(points), jax_wedges.nearest(points))
    assert torch.equal(torch_wedges.containing(points, 0.9), jax_wedges.containing(points, 0.9))
    with pytest.raises(ValueError, match="points must have shape"):
        jax_wedges.loss(points[:, :5])


@pytest.mark.parametrize("family", ["complete-axes", "sampled-random"])
def test_the_torch_version_is_not_what_computes(family, monkeypatch):
    landscape = JaxWedges(**FAMILIES[family])
    points = landscape.initial(3, derive(0, "points"))
    monkeypatch.setattr(WedgeLandscape, "_squares", None)
    monkeypatch.setattr(type(landscape._family), "find", None)
    nwedge.hvp(landscape, points, landscape.distance(points)[:, None] * points)
    nwedge.short_directions(landscape, points[0], [0.1], generator=derive(0))


@pytest.mark.parametrize(
    ("profile", "thicknesses"), [("distance", (0.0, 0.4)), ("squared", (0.0,)), ("saturating", (0.0,))]
)
def test_derivatives_on_the_wedge_are_those_of_torch(profile, thicknesses):
    for thickness in thicknesses:
        pair = both(dim=6, short=3, profile=profile, thickness=thickness, dtype=torch.float64)
        points = torch.tensor([[0.0, 0, 0, 1, 2, 3], [4, 0, 1, 0, -2, 0]], dtype=torch.float64)
        vectors = torch.ones_like(points)
        assert pair[1].loss(points).tolist() == [0, 0]
        assert not pair[1].gradient(points).any()
        assert torch.equal(pair[1].hvp(points, vectors), nwedge.hvp(pair[0], points, vectors))


def test_at_the_origin_the_hessian_is_that_of_one_wedge():
    landscape = JaxWedges(6, 2, profile="squared", dtype=torch.float64)
    origin = torch.zeros(6, 6, dtype=torch.float64)
    hessian = landscape.hvp(origin, torch.eye(6, dtype=torch.float64))
    assert torch.linalg.eigvalsh(hessian).tolist() == [0, 0, 0, 0, 2, 2]


@pytest.mark.parametrize("family", ["complete-axes", "sampled-axes", "sampled-random"])
def test_nan_stays_nan_in_its_row(family):
    pair = both(**FAMILIES[family], seed=3)
    points = pair[0].initial(4, derive(2, "points"))
    points[1] = torch.nan
    assert pair[1].loss(points).isnan().tolist() == [False, True, False, False]
    assert pair[1].gradient(points).isnan().any(1).tolist() == [False, True, False, False]
    assert torch.equal(pair[0].loss(points).isnan(), pair[1].loss(points).isnan())


def test_the_loss_and_the_distance_are_differentiable():
    pair = both(**FAMILIES["sampled-random"], profile="saturating", thickness=0.2, dtype=torch.float64)
    slopes = []
    for landscape in pair:
        points = landscape.initial(4, derive(0, "points")).requires_grad_()
        total = (landscape.loss(points) * landscape.distance(points) ** 2).sum()
        (first,) = torch.autograd.grad(total, points, create_graph=True)
        (second,) = torch.autograd.grad((first**2).sum(), points)
        slopes.append((first.detach(), second))
    torch.testing.assert_close(slopes[0], slopes[1])


def test_chunks_give_the_same(monkeypatch):
    landscape = JaxWedges(**FAMILIES["unequal-random"])
    points = landscape.initial(23, derive(0, "points"))
    whole = landscape.loss(points), landscape.gradient(points)
    landscape._chunk = 5
    seen = []
    padded = module._padded
    monkeypatch.setattr(module, "_padded", lambda rows: seen.append(len(rows)) or padded(rows))
    parts = landscape.loss(points), landscape.gradient(points)
    torch.testing.assert_close(parts, whole)
    assert max(seen) == 5
    assert landscape.loss(points[:0]).shape == (0,)


def test_few_sizes_are_compiled():
    landscape = JaxWedges(5, 2)
    before = module.losses._cache_size()
    for count in range(9, 33):
        landscape.loss(torch.ones(count, 5))
    JaxWedges(5, 3, width=2.0, seed=4).loss(torch.ones(30, 5))
    assert module.losses._cache_size() - before <= 8
    for count in range(1, 1000):
        assert count <= len(module._padded(torch.ones(count, 1))) <= max(count + 3, 1.25 * count)


@pytest.mark.parametrize("setting", [False, True])
def test_the_users_precision_does_not_matter(setting):
    for dtype in (torch.float32, torch.float64):
        pair = both(**FAMILIES["sampled-random"], dtype=dtype, profile="saturating")
        points = pair[0].initial(4, derive(0, "points"))
        with jax.enable_x64(setting):
            assert_alike(*pair, points, points + 1)
            assert jax.config.jax_enable_x64 == setting


def test_a_device_that_jax_does_not_see_is_refused():
    with pytest.raises(ValueError, match="JAX sees no device for torch's meta"):
        JaxWedges(5, 2, device="meta")
