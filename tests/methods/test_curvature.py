"""Curvature: spectra that are known, estimates held to them, meetings of wedges, controls, networks."""

import math

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape, WedgeLandscape
from nwedge._random import derive, normal
from nwedge.landscape import Landscape
from nwedge.landscapes.controls import FlatBall, Groove, QuadraticBowl
from nwedge.methods.curvature import ShortDirections, SmoothedHessian, _check_point, short_directions
from nwedge.methods.eigenvectors import largest_eigenvectors
from nwedge.methods.lanczos import Quadrature, lanczos

THRESHOLDS = (0.3, 0.03, 0.003)
F64 = torch.float64


class Powers:
    """A landscape without data: sum of c_i x_i^power in random orthogonal axes, or in the given ones."""

    def __init__(self, scales: Tensor, power: int = 2, *, rotated: bool = True) -> None:
        self.scales, self.power = scales, power
        self.dim, self.dtype, self.device = len(scales), scales.dtype, scales.device
        draws = normal((self.dim, self.dim), derive(0, "axes"), dtype=self.dtype, device=self.device)
        self.axes = torch.linalg.qr(draws).Q if rotated else torch.eye(self.dim, dtype=self.dtype)

    def loss(self, points: Tensor) -> Tensor:
        return (points @ self.axes).pow(self.power) @ self.scales

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return normal((count, self.dim), generator, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: torch.Generator) -> "Powers":
        return self


def quadratic(eigenvalues: Tensor) -> Powers:
    return Powers(eigenvalues / 2)


def count(
    landscape: Landscape, point: Tensor, thresholds: tuple[float, ...] = THRESHOLDS, **options
) -> ShortDirections:
    options.setdefault("generator", derive(0, "count"))
    return short_directions(landscape, point, thresholds, **options)


