import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

import nwedge
from nwedge import WedgeLandscape
from nwedge.adapters.tensorflow import TensorFlowWedges
from nwedge.landscapes.profiles import PROFILES

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@st.composite
def arguments(draw: st.DrawFn) -> dict:
    dim = draw(st.integers(1, 12))
    wedges = draw(st.one_of(st.none(), st.integers(1, 5)))
    counts = st.integers(0, dim)
    short = draw(counts if wedges is None else st.one_of(counts, st.lists(counts, min_size=wedges, max_size=wedges)))
    return {
        "dim": dim,
        "short": short,
        "wedges": wedges,
        "oriented": draw(st.sampled_from(["axes", "random"])),
        "thickness": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "profile": draw(st.sampled_from(PROFILES)),
        "width": draw(st.sampled_from([1.5, 4.0])),
        "seed": draw(st.integers(0, 99)),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
    }


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(arguments(), st.integers(1, 6))
def test_losses_and_derivatives_are_those_of_torch(options, batch):
    ours, theirs = TensorFlowWedges(**options), WedgeLandscape(**options)
    points, vectors = (normal(batch, ours.dim, seed=seed, dtype=ours.dtype) for seed in (options["seed"], 100))
    roots = WedgeLandscape(**options | {"thickness": 0.0}).distance(points)
    terms = torch.where(roots > 0, vectors.norm(dim=1) / roots, 0)
    pairs = {
        "loss": (ours.loss(points), theirs.loss(points)),
        "distance": (ours.distance(points), theirs.distance(points)),
        "gradient": (nwedge.gradient(ours, points), nwedge.gradient(theirs, points)),
        "hvp": (nwedge.hvp(ours, points, vectors), nwedge.hvp(theirs, points, vectors)),
    }
    for name, (found, expected) in pairs.items():
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape, name
        error, size = (found - expected).abs().max(), expected.abs().max()
        if name == "hvp":  # a difference of terms of this size
            size = torch.maximum(size, terms.max())
        assert error <= TOLERANCE[ours.dtype] * size, (name, error, size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        {"short": 8, "noise": 0.1},
        {"short": 13, "oriented": "random", "profile": "squared"},
        {"short": [3, 9, 5], "wedges": 3, "profile": "saturating", "thickness": 0.3},
        {"short": 6, "wedges": 5, "oriented": "random", "noise": 0.1},
    ],
)
def test_the_contract(options, dtype):
    nwedge.check_landscape(TensorFlowWedges(20, **options, dtype=dtype))


def test_the_constructor_is_that_of_the_torch_model():
    assert inspect.signature(TensorFlowWedges) == inspect.signature(WedgeLandscape)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "options", [{"short": 3}, {"short": 5}, {"short": 2, "wedges": 3}, {"short": 3, "thickness": 1.0}]
)
def test_derivatives_are_zero_and_never_nan_at_distance_zero(options, profile):
    landscape = TensorFlowWedges(6, profile=profile, dtype=torch.float64, **options)
    origin = torch.zeros(1, 6, dtype=torch.float64)
    assert landscape.loss(origin).tolist() == [0.0]
    assert landscape.gradient(origin).abs().max() == 0
    product = landscape.hvp(origin, torch.ones_like(origin))
    flat = profile == "distance" or landscape.thickness > 0
    curvature = 0.0 if flat else (2.0 if profile == "squared" else 1.0) * landscape.short
    assert product.sum().item() == pytest.approx(curvature)


@pytest.mark.parametrize("oriented", ["axes", "random"])
@pytest.mark.parametrize("wedges", [None, 4])
def test_nan_coordinates_give_a_nan_loss(wedges, oriented):
    landscape = TensorFlowWedges(6, 5, wedges=wedges, oriented=oriented)
    points = normal(3, 6, dtype=torch.float32)
    points[1, 2] = float("nan")
    assert landscape.loss(points).isnan().tolist() == WedgeLandscape(6, 5, wedges=wedges).loss(points).isnan().tolist()
    assert landscape.loss(points).isnan().tolist() == [False, True, False]


