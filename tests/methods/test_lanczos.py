"""Counts of Lanczos quadrature held to spectra that are known: how often the stated interval holds the truth."""

import pytest
import torch
from torch import Tensor

from nwedge import NetworkLandscape, descend, short_directions
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp
from nwedge.methods.curvature import allocate
from nwedge.methods.lanczos import lanczos

F64 = torch.float64
DIM, THRESHOLD, REPEATS = 400, 0.01, 40
DECAY = 10 ** torch.linspace(0, -6, DIM, dtype=F64)


def spread(*parts: tuple[float, float, int]) -> Tensor:
    """Eigenvalues evenly between two values, so many of each."""
    return torch.cat([torch.linspace(high, low, count, dtype=F64) for high, low, count in parts])


SPECTRA = {
    "decaying": DECAY,
    "half of it negative": torch.cat([DECAY[:200], -DECAY[200:]]),
    "two clusters and a floor": spread((1, 1, 30), (0.05, 0.05, 40), (1e-4, 1e-4, 330)),
    "a gap at the threshold": spread((2, 0.02, 60), (1e-3, -1e-3, 340)),
    "a narrow gap": spread((2, 0.011, 60), (0.009, -0.05, 340)),
    "an eigenvalue at the threshold": spread((2, 0.02, 60), (THRESHOLD, THRESHOLD, 1), (0.008, -0.05, 339)),
    "one just above, the rest negative": torch.cat([torch.tensor([1.01 * THRESHOLD], dtype=F64), -DECAY[1:]]),
    "flat below and above zero": spread((0.05, -0.05, 400)),
    "all above": spread((0.5, 0.5, 400)),
    "none above": torch.zeros(400, dtype=F64),
}


def estimates(diagonal: Tensor, probes: int, steps: int, repeats: int = REPEATS) -> Tensor:
    """The counts and standard errors of several generators, shape (2, repeat)."""
    found = [
        lanczos(
            lambda rows: rows * diagonal,
            len(diagonal),
            probes=probes // 2,
            steps=steps,
            generator=derive(repeat, "coverage"),
            dtype=diagonal.dtype,
            device=diagonal.device,
        ).count_above(THRESHOLD)
        for repeat in range(repeats)
    ]
    return torch.tensor(found, dtype=F64).T


def held(counts: Tensor, errors: Tensor, true: float) -> float:
    """How often the interval of 95 % holds the truth, but for the rounding of a float64 count."""
    return ((counts - true).abs() <= 1.96 * errors + 1e-12 * DIM).double().mean().item()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_interval_holds_the_truth_in_nine_of_ten_repeats(name: str, dtype: torch.dtype) -> None:
    diagonal = SPECTRA[name].to(dtype)
    true = (diagonal > THRESHOLD).sum().item()
    for products in (40, 160):
        counts, errors = estimates(diagonal, *allocate(products))
        assert held(counts, errors, true) >= 0.9
        assert counts.isfinite().all()


def test_a_spectrum_that_is_found_is_counted_exactly_and_its_error_covers_rounding() -> None:
    diagonal = SPECTRA["a gap at the threshold"].float()
    counts, errors = estimates(diagonal, 2, 180, 5)
    assert (counts - 60).abs().max() < 0.01
    assert 0 < errors.max() < 0.1
    assert held(counts, errors, 60) == 1


def test_an_eigenvalue_in_doubt_may_lie_on_either_side() -> None:
    diagonal = SPECTRA["an eigenvalue at the threshold"]
    counts, errors = estimates(diagonal, 2, 180, 10)
    assert errors.min() > 0.5
    assert held(counts, errors, 60) == held(counts, errors, 61) == 1


@pytest.mark.parametrize("products", [2, 3, 40, 120, 121, 630, 6310])
def test_a_number_of_products_is_shared_out(products: int) -> None:
    probes, steps = allocate(products)
    assert probes % 2 == 0
    assert products - probes < probes * steps <= products
    assert steps >= probes / 2


def test_the_shares_of_the_presets_and_of_a_tenth_of_a_digits_network() -> None:
    assert (allocate(120), allocate(630)) == ((4, 30), (10, 63))


def test_counts_at_a_fraction_of_the_dimension_on_a_network_whose_spectrum_is_known() -> None:
    x = torch.randn(200, 12, generator=derive(0))
    landscape = NetworkLandscape(mlp(12, 3, (16, 16)), (x, (x[:, :3] + 0.5 * x[:, 3:6].abs()).argmax(1)))
    start = landscape.initial(1, derive(1))
    point = descend(landscape, start, lr=0.1, momentum=0.9, steps=100, generator=derive(2)).points[0]
    levels = (0.03, 0.003)
    exact = short_directions(landscape, point, levels, generator=derive(3)).counts
    assert exact[0] > 10
    found = [
        short_directions(landscape, point, levels, method="lanczos", products=160, generator=derive(4, repeat))
        for repeat in range(20)
    ]
    counts, errors = (torch.stack(rows) for rows in zip(*((f.counts, f.standard_errors) for f in found), strict=True))
    assert all(one.products <= 160 < landscape.dim / 3 for one in found)
    assert min(held(counts[:, level], errors[:, level], exact[level]) for level in range(2)) >= 0.9
    assert ((counts / exact - 1).square().mean(0).sqrt() < torch.tensor([0.05, 0.08])).all()
