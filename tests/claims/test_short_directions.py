"""Counts of short directions along tunnels, at the centres of sheets and against the rate, and the verdict on them."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge._random import derive
from nwedge.claims import sheets, short_directions
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import evaluate
from nwedge.landscapes.theory import meeting_short_directions
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs.configs import ShortDirectionsConfig
from nwedge.specs.tasks import RATE, RunSpec

LIGHT = {"short-directions": {"m": (2, 3), "positions": (0.0, 0.5, 1.0), "literal": False}}
CONFIG = ShortDirectionsConfig(m=(2, 3, 4, 5), positions=(0.0, 0.5, 1.0), literal=False)


def on_wedges(landscape: WedgeLandscape, count: int, seed: int) -> list[Run]:
    """Runs that end at the projections of random points onto their nearest wedges, where the loss is 0."""
    found = []
    for member in range(count):
        start = landscape.initial(1, derive(seed, "start", member))
        basis = landscape.short_basis(start)[0]
        points = torch.cat([start, start - start @ basis.T @ basis])
        spec = RunSpec(lr=0.1, seed=seed, member=member)
        loss = evaluate(landscape, points).numpy()
        found.append(Run(points=points, step=np.arange(2), loss=loss, landscape=landscape, spec=spec))
    return found


def with_sheets(landscape: WedgeLandscape, seed: int, sizes: tuple[int, ...]) -> Runs:
    runs = on_wedges(landscape, 20, seed)
    spanned = []
    for m in sizes:
        result = sheets.train(
            landscape,
            torch.stack([run.start for run in runs]),
            torch.stack([run.optimum for run in runs]),
            names=[(seed, run.spec.member) for run in runs],
            m=m,
            steps=600,
            rate=0.05,
            samples=8,
            distinct=True,
            generator=derive(seed, m),
        )
        spanned.append(sheets.spanned(result, landscape))
    return Runs(runs, spanned)


@pytest.mark.parametrize(("dim", "short", "wedges"), [(300, 15, 40), (200, 8, 30), (150, 12, 25)])
def test_the_centres_of_sheets_lie_where_the_wedges_meet(dim: int, short: int, wedges: int) -> None:
    found = []
    for seed in range(3):
        landscape = WedgeLandscape(dim, short, wedges=wedges, profile="squared", seed=seed, dtype=torch.float64)
        found.append(
            short_directions.measure(landscape, with_sheets(landscape, seed, CONFIG.m), CONFIG, derive(seed, "measure"))
        )
    own = xr.concat(found, dim="seed", join="exact")
    lowest = own["center_count"].isel(threshold=0)
    np.testing.assert_array_equal(lowest.transpose("seed", "m"), own["union"].transpose("seed", "m"))
    np.testing.assert_array_equal(own["stratum"].transpose("seed", "m"), own["union"].transpose("seed", "m"))
    for m in own["m"].values.tolist():
        union, predicted = own["union"].sel(m=m).values, meeting_short_directions(dim, short, m)
        error = max(union.std(ddof=1) / len(union) ** 0.5, spread_of_unions(dim, short, m) / len(union) ** 0.5)
        assert abs(union.mean() - predicted) <= 4 * error + 1e-9
    verdict = short_directions.verdict({"short-directions": own})
    assert verdict.outcome == "holds"
    assert len(verdict.parts) == 2, "no rate was varied"


def spread_of_unions(dim: int, short: int, m: int) -> float:
    """The standard deviation of the size of the union of m random sets, by drawing them."""
    rng = np.random.default_rng(0)
    sizes = [len({a for _ in range(m) for a in rng.choice(dim, short, replace=False)}) for _ in range(300)]
    return float(np.std(sizes))


def test_counts_at_rates_leave_out_the_last_and_the_untrained() -> None:
    landscape = WedgeLandscape(40, 4, wedges=8, profile="squared", dtype=torch.float64)
    optima = on_wedges(landscape, 2, 0)
    rates = [
        Run(
            points=run.points,
            step=run.step,
            loss=np.array([1.0, end]),
            landscape=landscape,
            role=RATE,
            spec=RunSpec(lr=lr, seed=0, member=0),
        )
        for run, lr, end in zip(on_wedges(landscape, 4, 1), (0.4, 0.1, 0.2, 0.8), (0.0, 0.0, 0.9, 0.0), strict=True)
    ]
    found = short_directions.measure(landscape, Runs([*optima, *rates]), CONFIG, derive(0))
    assert found["rate"].values.tolist() == [0.1, 0.2, 0.4, 0.8]
    assert found["comparable"].values.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(found["rate_count"].isel(threshold=0), 4)
    assert not bool(found["coincide"]), "no sheet is no coincidence, but unknown"
    assert np.isnan(found["tunnel_count"]).all()
    assert "literal_count" not in found
    literal = dataclasses.replace(CONFIG, literal=True)
    found = short_directions.measure(landscape, Runs(optima), literal, derive(0))
    assert found["literal_count"].isel(threshold=0).sel(m=1) == 4
    assert "rate_count" not in found


def results(trained: xr.Dataset, growth: np.ndarray, slope: float = 1.0, fall: float = 0.5) -> dict[str, xr.Dataset]:
    seeds, m, rates = len(growth), np.array([1, 2, 4]), np.array([0.1, 0.2, 0.8])
    middle = 10 * (1 + growth)
    tunnel = np.stack([np.full(seeds, 10.0), middle, np.full(seeds, 10.0)], axis=1)
    dataset = trained.assign(
        tunnel_count=(("seed", "threshold", "t"), np.stack([tunnel, tunnel * 0], axis=1)),
        center_count=(("threshold", "m", "seed"), np.stack([10 * m**slope, 0 * m])[..., None] * np.ones(seeds)),
        rate_count=(("threshold", "rate", "seed"), (50 * rates**-fall)[None, :, None] * np.ones((2, 1, seeds))),
        tunnel_error=(("seed", "threshold", "t"), np.zeros((seeds, 2, 3))),
        center_error=(("threshold", "m", "seed"), np.zeros((2, 3, seeds))),
        rate_error=(("threshold", "rate", "seed"), np.zeros((2, 3, seeds))),
        comparable=(("seed", "rate"), np.ones((seeds, 3), dtype=bool)),
        coincide=("seed", np.zeros(seeds, dtype=bool)),
    ).assign_coords(threshold=[0.01, 0.1], t=[0.0, 0.5, 1.0], m=m, rate=rates)
    return {"short-directions": dataset}


@pytest.mark.parametrize(
    ("growth", "slope", "fall", "outcome"),
    [
        (1.0, 1.0, 0.5, "holds"),
        (-0.5, 1.0, 0.5, "fails"),
        (0.25, 1.0, 0.5, "inconclusive"),
        (1.0, 0.1, 0.5, "fails"),
        (1.0, 1.0, 0.01, "fails"),
    ],
)
def test_the_verdict(
    trained: xr.Dataset, spread: np.ndarray, growth: float, slope: float, fall: float, outcome: str
) -> None:
    verdict = short_directions.verdict(results(trained, growth + spread, slope, fall))
    assert verdict.outcome == outcome
    assert [part.statistic for part in verdict.parts] == pytest.approx([growth, slope, fall])


def test_the_least_growing_threshold_counts(trained: xr.Dataset, spread: np.ndarray) -> None:
    given = results(trained, 1 + spread)
    given["short-directions"]["tunnel_count"][{"threshold": 1}] = 3.0
    assert short_directions.verdict(given).parts[0].statistic == pytest.approx(0)


def test_counts_whose_error_is_above_half_of_them_take_no_part(trained: xr.Dataset, spread: np.ndarray) -> None:
    given = results(trained, 1 + spread)
    own = given["short-directions"]
    own["tunnel_count"][{"threshold": 1}] = 3.0
    own["tunnel_error"][{"threshold": 1}] = 1.6
    own["rate_count"][{"threshold": 1}] = 7.0
    own["rate_error"][{"threshold": 0, "rate": 0, "seed": 2}] = 100.0
    own["comparable"][:, 2] = False
    own["rate_error"][{"threshold": 1, "rate": 2}] = 9.0  # of a rate that is not judged
    parts = short_directions.verdict(given).parts
    assert [part.statistic for part in parts] == pytest.approx([1, 1, 0])
    own["rate_error"][{"threshold": 1}] = 9.0
    own["tunnel_error"][{"threshold": 0, "t": 1, "seed": 0}] = 30.0
    assert [part.statistic for part in short_directions.verdict(given).parts] == [None, pytest.approx(1), None]


@pytest.mark.parametrize(
    ("what", "where", "part"), [("tunnel", {"t": 1}, 0), ("center", {"m": 1}, 1), ("center", {"m": 0}, 1)]
)
def test_a_threshold_that_one_seed_does_not_resolve_judges_no_seed(
    trained: xr.Dataset, spread: np.ndarray, what: str, where: dict[str, int], part: int
) -> None:
    """Nothing grows at the second threshold; a seed whose count is not resolved there must not be spared alone."""
    given = results(trained, 1 + spread)
    own = given["short-directions"]
    own[f"{what}_count"][{"threshold": 1}] = 3.0
    assert short_directions.verdict(given).parts[part].statistic == pytest.approx(0)
    own[f"{what}_error"][{"threshold": 1, "seed": 2, **where}] = 1.6
    assert short_directions.verdict(given).parts[part].statistic == pytest.approx(1)
    own["coincide"][2] = True
    own[f"{what}_count"][{"seed": 2}] = np.nan
    assert short_directions.verdict(given).parts[part].statistic == pytest.approx(0)


def test_all_seeds_are_judged_at_the_thresholds_at_which_each_has_a_value(
    trained: xr.Dataset, spread: np.ndarray
) -> None:
    given = results(trained, 1 + spread)
    counts = given["short-directions"]["tunnel_count"]
    counts[{"threshold": 1}] = 3.0
    counts[{"threshold": 1, "seed": 4}] = 0.0  # no short directions at its ends
    assert short_directions.verdict(given).parts[0].statistic == pytest.approx(1)


def test_why_the_rate_is_left_out(trained: xr.Dataset, spread: np.ndarray) -> None:
    own = results(trained, 1 + spread)["short-directions"].drop_vars(["rate_count", "rate_error"])
    assert "left out: it is not varied here" in short_directions.verdict({"short-directions": own}).sentence
    model = own.assign(predicted=("m", np.ones(3)))
    assert "left out: all wedges have the same s" in short_directions.verdict({"short-directions": model}).sentence


def test_optima_that_coincide_count_as_zero(trained: xr.Dataset, spread: np.ndarray) -> None:
    given = results(trained, np.nan + spread)
    given["short-directions"]["coincide"][:] = True
    parts = short_directions.verdict(given).parts
    assert [(part.outcome, part.statistic) for part in parts[:2]] == [("fails", 0), ("fails", 0)]


def test_controls_fail_it(tasks, run) -> None:
    rows, _ = run(tasks(("short-directions",), ("control-bowl", "control-isolated"), seeds=2, light=LIGHT))
    assert {row["landscape"]: row["outcome"] for row in rows} == {"control-bowl": "fails", "control-isolated": "fails"}