def test_the_distance_is_differentiable_twice_whatever_the_profile():
    ours = TensorFlowWedges(8, 5, profile="squared", dtype=torch.float64)
    theirs = WedgeLandscape(8, 5, profile="squared", dtype=torch.float64)
    found = []
    for landscape in (ours, theirs):
        points = normal(2, 8).requires_grad_()
        (slope,) = torch.autograd.grad(landscape.distance(points).sum(), points, create_graph=True)
        (bend,) = torch.autograd.grad((slope * normal(2, 8, seed=1)).sum(), points)
        found.append((slope.detach(), bend))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)


def test_short_directions_are_counted_without_the_torch_version(monkeypatch):
    landscape = TensorFlowWedges(9, 3, wedges=4)
    point = landscape.initial(1, torch.Generator().manual_seed(0))[0]
    monkeypatch.setattr("nwedge.landscapes.families.Sampled.find", None)
    found = nwedge.short_directions(landscape, point, [1e-3], generator=torch.Generator())
    assert found.counts.item() == 2  # of 3 short directions the radial one is not curved


def test_what_depends_on_the_seed_alone_is_inherited():
    options = {"short": [2, 4, 1], "wedges": 3, "seed": 5, "dtype": torch.float64}
    ours, theirs, points = TensorFlowWedges(9, **options), WedgeLandscape(9, **options), normal(20, 9)
    assert torch.equal(ours.nearest(points), theirs.nearest(points))
    assert torch.equal(ours.containing(points, 1.0), theirs.containing(points, 1.0))
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    assert torch.equal(ours.initial(3, generators[0]), theirs.initial(3, generators[1]))


@pytest.mark.parametrize("options", [{"short": 3}, {"short": 2, "wedges": 4}])
def test_chunks_of_points_give_the_same_numbers(options):
    landscape, points = TensorFlowWedges(7, **options, dtype=torch.float64), normal(10, 7)
    whole = landscape.loss(points), landscape.gradient(points), landscape.hvp(points, points.flip(0))
    landscape._profiled._chunk = 3
    parts = landscape.loss(points), landscape.gradient(points), landscape.hvp(points, points.flip(0))
    torch.testing.assert_close(parts, whole, rtol=0, atol=0)


def test_the_memory_of_a_chunk_is_bounded():
    landscape = TensorFlowWedges(1000, 1, wedges=2000)
    assert landscape._profiled._chunk == 2**24 // 2000
    assert TensorFlowWedges(1000, 500)._profiled._chunk == 2**24 // 1000
    assert TensorFlowWedges(50, 3, wedges=100, oriented="random")._profiled._chunk == 2**24 // 301


def test_one_trace_serves_all_batch_sizes():
    landscape = TensorFlowWedges(5, 2)
    for batch in (1, 3, 8, 0):
        assert landscape.loss(torch.zeros(batch, 5)).shape == (batch,)
        assert landscape.gradient(torch.zeros(batch, 5)).shape == (batch, 5)
    assert landscape._profiled._loss.experimental_get_tracing_count() == 1
    assert landscape._profiled._both.experimental_get_tracing_count() == 1


def test_bad_points_and_arguments_are_refused():
    landscape = TensorFlowWedges(5, 2)
    with pytest.raises(ValueError, match=r"points must have shape \(batch, 5\)"):
        landscape.loss(torch.zeros(2, 4))
    with pytest.raises(TypeError, match=r"dtype torch\.float32"):
        landscape.gradient(torch.zeros(2, 5, dtype=torch.float64))
    with pytest.raises(ValueError, match="profile must be one of"):
        TensorFlowWedges(5, 2, profile="round")
    with pytest.raises(ValueError, match="device must be one that TensorFlow sees"):
        TensorFlowWedges(5, 2, device="meta")


def test_the_methods_run_on_it():
    landscape, generator = TensorFlowWedges(30, 10, profile="squared"), torch.Generator().manual_seed(0)
    ends = nwedge.descend(landscape, landscape.initial(2, generator), lr=0.3, steps=60, generator=generator).points
    found = nwedge.tunnel(landscape, *ends, steps=40, points=11, generator=generator)
    assert found.barrier < found.line_barrier
    counts = nwedge.short_directions(landscape, ends[0], [1.0], generator=generator).counts
    assert counts.tolist() == [10.0]
