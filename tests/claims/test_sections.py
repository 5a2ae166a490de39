"""sections: the law on one wedge, the curve for many, the search, the verdict all three ways, and its controls."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import NetworkLandscape, WedgeLandscape, evaluate
from nwedge._random import derive
from nwedge.claims import _search, sections
from nwedge.claims._search import Search, at_random
from nwedge.claims.runs import Runs
from nwedge.landscape import Landscape
from nwedge.landscapes.controls import FlatBall, QuadraticBowl
from nwedge.landscapes.networks.architectures import mlp
from nwedge.landscapes.theory import section_threshold
from nwedge.methods import sections as planes
from nwedge.specs.claims import claim
from nwedge.specs.configs import SectionsConfig

F64 = torch.float64
MEDIAN = 2 / 3
"""Squared distances within planes are as chi-squared of s - d degrees, whose median lies about 2/3 below its mean."""
POLISH = SectionsConfig(planes=8, steps=0, rates=(0.1,), levels=(0.05, 0.3), radii=(0.5, 2.0), resolution=1.0)


def measured(landscape: Landscape, config: SectionsConfig = POLISH, seed: int = 0) -> xr.Dataset:
    """The measurement, which looks at no run."""
    return sections.measure(landscape, Runs([]), config, derive(seed))


@pytest.fixture(scope="module")
def many() -> xr.Dataset:
    return measured(WedgeLandscape(100, 25, wedges=40, profile="squared", dtype=F64))


@pytest.mark.parametrize("profile", ["distance", "squared", "saturating"])
@pytest.mark.parametrize("seed", range(2))
def test_on_one_wedge_the_interval_of_the_threshold_meets_the_law(profile: str, seed: int) -> None:
    """The law is of the mean, and half of the planes succeed at the median; only whole dimensions are tried."""
    one = WedgeLandscape(100, 25, wedges=1, profile=profile, width=3.0, dtype=F64)
    found = measured(one, seed=seed)
    assert found["low"] - 0.5 <= found["law"] - MEDIAN <= found["high"] + 0.5
    assert found["high"] - found["low"] < 5
    assert found["threshold_one_wedge"] == pytest.approx(found["threshold"].item(), abs=1)
    np.testing.assert_allclose(found["threshold_at_level"] + 0.5, found["law_at_level"], atol=2)
    np.testing.assert_allclose(found["threshold_at_radius"] + 0.5, found["law_at_radius"], atol=2)


def test_the_curve_of_many_wedges_lies_below_the_law_that_its_twin_meets(many: xr.Dataset) -> None:
    assert (many["high_at_level"] + 0.5 < many["law_at_level"]).all()
    assert many["low_one_wedge"] - 0.5 <= many["law"] - MEDIAN <= many["high_one_wedge"] + 0.5
    np.testing.assert_allclose(many["one_wedge_at_level"] + 0.5, many["law_at_level"], atol=1.6)
    assert (many["threshold_at_level"] < many["one_wedge_at_level"]).all()


def test_the_threshold_falls_with_the_level_and_rises_with_the_radius(many: xr.Dataset) -> None:
    assert (many["threshold_at_level"].diff("share") < 0).all()
    assert (many["threshold_at_radius"].diff("factor") > 0).all()
    assert many["threshold"] == many["threshold_at_level"].sel(share=0.1) == many["threshold_at_radius"].sel(factor=1)


def test_level_and_radius_are_stored_with_the_number(many: xr.Dataset) -> None:
    landscape = WedgeLandscape(100, 25, wedges=40, profile="squared", dtype=F64)
    mean = evaluate(landscape, landscape.initial(4000, derive(1))).mean().item()
    assert many["level_share"] == 0.1
    assert many["level"] == pytest.approx(0.1 * mean, rel=0.1)
    assert many["radius"] == pytest.approx(10, rel=0.03)
    assert many["level_over_radius"] == pytest.approx(many["level"] / many["radius"])
    law = section_threshold(100, 25, math.sqrt(many["level"].item()), many["radius"].item())
    assert many["law"] == pytest.approx(law)


def test_every_plane_is_kept_with_its_dimension_loss_and_success(many: xr.Dataset) -> None:
    for factor in many["factor"]:
        one = many.sel(factor=factor)
        known = one["d"].notnull().values
        assert known.sum() % 8 == 0
        assert (one["success"][known] == (one["loss"][known] <= many["level"])).all()
        assert one["success"][~known].isnull().all()
        assert len(np.unique(one["d"][known])) == known.sum() / 8


def test_seeds_join_and_the_same_generator_gives_the_same_numbers() -> None:
    landscape = WedgeLandscape(60, 10, wedges=5, profile="squared", dtype=F64)
    config = SectionsConfig(planes=2, steps=0, rates=(0.1,), levels=(), radii=(2.0,))
    found = [measured(landscape, config, seed) for seed in (0, 1, 0)]
    xr.concat(found, "seed", join="exact")
    xr.testing.assert_identical(found[0], found[2])
    assert not found[0].equals(found[1])


def test_a_dimension_is_trained_once_for_all_levels() -> None:
    landscape = WedgeLandscape(100, 25, wedges=1, profile="squared", dtype=F64)
    search = Search(landscape, landscape, POLISH, 0)
    first = search.find(0.5)
    trained = search.losses.cache_info().misses
    assert trained == len(np.unique(first.d[~np.isnan(first.d)]))
    assert search.find(0.5).value == first.value
    assert search.losses.cache_info().misses == trained
    search.find(0.4)
    assert search.losses.cache_info().misses <= trained + 4


def test_planes_are_of_the_kind_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another kind is another draw, and where no basis is stored none bounds the search."""
    x = torch.randn(400, 6, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(6, 3, (8,)), (x, x[:, :3].argmax(1)), batch_size=32)
    monkeypatch.setattr(planes, "DENSE_BYTES", 20 * network.dim * 4)
    config = SectionsConfig(planes=2, steps=5, rates=(0.3,))
    kinds = [dataclasses.replace(config, kind=kind) for kind in ("dense", "hadamard", "sparse")]
    searches = [Search(network, network, one, 0) for one in kinds]
    assert [search.most for search in searches] == [20, network.dim, network.dim]
    assert len({search.losses(10)[0] for search in searches}) == 3


