"""Losses with known error: held to a slow reference, to the full evaluation, and to their stated errors."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nwedge import NetworkLandscape, WedgeLandscape, descend, estimate, evaluate, restrict
from nwedge._random import choose, derive, permutation
from nwedge.geometry import Plane
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.estimation import ANCHORS, FIRST, GROWTH, SHARE, Estimate

TOLERANCE, FLOOR = 0.02, 0.1


class Table:
    """A landscape whose point p has the losses of row p of a table, shape (points, examples)."""

    dim, device = 1, torch.device("cpu")

    def __init__(self, table: Tensor) -> None:
        self.table, self.dtype = table, table.dtype
        self.examples = table.shape[1]

    @property
    def points(self) -> Tensor:
        return torch.arange(len(self.table), dtype=self.dtype)[:, None]

    def loss(self, points: Tensor) -> Tensor:
        return self.example_losses(points).mean(1)

    def initial(self, count: int, generator: torch.Generator) -> Tensor:
        return choose(len(self.table), count, generator).to(self.dtype)[:, None]

    def minibatch(self, generator: torch.Generator) -> "Table":
        return self

    def take(self, indices: Tensor) -> "Table":
        return Table(self.table[:, indices])

    def example_losses(self, points: Tensor) -> Tensor:
        return self.table[points[:, 0].long()]


def heavy_tailed(points: int, examples: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Table:
    """Cross-entropies of two classes, log(1 + exp(margin)): most near 0, few large, of the same examples everywhere."""
    generator = derive(seed, "table")
    hardness = torch.randn(3, examples, generator=generator, dtype=torch.float64)
    where = torch.rand(points, 3, generator=generator, dtype=torch.float64)
    own = torch.randn(points, examples, generator=generator, dtype=torch.float64)
    return Table(softplus(6 * (where @ hardness + 0.3 * own) - 5).to(dtype))


def slow(landscape: Table, generator: torch.Generator) -> Estimate:
    """One point after another, every fit anew, by NumPy's least squares."""
    table, total = landscape.table.double().numpy(), landscape.examples
    order = permutation(total, generator).numpy()
    anchors = choose(len(table), min(ANCHORS, len(table) // SHARE), generator).numpy()
    known = table[anchors].T - table[anchors].mean(1)
    found = []
    for point, losses in enumerate(table):
        count = total if point in anchors else FIRST
        while True:
            rows = order[:count]
            design = np.column_stack([np.ones(count), known[rows]])
            weights, *_ = np.linalg.lstsq(design, losses[rows], rcond=None)
            rest = np.square(losses[rows] - design @ weights).sum() / (count - design.shape[1])
            error = np.sqrt(rest * np.linalg.pinv(design.T @ design)[0, 0] * (1 - count / total))
            if count == total or error <= TOLERANCE * max(abs(weights[0]), FLOOR):
                break
            count = min(total, max(FIRST, round(count * GROWTH)))
        found.append((weights[0], error, count))
    losses, errors, counts = map(torch.tensor, zip(*found, strict=True))
    return Estimate(losses, errors, counts)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("points", [5, 250])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_slow_reference(points, seed, dtype) -> None:
    landscape = heavy_tailed(points, 4000, seed, dtype)
    fast = estimate(landscape, landscape.points, tolerance=TOLERANCE, floor=FLOOR, generator=derive(seed))
    expected = slow(landscape, derive(seed))
    assert fast.losses.dtype == fast.standard_errors.dtype == dtype
    assert torch.equal(fast.examples, expected.examples)
    torch.testing.assert_close(fast.losses, expected.losses.to(dtype), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(fast.standard_errors, expected.standard_errors.to(dtype), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("points", [40, 400])
def test_the_true_loss_lies_within_three_standard_errors(points) -> None:
    landscape = heavy_tailed(points, 30_000)
    truth = landscape.table.mean(1)
    inside, evaluations = [], 0.0
    for seed in range(30):
        found = estimate(landscape, landscape.points, tolerance=0.05, floor=FLOOR, generator=derive(seed))
        allowed = 0.05 * found.losses.abs().clamp(min=FLOOR)
        assert (found.standard_errors <= allowed).all()
        inside.append(((found.losses - truth).abs() <= 3 * found.standard_errors + 1e-12).double().mean())
        evaluations += found.examples.double().mean().item() / 30
    assert torch.stack(inside).mean() >= 0.99
    assert evaluations < 30_000 / 4


def test_anchors_save_evaluations() -> None:
    landscape = heavy_tailed(400, 20_000)
    options = {"tolerance": 0.03, "floor": FLOOR}
    together = estimate(landscape, landscape.points, **options, generator=derive(0)).examples.sum()
    apart = sum(
        estimate(landscape, part, **options, generator=derive(0)).examples.sum() for part in landscape.points.split(50)
    )
    assert together < apart / 2


def test_a_plane_through_an_optimum_of_a_network() -> None:
    x = torch.randn(20_000, 6, generator=derive(0, "x"))
    y = (x[:, :3] + 0.5 * torch.randn(20_000, 3, generator=derive(0, "noise"))).argmax(1)
    network = NetworkLandscape(mlp(6, 3, (8,)), (x, y))
    optimum = descend(
        network, network.initial(1, derive(1)), optimizer="adam", lr=0.05, steps=150, generator=derive(2)
    ).points[0]
    u, v = torch.randn(2, network.dim, generator=derive(3))
    seen = restrict(network, Plane(u, v), optimum)
    axis = torch.linspace(-1, 1, 21)
    coords = torch.cartesian_prod(axis, axis)
    truth = evaluate(seen, coords)
    inside = []
    for seed in range(5):
        found = estimate(seen, coords, tolerance=TOLERANCE, floor=FLOOR, generator=derive(seed))
        inside.append(((found.losses - truth).abs() <= 3 * found.standard_errors + 1e-5 * truth).double().mean())
        assert found.examples.sum() * 5 < len(coords) * network.examples
    assert torch.stack(inside).mean() >= 0.99


def test_a_tolerance_that_no_sample_meets_takes_all_examples() -> None:
    landscape = heavy_tailed(120, 3000)
    found = estimate(landscape, landscape.points, tolerance=1e-9, floor=1e-9, generator=derive(0))
    assert (found.examples == 3000).all()
    assert (found.standard_errors == 0).all()
    torch.testing.assert_close(found.losses, landscape.table.mean(1))


@pytest.mark.parametrize("count", [1, 2, 20, FIRST, FIRST + 1])
def test_few_examples_are_all_seen(count) -> None:
    landscape = heavy_tailed(300, count)
    found = estimate(landscape, landscape.points, tolerance=1e-9, floor=1e-9, generator=derive(0))
    assert (found.examples == count).all()
    assert (found.standard_errors == 0).all()
    torch.testing.assert_close(found.losses, landscape.table.mean(1))


def test_losses_that_are_not_finite_stay_so_and_are_seen_on_few_examples() -> None:
    landscape = heavy_tailed(200, 20_000)
    landscape.table[::5] = torch.nan
    landscape.table[1::5] = torch.inf
    found = estimate(landscape, landscape.points, tolerance=0.05, floor=FLOOR, generator=derive(0))
    assert torch.equal(found.losses.isnan(), landscape.table.isnan().any(1))
    assert torch.equal(found.losses.isinf(), landscape.table.isinf().any(1))
    assert torch.equal(found.standard_errors.isnan(), ~found.losses.isfinite())
    seen = found.examples[~found.losses.isfinite()]
    assert set(seen.unique().tolist()) <= {FIRST, 20_000}  # an anchor is seen on all
    clean = found.losses.isfinite()
    errors = (found.losses - landscape.table.mean(1))[clean].abs() / found.standard_errors[clean].clamp(min=1e-12)
    assert errors.max() < 5


def test_points_that_are_all_one_and_losses_that_are_all_one() -> None:
    for table in (heavy_tailed(1, 5000).table.expand(300, -1), torch.full((300, 5000), 2.5, dtype=torch.float64)):
        found = estimate(Table(table), Table(table).points, tolerance=TOLERANCE, floor=FLOOR, generator=derive(0))
        assert (found.examples == FIRST).sum() == 297
        torch.testing.assert_close(found.losses, table.mean(1))


def test_no_points_have_no_losses_and_the_same_generator_gives_the_same() -> None:
    landscape = heavy_tailed(150, 3000)
    none = estimate(landscape, landscape.points[:0], tolerance=0.1, floor=FLOOR, generator=derive(0))
    assert [len(getattr(none, one.name)) for one in dataclasses.fields(none)] == [0, 0, 0]
    first, again = (
        estimate(landscape, landscape.points, tolerance=0.1, floor=FLOOR, generator=derive(4)) for _ in range(2)
    )
    assert torch.equal(first.losses, again.losses)


def test_what_cannot_be_estimated_is_refused() -> None:
    wedges = WedgeLandscape(20, 3)
    with pytest.raises(TypeError, match=r"WedgeLandscape has no `example_losses`: use nwedge\.evaluate"):
        estimate(wedges, wedges.initial(2, derive(0)), tolerance=0.1, floor=0.1, generator=derive(0))
    landscape = heavy_tailed(3, 10)
    for options in ({"tolerance": 0.0, "floor": 0.1}, {"tolerance": 0.1, "floor": 0.0}):
        with pytest.raises(ValueError, match="must be positive and finite; got 0"):
            estimate(landscape, landscape.points, **options, generator=derive(0))
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    network = NetworkLandscape(model, (torch.randn(30, 4), torch.arange(30) % 3), batch_norm="recompute")
    with pytest.raises(ValueError, match="cannot be estimated from few"):
        estimate(network, network.initial(2, derive(0)), tolerance=0.1, floor=0.1, generator=derive(0))