def decaying(dim: int, dtype: torch.dtype) -> Tensor:
    """Eigenvalues that decay as those of a trained network: a few large ones, a long tail, some below 0."""
    ranks = torch.arange(1, dim + 1, dtype=F64)
    return (1.5 * ranks.pow(-1.2) - 0.001).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_exact_counts_are_those_of_the_known_spectrum(dtype: torch.dtype) -> None:
    eigenvalues = decaying(120, dtype)
    landscape = quadratic(eigenvalues)
    found = count(landscape, landscape.initial(1, derive(1))[0])
    assert (found.method, found.products, found.radius) == ("exact", 120, 0.0)
    assert found.counts.tolist() == [(eigenvalues > threshold).sum().item() for threshold in THRESHOLDS]
    assert found.standard_errors.tolist() == [0.0] * 3
    assert found.thresholds.tolist() == list(THRESHOLDS)
    torch.testing.assert_close(found.top, eigenvalues.double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_lanczos_counts_agree_with_the_known_spectrum_within_their_errors(dtype: torch.dtype) -> None:
    eigenvalues = decaying(800, dtype)
    landscape = quadratic(eigenvalues)
    true = torch.tensor([(eigenvalues > threshold).sum().item() for threshold in THRESHOLDS], dtype=F64)
    deviations = []
    for seed in range(8):
        found = count(landscape, landscape.initial(1, derive(1))[0], method="lanczos", generator=derive(seed))
        assert (found.method, found.products) == ("lanczos", 120)
        assert found.counts[0].item() == pytest.approx(true[0].item()), "the largest are found one by one"
        assert found.standard_errors[0] < 0.01
        torch.testing.assert_close(found.top[:8], eigenvalues[:8].double(), rtol=1e-4, atol=0)
        deviations.append((found.counts - true)[1:] / found.standard_errors[1:].clamp(min=0.05))
        assert ((found.counts - true).abs() <= 0.2 * true).all()
    assert torch.stack(deviations).abs().max() < 3


def test_large_landscapes_are_estimated_by_themselves() -> None:
    bowl = QuadraticBowl(1501)
    found = count(bowl, bowl.centre, (0.09, 2.0))
    assert (found.method, found.products) == ("lanczos", 120)
    assert found.counts.tolist() == pytest.approx([1501, 0], abs=0.01)


def test_more_products_find_all_of_them() -> None:
    eigenvalues = decaying(800, F64)
    landscape = quadratic(eigenvalues)
    found = count(landscape, landscape.initial(1, derive(1))[0], method="lanczos", steps=160)
    true = [(eigenvalues > threshold).sum().item() for threshold in THRESHOLDS]
    assert found.counts.tolist() == pytest.approx(true, rel=1e-6)
    assert found.standard_errors.max() < 1e-3


def quadrature(diagonal: Tensor, seed: int, *, probes: int = 2, steps: int = 30) -> tuple[Quadrature, Tensor]:
    """What Lanczos makes of a diagonal matrix, and the vectors that it asked products of, shape (2, vector, dim)."""
    asked = []

    def products(rows: Tensor) -> Tensor:
        asked.append(rows.view(2, probes, -1))
        return rows * diagonal

    found = lanczos(
        products,
        len(diagonal),
        probes=probes,
        steps=steps,
        generator=derive(seed),
        dtype=diagonal.dtype,
        device=diagonal.device,
    )
    return found, torch.cat(asked, 1)


def test_a_multiple_eigenvalue_is_counted_without_bias_and_its_error_is_the_spread_over_seeds() -> None:
    diagonal = torch.zeros(1000, dtype=F64)
    diagonal[:60] = 2.0
    results = []
    for seed in range(200):
        found, _ = quadrature(diagonal, seed)
        results.append(found.count_above(0.1))
        assert found.values.shape[1] == 4, "two different eigenvalues take two steps"
    counts, errors = torch.tensor(results).unbind(1)
    assert abs(counts.mean().item() - 60) < 3 * counts.std().item() / 200**0.5
    assert errors.square().mean().sqrt().item() == pytest.approx(counts.std().item(), rel=0.15)


def test_errors_cover_what_the_steps_do_not_resolve_and_what_is_in_doubt() -> None:
    diagonal = decaying(1600, F64)
    for threshold, steps in ((0.03, 30), (0.001, 15)):
        true = (diagonal > threshold).sum().item()
        found = [quadrature(diagonal, seed, steps=steps)[0].count_above(threshold) for seed in range(100, 130)]
        scores = torch.tensor([(count - true) / max(error, 0.05) for count, error in found])
        assert scores.abs().max() < 3
        assert scores.square().mean() < 1.5


def test_the_count_follows_its_definition_where_the_two_blocks_differ() -> None:
    dim, threshold = 50, 0.1
    weights = torch.tensor([[[0.3, 0.1, 0.2, 0.4]], [[0.2, 0.1, 0.1, 0.6]]], dtype=F64)
    overlaps = torch.tensor([[[0.15, 0.05, 0.2, 0.3]], [[0.25, 0.02, 0.1, 0.3]]], dtype=F64)
    values = torch.tensor([[2.0, 0.5, 0.2, 0.05], [3.0, 0.4, 0.05, -1.0]], dtype=F64)
    residuals = torch.tensor([[0.0, 0.01, 0.09, 0.04], [0.0, 0.3, 0.0, 0.0]], dtype=F64)
    # the first block finds 2.0 and 0.5; 0.2 and 0.05 are blurred. The second finds 3.0; 0.4 is blurred, 0.05 is not.
    share = math.log(2) / math.log(4)
    first = 0.3 + 0.1 + 0.2 - 0.2 / 2 + share * (0.2 + 0.4) / 2
    second = 0.2 + 0.1 - 0.1 / 2 + math.log(4) / math.log(8) * 0.1 / 2
    c = [49 * (first - 0.15) / (1 - 0.15), 48 * (second - 0.25 - 0.02) / (1 - 0.25 - 0.02)]
    bounds = (49 * 0.6 / 0.85 + 48 * 0.1 / 0.73) / 2
    variance = bounds**2 / 12 + 1 / 4
    for rest, estimate in zip((49, 48), c, strict=True):
        several = max(1, estimate)
        variance += 2 * several * (rest - several) * (rest - 1) / ((rest - 1) * (rest + 2)) / 4
    count, error = Quadrature(dim, values, residuals, weights, overlaps).count_above(threshold)
    assert count == pytest.approx((1 + c[0] + 2 + c[1]) / 2)
    assert error == pytest.approx(variance**0.5)
    assert c[1] < 1, "so that an eigenvalue in doubt counts as one"


def test_lanczos_takes_no_more_steps_than_there_are_dimensions() -> None:
    landscape = quadratic(decaying(40, F64))
    assert count(landscape, landscape.initial(1, derive(1))[0], method="lanczos").products == 40


@pytest.mark.parametrize("different", [2, 3, 5, 500])
def test_the_vectors_of_lanczos_are_orthonormal_even_where_a_few_directions_are_all_there_is(different: int) -> None:
    diagonal = torch.zeros(500, dtype=F64)
    diagonal[:different] = torch.linspace(2, 1, different, dtype=F64)
    found, basis = quadrature(diagonal, 0, steps=60)
    size = basis.shape[1]
    assert size < 500
    torch.testing.assert_close(basis @ basis.mT, torch.eye(size, dtype=F64).expand(2, -1, -1), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.weights.sum(2), torch.ones(2, 2, dtype=F64))
    if different < 10:
        assert found.count_above(0.1)[0] == pytest.approx(different)


def test_the_ball_has_the_relative_radius_asked_for() -> None:
    landscape = Powers(torch.full((50,), 1 / 12, dtype=F64), 4, rotated=False)  # Hessian diag(x^2)
    point = landscape.initial(1, derive(3))[0]
    hessian = SmoothedHessian(landscape, point, radius=0.3, draws=2000, generator=derive(4))
    matrix = hessian.matrix()
    assert (hessian.draws, hessian.multiplied) == (2000, 50)
    widened = (matrix.diagonal() - point.square()).mean()
    assert widened.item() == pytest.approx(0.3**2 * point.square().mean().item(), rel=0.07)
    other = SmoothedHessian(landscape, point, radius=0.3, draws=2000, generator=derive(4)).matrix()
    assert torch.equal(matrix, other), "the draws are fixed by the generator"


@pytest.mark.parametrize("radius", [0.05, 0.2])
@pytest.mark.parametrize("met", [1, 2, 3, 5])
def test_where_wedges_meet_the_ball_sees_the_union_and_the_point_one_of_them(met: int, radius: float) -> None:
    landscape = WedgeLandscape(300, 15, wedges=40, profile="squared", seed=met, dtype=F64)
    assert landscape.axes is not None
    union = landscape.axes[:met].unique()
    point = landscape.initial(1, derive(met, "start"))[0]
    point[union] = 0.0
    matrix = SmoothedHessian(landscape, point, radius=radius, generator=derive(met)).matrix()
    assert torch.equal((matrix.diagonal() > 0.1).nonzero()[:, 0], union)
    smoothed = count(landscape, point, (0.1,), radius=radius)
    assert smoothed.counts.item() == len(union)
    assert count(landscape, point, (0.1,)).counts.item() == 15
    if met in (1, 3):
        estimate = count(landscape, point, (0.1,), radius=radius, method="lanczos")
        error = estimate.standard_errors.item()
        assert abs(estimate.counts.item() - len(union)) <= max(3 * error, 0.05)


def test_controls_have_the_counts_that_are_known() -> None:
    for radius in (0.0, 0.05):
        bowl = QuadraticBowl(60, dtype=F64)
        everywhere = count(bowl, bowl.initial(1, derive(5))[0], (0.09, 0.5), radius=radius, draws=20)
        assert everywhere.counts.tolist() == [60, (bowl.curvatures > 0.5).sum().item()]
        groove = Groove(60, dtype=F64)
        assert count(groove, groove.initial(1, derive(6))[0], (0.1,), radius=radius, draws=20).counts.item() == 1
    ball = FlatBall(300, dtype=F64)
    optimum = ball.initial(1, derive(7))[0]
    optimum *= ball.radius / optimum.norm()
    smoothed = count(ball, optimum, (0.01,), radius=0.05)
    assert smoothed.counts.item() == 1
    assert 0 < smoothed.top[1] < 0.005


def network(dtype: torch.dtype, *, dropout: float = 0.0, batch_size: int = 16) -> tuple[NetworkLandscape, Tensor]:
    x = normal((96, 10), derive(8), dtype=torch.float32, device=torch.device("cpu"))
    labels = x[:, :3].argmax(1)
    layers = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3)).eval()
    landscape = NetworkLandscape(layers, (x, labels), dtype=dtype, batch_size=batch_size)
    return landscape, landscape.initial(1, derive(9))[0]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("radius", [0.0, 0.1])