def test_where_no_plane_succeeds_the_threshold_is_the_whole_space() -> None:
    bowl = QuadraticBowl(12, dtype=F64)
    found = Search(bowl, bowl, SectionsConfig(planes=2, steps=2, rates=(0.01,)), 0).find(1e-6)
    assert (found.value, found.low, found.high, found.censored) == (12, 12, 12, True)


def test_where_every_plane_succeeds_the_threshold_is_one() -> None:
    ball = FlatBall(12, radius=100.0, dtype=F64)
    found = Search(ball, ball, SectionsConfig(planes=2, steps=1, rates=(0.1,)), 0).find(0.1)
    assert (found.value, found.censored) == (1, True)


def test_a_search_that_stops_before_the_whole_space_knows_no_threshold() -> None:
    bowl = QuadraticBowl(12, dtype=F64)
    found = Search(bowl, bowl, SectionsConfig(planes=2, steps=2, rates=(0.01,), most=6), 0).find(1e-6)
    assert math.isnan(found.value)
    assert found.censored
    assert np.nanmax(found.d) == 6


def test_a_network_is_judged_on_as_many_examples_as_it_says() -> None:
    x = torch.randn(400, 6, generator=derive(0, "inputs"))
    network = NetworkLandscape(mlp(6, 3, (8,)), (x, x[:, :3].argmax(1)), batch_size=32)
    config = SectionsConfig(planes=2, steps=40, rates=(0.3,), level=0.5, levels=(), radii=(), resolution=1.5)
    whole, some = (measured(network, dataclasses.replace(config, examples=count)) for count in (None, 100))
    assert 1 < whole["threshold"] < network.dim / 2
    assert 0.5 < float(some["threshold"] / whole["threshold"]) < 2
    assert some["level"] != whole["level"]
    assert "law" not in whole
    assert at_random(network, derive(3))[0] == pytest.approx(whole["level"].item() / 0.5, rel=0.1)


def test_the_variance_is_split_as_by_hand() -> None:
    d = np.array([1, 1, 4, 4, np.nan])
    loss = np.exp(np.array([2.0, 3.0, -1.0, 0.0, np.nan]))
    within, share = sections.spread(d, loss, floor=1e-9)
    assert within == pytest.approx(0.5)  # two deviations of .5 in each pair, two degrees of freedom
    assert share == pytest.approx(1 - 0.5 / np.var([2, 3, -1, 0], ddof=1))
    _, floored = sections.spread(d, np.where(loss < 2, 0.0, loss), floor=1.0)
    assert floored == pytest.approx(1 - 0.25 / np.var([2, 3, 0, 0], ddof=1))


@pytest.mark.parametrize(("d", "loss"), [([1, 2, 3], [3, 2, 1]), ([1, 1, 2, 2], [3, 3, 3, 3]), ([], [])])
def test_a_variance_that_cannot_be_split_is_undefined(d: list[int], loss: list[int]) -> None:
    assert math.isnan(sections.spread(np.array(d, float), np.array(loss, float), 0.1)[1])


def test_a_draw_that_decides_everything_leaves_nothing_to_the_dimension() -> None:
    rng = np.random.default_rng(0)
    shares = [sections.spread(np.repeat([1, 2, 4, 8], 4), rng.lognormal(size=16), 1e-9)[1] for _ in range(200)]
    assert np.mean(shares) == pytest.approx(0, abs=0.05)


