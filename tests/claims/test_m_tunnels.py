"""Sheets over m optima: their barriers against those of the flat simplex, and the verdict on them."""

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge._random import derive
from nwedge.claims import m_tunnels, sheets
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import evaluate
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs.configs import MTunnelsConfig
from nwedge.specs.tasks import RunSpec

WEDGES = WedgeLandscape(60, 4, wedges=12, profile="squared", seed=1, dtype=torch.float64)
LIGHT = {"m-tunnels": {"m": (2, 3, 5), "points": 100, "pointwise": ()}}


def on_wedges(count: int) -> list[Run]:
    """Runs that end at the projections of random points onto their nearest wedges, where the loss is 0."""
    found = []
    for member in range(count):
        start = WEDGES.initial(1, derive(0, member))
        basis = WEDGES.short_basis(start)[0]
        points = torch.cat([start, start - start @ basis.T @ basis])
        loss = evaluate(WEDGES, points).numpy()
        spec = RunSpec(lr=0.1, seed=0, member=member)
        found.append(Run(points=points, step=np.arange(2), loss=loss, landscape=WEDGES, spec=spec))
    return found


def spanned(runs: list[Run], m: int, *, pooled: bool = False, distinct: bool = True) -> sheets.SpannedOptima:
    result = sheets.train(
        WEDGES,
        torch.stack([run.start for run in runs]),
        torch.stack([run.optimum for run in runs]),
        names=[(run.spec.seed, run.spec.member) for run in runs],
        m=m,
        steps=300,
        rate=0.05,
        samples=8,
        distinct=distinct,
        pooled=pooled,
        generator=derive(m),
    )
    return sheets.spanned(result, WEDGES)


def test_the_barrier_is_the_largest_excess_over_the_weighted_optima() -> None:
    runs = on_wedges(8)
    sheet = spanned(runs, 3)
    config = MTunnelsConfig(m=(2, 3), points=400, pointwise=(3,), pointwise_steps=50)
    found = m_tunnels.measure(WEDGES, Runs(runs, [sheet]), config, derive(5))
    assert sheet.trained is not None
    losses = evaluate(WEDGES, sheet.trained.sample(400, derive(6)))  # the optima's own losses are 0
    assert float(found["barrier"].sel(surface="sheet", m=3)) == pytest.approx(float(losses.max()), rel=0.5, abs=1e-3)
    assert float(found["excess"].sel(surface="sheet", m=3)) == pytest.approx(float(losses.mean()), rel=0.3, abs=1e-4)
    assert found["ratio"].sel(m=3) > 0.9
    assert float(found["barrier"].sel(surface="flat", m=3)) > 0.5
    assert np.isfinite(found["barrier"].sel(surface="pointwise", m=3))
    assert found["loss_max"].sel(surface="sheet", m=3) >= found["loss"].sel(surface="sheet", m=3)
    regions = found["ratio_of_optimum"].sel(m=3).values
    assert regions.shape == (3,)
    assert np.isfinite(regions).all()
    assert np.isnan(found["ratio"].sel(m=2))
    assert not found["there"].sel(m=2)
    assert float(found["center_distance"].sel(m=3)) < 0.1


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_the_regions_of_the_optima_hold_their_own_largest_excess(again: bool, pooled: bool) -> None:
    excess = torch.tensor([1.0, 5.0, 2.0, -1.0], dtype=torch.float64)
    share = torch.eye(3, dtype=torch.float64)[[0, 2, 0, 2]]
    points, level = WEDGES.initial(4, derive(0)), torch.tensor([0.0, 3.0, 7.0, 0.0], dtype=torch.float64)
    barrier, found = m_tunnels._highest(WEDGES, points, excess, level, share, again=again, pooled=pooled)
    expected, losses = torch.tensor([2.0, torch.nan, 5.0], dtype=torch.float64), WEDGES.loss(points)
    if again:  # the highest are seen again, on all data: of each region where the optima are the unit
        expected = torch.stack([losses[2] - 7, expected[1], losses[1] - 3])
    torch.testing.assert_close(barrier, expected[[0, 2]].max() if pooled or not again else expected[2])
    known = pooled or not again
    torch.testing.assert_close(found, expected if known else torch.full_like(expected, torch.nan), equal_nan=True)


def results(trained: xr.Dataset, ratio: np.ndarray, *, pooled: bool = False, coincide: bool = False) -> dict:
    shape = (len(ratio), 1)
    return {
        "m-tunnels": trained.assign(
            ratio=(("seed", "m"), np.full(shape, np.nan) if coincide else ratio[:, None]),
            ratio_of_optimum=(("seed", "m", "optimum"), np.repeat(ratio[:, None, None], 3, axis=2)),
            there=(("seed", "m"), np.arange(len(ratio))[:, None] < (2 if pooled else len(ratio))),
            pooled=(("seed", "m"), np.full(shape, pooled)),
            coincide=(("seed", "m"), np.full(shape, coincide)),
        ).assign_coords(m=[3])
    }


@pytest.mark.parametrize(("ratio", "outcome"), [(0.9, "holds"), (0.1, "fails"), (0.5, "inconclusive")])
def test_the_verdict(trained: xr.Dataset, spread: np.ndarray, ratio: float, outcome: str) -> None:
    verdict = m_tunnels.verdict(results(trained, ratio + spread))
    assert (verdict.outcome, verdict.statistic) == (outcome, pytest.approx(ratio))
    assert verdict.parts[0].seeds == 5


def test_optima_of_a_pool_are_the_units(trained: xr.Dataset, spread: np.ndarray) -> None:
    (part,) = m_tunnels.verdict(results(trained, 0.9 + spread, pooled=True)).parts
    assert part.seeds == 6, "3 optima of each of 2 sheets"
    assert (part.part.split(":")[0], part.seeds, part.unit) == ("m = 3, optima of a pool", 6, "optimum")


def test_optima_that_coincide_count_as_zero(trained: xr.Dataset, spread: np.ndarray) -> None:
    verdict = m_tunnels.verdict(results(trained, spread, coincide=True))
    assert (verdict.outcome, verdict.statistic) == ("fails", 0)


def test_no_sheet_is_undefined_and_a_flat_simplex_without_a_rise_too(trained: xr.Dataset, spread: np.ndarray) -> None:
    flat = m_tunnels._ratio(np.array([[1.0], [0.0], [0.5]]))
    assert np.isnan(flat).all()
    assert m_tunnels.verdict(results(trained, spread + np.nan)).outcome == "inconclusive"


def test_isolated_minima_fail_it_and_the_sampled_wedges_hold(tasks, run) -> None:
    work = tasks(("m-tunnels",), ("control-isolated", "toy-sampled"), seeds=3, light=LIGHT)
    rows, _ = run(work)
    assert {row["landscape"]: row["outcome"] for row in rows} == {"control-isolated": "fails", "toy-sampled": "holds"}