def test_lanczos_agrees_with_the_exact_spectrum_of_a_network(dtype: torch.dtype, radius: float) -> None:
    landscape, point = network(dtype)
    levels = (0.1, 0.03, 0.01)
    exact = count(landscape, point, levels, radius=radius, generator=derive(10))
    assert exact.method == "exact"
    for probes, steps in ((4, 14), (2, 20)):
        found = count(
            landscape,
            point,
            levels,
            radius=radius,
            method="lanczos",
            probes=probes,
            steps=steps,
            generator=derive(10),
        )
        assert found.products == probes * steps
        assert ((found.counts - exact.counts).abs() <= 3 * found.standard_errors + 0.05).all()
        torch.testing.assert_close(found.top[:2], exact.top[:2], rtol=1e-3, atol=0)


def hessian_of(landscape: NetworkLandscape, point: Tensor) -> Tensor:
    return torch.autograd.functional.hessian(lambda row: landscape.loss(row[None])[0], point)  # pyright: ignore[reportReturnType]


def test_the_blocks_of_the_data_share_the_draws_and_cost_one_pass() -> None:
    landscape, point = network(F64)
    whole = hessian_of(landscape, point)
    for draws, used, passes in ((None, 12, 1), (4, 4, 1), (13, 13, 2)):
        hessian = SmoothedHessian(landscape, point, radius=1e-7, draws=draws, generator=derive(11))
        torch.testing.assert_close(hessian.matrix(), whole, atol=1e-6, rtol=0)
        centres = torch.cat([centres for _, centres in hessian._parts])
        assert hessian.draws == used == len(centres.unique(dim=0))
        assert len(hessian._parts) == 12 * passes
    wide = SmoothedHessian(landscape, point, radius=0.3, generator=derive(11)).matrix()
    assert (wide - whole).norm() > 0.05 * whole.norm()