def judged(trained: xr.Dataset, threshold: np.ndarray, explained: np.ndarray, shift: np.ndarray) -> xr.Dataset:
    scan = np.stack([threshold * (1 - shift / 2), threshold, threshold * (1 + shift / 2)], axis=1)
    return trained.assign(
        threshold=("seed", threshold),
        dim=("seed", np.full(len(threshold), 100)),
        explained=("seed", explained),
        threshold_at_radius=(("seed", "factor"), scan),
    ).assign_coords(factor=[0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    ("threshold", "explained", "shift", "outcome", "statistic"),
    [
        (20.0, 0.9, 0.3, "holds", 0.8),
        (80.0, 0.9, 0.3, "fails", 0.2),
        (100.0, 0.9, 0.3, "fails", 0.0),
        (50.0, 0.9, 0.3, "inconclusive", 0.5),
        (20.0, 0.2, 0.3, "fails", 0.2),
        (20.0, 0.9, 0.03, "fails", 0.03),
        (20.0, 0.9, 0.1, "inconclusive", 0.1),
    ],
)
def test_the_verdict_comes_out_all_three_ways(
    trained: xr.Dataset,
    spread: np.ndarray,
    threshold: float,
    explained: float,
    shift: float,
    outcome: str,
    statistic: float,
) -> None:
    found = judged(trained, threshold * (1 + spread), explained + spread, shift + spread / 2)
    verdict = sections.verdict({"sections": found})
    assert verdict.outcome == outcome
    assert verdict.statistic == pytest.approx(statistic, abs=1e-6)
    assert len(verdict.parts) == 3


def test_with_one_factor_the_radius_is_compared_with_one(trained: xr.Dataset, spread: np.ndarray) -> None:
    found = judged(trained, np.full(5, 20.0), 0.9 + spread, 0.4 + spread).isel(factor=[1, 2])
    assert sections.verdict({"sections": found}).parts[2].statistic == pytest.approx(0.2)


def test_without_a_scan_the_shift_with_the_radius_is_undefined(trained: xr.Dataset, spread: np.ndarray) -> None:
    found = judged(trained, np.full(5, 20.0), 0.9 + spread, 0.4 + spread).isel(factor=[1])
    assert sections.verdict({"sections": found}).parts[2].statistic is None


def test_a_threshold_that_is_unknown_in_one_seed_is_inconclusive(trained: xr.Dataset, spread: np.ndarray) -> None:
    found = judged(trained, 20 * (1 + spread), 0.9 + spread, 0.3 + spread)
    found["threshold"][2] = np.nan
    assert sections.verdict({"sections": found}).outcome == "inconclusive"


def test_the_controls_fail_it(tasks, run) -> None:
    controls = claim("sections").controls
    light = {"sections": {"planes": 1, "levels": (), "radii": (), "steps": 30, "resolution": 1.2}}
    rows, _ = run(tasks(("sections",), controls, light=light))
    assert {row["landscape"]: row["outcome"] for row in rows} == dict.fromkeys(controls, "fails")
    assert all(row["parts"][0]["outcome"] == "fails" for row in rows)


def test_it_holds_on_the_sampled_wedges(tasks, run) -> None:
    light = {"sections": {"planes": 4, "levels": ()}}
    rows, _ = run(tasks(("sections",), ("toy-sampled",), light=light))
    assert [row["outcome"] for row in rows] == ["holds"]


def test_a_frugal_search_finds_the_same_planes_with_fewer_descents(monkeypatch: pytest.MonkeyPatch) -> None:
    bowl, tried, train = QuadraticBowl(12, dtype=F64), [], _search.section

    def counted(*arguments, **options):
        tried.append(len(options["seeds"]) * len(options["lr"]))
        return train(*arguments, **options)

    monkeypatch.setattr(_search, "section", counted)
    config = SectionsConfig(planes=2, steps=30, rates=(0.1, 0.02), resolution=1.0)
    level = 0.3 * at_random(bowl, derive(0))[0]
    full = Search(bowl, bowl, config, 3).find(level)
    every = sum(tried)
    tried.clear()
    frugal = Search(bowl, bowl, dataclasses.replace(config, frugal=True), 3).find(level)
    assert 0 < np.nanmean(full.success) < 1
    np.testing.assert_array_equal(frugal.success, full.success)
    np.testing.assert_array_equal(frugal.d, full.d)
    failed = full.success == 0
    np.testing.assert_allclose(frugal.loss[failed], full.loss[failed], rtol=1e-9)
    assert np.all((frugal.loss >= full.loss * (1 - 1e-9)) | np.isnan(full.loss))
    assert sum(tried) < every
