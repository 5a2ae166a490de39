"""Charts: what they embed to, that they are differentiable, and what they refuse."""

import itertools

import pytest
import torch

from nwedge._random import derive
from nwedge.geometry import Bezier, Chart, Line, Path, Plane, RandomSubspace, Sheet, VertexChart

DIM = 7


def points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, DIM, generator=derive(seed, "points"), dtype=torch.float64)


def charts() -> dict[str, Chart]:
    a, b = points(2)
    return {
        "line": Line(a, b),
        "plane": Plane(a, b),
        "path": Path(points(5)),
        "bezier": Bezier(points(4)),
        "sheet": Sheet(points(3)),
        **{kind: RandomSubspace(DIM, 3, kind, seed=1, dtype=torch.float64) for kind in ("dense", "hadamard", "sparse")},
    }


@pytest.mark.parametrize("name", charts())
def test_charts_keep_the_protocol(name: str) -> None:
    chart = charts()[name]
    assert isinstance(chart, Chart)
    coords = chart.coordinates(6, derive(0, "coords"))
    assert coords.shape == (6, chart.dim)
    assert chart.embed(coords).shape == (6, DIM)
    assert torch.equal(coords, chart.coordinates(6, derive(0, "coords")))
    with pytest.raises(ValueError, match=rf"coords must have shape \(batch, {chart.dim}\); got \(2, {chart.dim + 1}\)"):
        chart.embed(torch.zeros(2, chart.dim + 1, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"torch\.float64; got torch.float32"):
        chart.embed(coords.float())


@pytest.mark.parametrize("name", ["path", "bezier", "sheet"])
def test_vertex_charts_are_affine_combinations_of_their_vertices(name: str) -> None:
    chart = charts()[name]
    assert isinstance(chart, VertexChart)
    rows, weights = chart.terms(chart.coordinates(50, derive(1)))
    assert ((rows >= 0) & (rows < len(chart.vertices))).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(50, dtype=torch.float64))
    assert (weights >= -1e-12).all()
    shift = torch.ones(DIM, dtype=torch.float64)
    coords = chart.coordinates(4, derive(2))
    torch.testing.assert_close(chart.moved(chart.vertices + shift).embed(coords), chart.embed(coords) + shift)


def test_a_line_runs_from_a_to_b_and_beyond() -> None:
    a, b = points(2)
    t = torch.tensor([[0.0], [1.0], [-1.0], [0.25]], dtype=torch.float64)
    torch.testing.assert_close(Line(a, b).embed(t), torch.stack([a, b, 2 * a - b, 0.75 * a + 0.25 * b]))


def test_a_plane_neither_normalises_nor_orthogonalises() -> None:
    u, v = points(2)
    c = torch.tensor([[2.0, -3.0], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(Plane(u, v).embed(c), torch.stack([2 * u - 3 * v, v]))


def test_planes_and_lines_refuse_what_does_not_fit() -> None:
    u, v = points(2)
    with pytest.raises(ValueError, match="axis v of a plane must not be zero"):
        Plane(u, 0 * v)
    with pytest.raises(ValueError, match=r"a and b must have the same shape; got torch.Size\(\[7\]\)"):
        Line(u, v[:-1])
    with pytest.raises(ValueError, match="u and v must have the same dtype"):
        Plane(u, v.float())
    with pytest.raises(ValueError, match="flat vector"):
        Line(u[None], v[None])


@pytest.mark.parametrize("kind", [Path, Bezier])
def test_curves_start_and_end_at_their_ends(kind: type[Path] | type[Bezier]) -> None:
    vertices = points(5)
    ends = kind(vertices).embed(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    torch.testing.assert_close(ends, vertices[[0, -1]])
    assert kind(vertices).free == (1, 2, 3)


def test_a_path_passes_its_vertices_at_even_times() -> None:
    vertices = points(5)
    t = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    torch.testing.assert_close(Path(vertices).embed(t), vertices)
    half = Path(vertices).embed(torch.tensor([[1 / 8]], dtype=torch.float64))
    torch.testing.assert_close(half[0], (vertices[0] + vertices[1]) / 2)


def test_a_bezier_curve_is_de_casteljaus() -> None:
    vertices, t = points(4), 0.3
    rows = list(vertices)
    while len(rows) > 1:
        rows = [(1 - t) * left + t * right for left, right in itertools.pairwise(rows)]
    torch.testing.assert_close(Bezier(vertices).embed(torch.tensor([[t]], dtype=torch.float64))[0], rows[0])


def test_straight_curves_lie_on_the_line_and_have_its_length() -> None:
    a, b = points(2)
    coords = Path.straight(a, b, 3).coordinates(5, derive(0))
    for kind in (Path, Bezier):
        curve = kind.straight(a, b, 3)
        torch.testing.assert_close(curve.embed(coords), Line(a, b).embed(coords))
        assert curve.length() == pytest.approx((b - a).norm().item())


def test_lengths() -> None:
    vertices = points(5) + 100
    assert Path(vertices).length() == pytest.approx(vertices.diff(dim=0).norm(dim=1).sum().item())
    circle = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    assert Bezier(circle).length() == pytest.approx(1.6232, abs=1e-4)  # the arc length integral, by scipy's quad


def test_a_path_needs_two_vertices() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Path(points(1))