def test_blocks_that_would_turn_dropout_on_are_not_used() -> None:
    landscape, point = network(F64, dropout=0.5)
    hessian = SmoothedHessian(landscape, point, radius=1e-7, generator=derive(12))
    assert hessian.draws == 10
    torch.testing.assert_close(hessian.matrix(), hessian_of(landscape, point), atol=1e-6, rtol=0)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.inner(x)[:, None].chunk(3, -1)
        return self.outer(nn.functional.scaled_dot_product_attention(query, key, value).mean((1, 2)))


def test_blocks_of_the_data_serve_attention_whose_fused_kernels_have_no_second_derivative() -> None:
    x = normal((24, 5, 4), derive(13), dtype=F64, device=torch.device("cpu"))
    landscape = NetworkLandscape(Attention(), (x, torch.arange(24) % 3), dtype=F64, batch_size=6, strategy="loop")
    point = landscape.initial(1, derive(14))[0]
    matrix = SmoothedHessian(landscape, point, radius=1e-7, generator=derive(15)).matrix()
    whole = SmoothedHessian(landscape, point, generator=derive(15)).matrix()
    torch.testing.assert_close(matrix, whole, atol=1e-6, rtol=0)


def test_a_hessian_that_is_not_finite_counts_nan() -> None:
    landscape = Powers(torch.full((20,), math.nan, dtype=F64), 2)
    for method, products in (("exact", 20), ("lanczos", 4)):
        found = count(landscape, torch.ones(20, dtype=F64), method=method)
        assert found.products == products
        assert found.counts.isnan().all()
        assert found.standard_errors.isnan().all()
        assert not len(found.top)


@pytest.mark.parametrize("dim", [20, 100])
def test_a_hessian_that_is_not_finite_has_no_eigenvectors(dim: int) -> None:
    landscape = Powers(torch.full((dim,), math.nan, dtype=F64), 2)
    hessian = SmoothedHessian(landscape, torch.ones(dim, dtype=F64), generator=derive(0))
    with pytest.raises(FloatingPointError, match="a Hessian-vector product is not finite"):
        largest_eigenvectors(hessian, 2, tolerance=0.01, generator=derive(1))


def test_a_landscape_without_curvature_counts_nothing() -> None:
    landscape = Powers(torch.ones(30, dtype=F64), 1)
    for method in ("exact", "lanczos"):
        found = count(landscape, torch.ones(30, dtype=F64), method=method)
        assert found.counts.tolist() == found.standard_errors.tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": ()}, "thresholds must be at least one positive curvature; got none"),
        ({"thresholds": (0.1, 0.0)}, "each threshold must be positive and finite; got 0.0"),
        ({"thresholds": (math.nan,)}, "each threshold must be positive and finite; got nan"),
        ({"thresholds": (math.inf,)}, "each threshold must be positive and finite; got inf"),
        ({"point": torch.zeros(19, dtype=F64)}, r"point must have shape \(batch, 20\); got \(1, 19\)"),
        ({"point": torch.full((20,), math.nan, dtype=F64)}, "point must be finite"),
        ({"point": torch.zeros(20, dtype=F64), "radius": 0.1}, "a relative radius means nothing around the origin"),
        ({"radius": -0.1}, "radius must be at least 0 and finite; got -0.1"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"method": "trace"}, "method must be one of 'auto', 'exact', 'lanczos'; got 'trace'"),
        ({"probes": 3}, "probes must be even"),
        ({"probes": 22, "method": "lanczos"}, "probes must be at most the dimension, 20; got 22"),
        ({"products": 1}, "products must be at least 2; got 1"),
        ({"steps": 0}, "steps must be at least 1; got 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    given = {"thresholds": (0.1,), "point": torch.ones(20, dtype=F64), "generator": derive(0)} | change
    with pytest.raises(ValueError, match=message):
        short_directions(QuadraticBowl(20, dtype=F64), **given)


def test_a_point_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"shape \(20,\), without a batch axis; got \(1, 20\)"):
        _check_point(QuadraticBowl(20), torch.zeros(1, 20))  # the annotations of public functions are checked in tests


def test_a_matrix_too_large_is_refused() -> None:
    landscape = QuadraticBowl(9000)
    with pytest.raises(ValueError, match="up to 8192 dimensions; got 9000: use method='lanczos'"):
        count(landscape, torch.ones(9000), method="exact")
