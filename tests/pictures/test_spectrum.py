"""Spectra of quadratic landscapes, whose eigenvalues are known."""

import pytest
import torch

from nwedge.pictures.spectrum import spectrum


class Quadratic:
    """L(P) = P^T A P / 2 with given eigenvalues."""

    device = torch.device("cpu")

    def __init__(self, values: torch.Tensor, seed: int) -> None:
        self.dim, self.dtype = len(values), values.dtype
        turn = torch.linalg.qr(torch.randn(self.dim, self.dim, generator=torch.Generator().manual_seed(seed))).Q
        turn = turn.to(values.dtype)
        self.matrix = (turn * values) @ turn.T

    def loss(self, points):
        return ((points @ self.matrix) * points).sum(1) / 2

    def initial(self, count, generator):
        return torch.randn(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self


@pytest.mark.parametrize("seed", range(3))
def test_few_eigenvalues_are_found_with_their_numbers(seed):
    values = torch.cat([torch.full((4,), 5.0), torch.full((6,), 1.0), torch.full((30,), 0.0), torch.full((10,), -2.0)])
    landscape = Quadratic(values.double(), seed)
    calls = []
    found = spectrum(
        landscape,
        torch.ones(50, dtype=torch.float64),
        [0.5, 2.0],
        products=50,
        generator=torch.Generator().manual_seed(seed),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert found.attrs["dim"] == 50
    assert found["weight"].sum() == pytest.approx(50, rel=1e-5)
    assert (found["eigenvalue"].diff("node") >= 0).all()
    assert found["count"].values == pytest.approx([10, 4], abs=0.05)
    assert found["top"].values[0] == pytest.approx(5, rel=1e-4)
    assert calls[-1][0] == found.attrs["products"] <= calls[-1][1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_are_those_of_the_matrix_in_the_mean_over_probes(seed, dtype):
    values = torch.linspace(-1, 4, 200, dtype=dtype)
    landscape = Quadratic(values, seed)
    found = spectrum(
        landscape,
        torch.zeros(200, dtype=dtype),
        [1.0],
        products=160,
        generator=torch.Generator().manual_seed(1),
    )
    for power in (1, 2):
        moment = float((found["weight"] * found["eigenvalue"] ** power).sum())
        assert moment == pytest.approx(float((values**power).sum()), rel=0.25)
    assert abs(float(found["count"][0]) - int((values > 1).sum())) <= 4 * float(found["count_error"][0])


def test_a_matrix_smaller_than_the_products():
    landscape = Quadratic(torch.tensor([3.0, 2.0, -1.0], dtype=torch.float64), 0)
    found = spectrum(
        landscape, torch.zeros(3, dtype=torch.float64), [0.5], products=120, generator=torch.Generator().manual_seed(0)
    )
    assert found["weight"].sum() == pytest.approx(3)
