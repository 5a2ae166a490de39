"""The barycentric sheet against its definition: random permutations and the simplices over their prefixes."""

import itertools

import pytest
import torch
from scipy import stats

from nwedge._random import derive
from nwedge.geometry import Path, Sheet


def optima(m: int, dim: int = 6) -> torch.Tensor:
    return torch.randn(m, dim, generator=derive(m, "optima"), dtype=torch.float64)


def bent(m: int) -> Sheet:
    sheet = Sheet(optima(m))
    moved = sheet.vertices + torch.randn(sheet.vertices.shape, generator=derive(m, "bend"), dtype=torch.float64)
    for row in range(len(moved)):
        if row not in sheet.free:
            moved[row] = sheet.vertices[row]
    return sheet.moved(moved)


def row(subset: tuple[int, ...]) -> int:
    return sum(2**index for index in subset) - 1


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_every_face_is_the_simplex_over_the_prefixes_of_a_permutation(m: int) -> None:
    sheet = bent(m)
    for order in itertools.permutations(range(m)):
        dirichlet = stats.dirichlet(torch.ones(m).numpy(), seed=0).rvs()[0]
        share, expected = torch.zeros(m, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
        for k in range(1, m + 1):
            prefix = order[:k]
            share[list(prefix)] += dirichlet[k - 1] / k
            expected += dirichlet[k - 1] * sheet.vertices[row(prefix)]
        torch.testing.assert_close(sheet.embed(share[None, 1:])[0], expected)


@pytest.mark.parametrize("m", [2, 3, 10])
def test_a_sheet_contains_its_optima_and_its_center(m: int) -> None:
    sheet = bent(m) if m < 10 else Sheet(optima(m))
    corners = torch.eye(m, dtype=torch.float64)[:, 1:]
    torch.testing.assert_close(sheet.embed(corners), sheet.optima)
    middle = torch.full((1, m - 1), 1 / m, dtype=torch.float64)
    torch.testing.assert_close(sheet.embed(middle)[0], sheet.center)
    assert len(sheet.free) == 2**m - 1 - m


def test_an_unbent_sheet_is_the_flat_simplex() -> None:
    sheet = Sheet(optima(4))
    coords = sheet.coordinates(20, derive(3))
    share = torch.cat([1 - coords.sum(1, keepdim=True), coords], dim=1)
    torch.testing.assert_close(sheet.embed(coords), share @ sheet.optima)


def test_a_sheet_of_two_optima_is_a_path_with_one_bend() -> None:
    sheet = bent(2)
    path = Path(torch.stack([sheet.optima[0], sheet.center, sheet.optima[1]]))
    coords = sheet.coordinates(20, derive(4))
    torch.testing.assert_close(sheet.embed(coords), path.embed(coords))


def test_samples_are_uniform_over_the_simplex() -> None:
    coords = Sheet(optima(3)).coordinates(4000, derive(5))
    share = torch.cat([1 - coords.sum(1, keepdim=True), coords], dim=1)
    for column in share.T:  # a weight of Dirichlet(1, 1, 1) follows Beta(1, 2)
        assert stats.kstest(column.numpy(), stats.beta(1, 2).cdf).pvalue > 1e-3
    assert Sheet(optima(3)).sample(5, derive(6)).shape == (5, 6)


def test_a_sheet_refuses_wrong_numbers() -> None:
    with pytest.raises(ValueError, match="number of optima of a sheet must be between 2 and 16; got 1"):
        Sheet(optima(1))
    with pytest.raises(ValueError, match="over 3 optima has 7 vertices; got 6"):
        Sheet(optima(3), torch.zeros(6, 6, dtype=torch.float64))
