"""Sheets over optima: which are taken, and how a claim reads them."""

import pytest
import torch

from nwedge._random import derive
from nwedge.claims.sheets import spanned, train
from nwedge.landscapes.controls import QuadraticBowl
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.descent import descend
from nwedge.methods.sheets import LEAST_SAMPLES, m_tunnel
from nwedge.specs.subjects import Sheets
from nwedge.store import Result

WEDGES = WedgeLandscape(20, 4, wedges=4, seed=0)
COUNT, SEED = 12, 5
NAMES = [(index // 3, index % 3) for index in range(COUNT)]


def candidates(landscape=WEDGES) -> tuple[torch.Tensor, torch.Tensor]:
    starts = landscape.initial(COUNT, derive(SEED))
    return starts, descend(landscape, starts, lr=0.2, steps=80, generator=derive(1)).points


def made(landscape=WEDGES, m: int = 3, count: int = COUNT, **options) -> Result:
    starts, optima = candidates(landscape)
    options = {"steps": 30, "rate": 0.05, "samples": 4, "generator": derive(2)} | options
    return train(landscape, starts[:count], optima[:count], names=NAMES[:count], m=m, **options)


def test_it_is_the_m_tunnel_over_the_first_optima() -> None:
    found = spanned(made(), WEDGES)
    _, optima = candidates()
    expected = m_tunnel(WEDGES, optima[:3], steps=30, rate=0.05, samples=4, generator=derive(2))
    assert found.trained is not None
    assert torch.equal(found.trained.vertices, expected.vertices)
    assert torch.equal(found.optima, optima[:3])
    assert (found.m, found.seeds, found.members, found.looked_at) == (3, (0, 0, 0), (0, 1, 2), 3)
    assert not found.pooled
    assert spanned(made(pooled=True), WEDGES).pooled


def test_distinct_optima_lie_on_different_wedges_and_are_the_first_that_do() -> None:
    _, optima = candidates()
    wedges = WEDGES.nearest_wedge(optima).tolist()
    result = made(distinct=True)
    found = spanned(result, WEDGES)
    taken = [NAMES.index(name) for name in zip(found.seeds, found.members, strict=True)]
    assert len(set(wedges[:3])) < 3, "the first three share a wedge, so the choice is seen"
    assert [wedges.index(wedge) for wedge in dict.fromkeys(wedges)][:3] == taken
    assert found.looked_at == taken[-1] + 1
    assert torch.equal(found.optima, optima[taken])


@pytest.mark.parametrize("landscape", [WedgeLandscape(20, 4), QuadraticBowl(20, dtype=torch.float64)])
def test_where_wedges_have_no_numbers_the_first_are_taken(landscape) -> None:
    found = spanned(made(landscape, distinct=True), landscape)
    assert (found.members, found.looked_at) == ((0, 1, 2), 3)


def test_over_optima_that_coincide_there_is_no_sheet() -> None:
    bowl = QuadraticBowl(20, dtype=torch.float64)
    starts = bowl.initial(2, derive(0))
    result = train(
        bowl,
        starts,
        bowl.centre.expand(2, -1),
        names=NAMES[:2],
        m=2,
        steps=5,
        rate=0.05,
        samples=4,
        generator=derive(2),
    )
    assert bool(result.dataset["coincide"])
    assert spanned(result, bowl).trained is None
    assert not bool(made().dataset["coincide"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"m": 5, "count": 4}, "a sheet needs 5 optima; among 4 there are 4: train more"),
        ({"m": 5, "distinct": True}, "a sheet needs 5 optima on different wedges; among 12 there are 4: train more"),
    ],
)
def test_too_few_candidates_are_named(options, words) -> None:
    with pytest.raises(ValueError, match=words):
        made(**options)


def test_the_points_of_a_step_grow_with_the_vertices_and_by_default_as_for_an_m_tunnel() -> None:
    how = Sheets((2, 7, 10))
    assert [how.samples_of(m) for m in how.m] == [LEAST_SAMPLES, 16, 128]
    few = Sheets((2, 7, 10), samples=4, share=32)
    assert [few.samples_of(m) for m in few.m] == [4, 4, 32]
