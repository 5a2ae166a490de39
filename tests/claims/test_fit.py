import dataclasses
import json
import math

import numpy as np
import pytest
import xarray as xr

from nwedge.claims import fit
from nwedge.claims.judging import interval
from nwedge.report import parting
from nwedge.specs.claims import CLAIMS
from nwedge.specs.configs import MATCHED
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec

THRESHOLDS = [0.01, 0.03, 0.1]


@dataclasses.dataclass
class Model:
    """What the three claims would store of a landscape that is one wedge, a value for each seed."""

    dim: int = 300
    s: float = 15.0
    scale: float = 2.0
    share: float = 0.1
    radius: float = 17.0
    seeds: int = 5
    spread: float = 0.02

    def results(self, true: bool = True) -> dict[str, xr.Dataset]:
        rng = np.random.default_rng(0)
        seed = {"seed": range(self.seeds)}

        def around(value: float) -> tuple[str, np.ndarray]:
            return ("seed", value * (1 + self.spread * rng.uniform(-1, 1, self.seeds)))

        initial = self.scale**2 * self.s * self.radius**2 / self.dim
        sections = {
            "final_loss": (("seed", "run"), np.zeros((self.seeds, 2))),
            "threshold": around(self.s * (1 - self.share)),
            "censored": ("seed", [False] * self.seeds),
            "level_share": ("seed", [self.share] * self.seeds),
            "level": around(self.share * initial),
            "radius": ("seed", [self.radius] * self.seeds),
            "dim": ("seed", [self.dim] * self.seeds),
        } | ({"short": ("seed", [self.s] * self.seeds)} if true else {})
        m = np.arange(1, 6)
        counts = self.dim * (1 - (1 - self.s / self.dim) ** m)
        wells = {
            "final_loss": (("seed", "run"), np.zeros((self.seeds, 1))),
            "probe_slope": around(self.scale**2 * self.s / self.dim),
        }
        short = {
            "center_count": (("seed", "threshold", "m"), np.tile(counts, (self.seeds, 3, 1))),
            "center_error": (("seed", "threshold", "m"), np.zeros((self.seeds, 3, 5))),
            "top_eigenvalue": around(2 * self.scale**2),
        }
        return {
            "sections": xr.Dataset(sections, seed),
            "radial-wells": xr.Dataset(wells, seed),
            "short-directions": xr.Dataset(short, seed | {"threshold": THRESHOLDS, "m": m}),
        }


def by_name(found: dict) -> dict[str, dict]:
    return {parting.label(one): one for one in found["estimates"]}


def ratios(found: dict) -> dict[tuple[str, str], dict]:
    return {(one["of"].split(" ")[0], one["to"].split(" ")[0]): one for one in found["ratios"]}


@pytest.mark.parametrize("model", [Model(spread=0), Model(dim=500, s=200, scale=0.3, share=0.4, radius=3.0, spread=0)])
def test_on_a_wedge_all_experiments_give_s_and_the_scale_exactly(model):
    found = fit.landscape(model.results())
    assert found["dim"] == model.dim
    assert found["true_s"] == model.s
    for name, one in by_name(found).items():
        assert one["s"]["mean"] == pytest.approx(model.s, rel=1e-6), name
        assert one["s"]["interval"] == pytest.approx([model.s] * 2, rel=1e-6)
        if "growth" in name:
            assert one["scale"]["mean"] is one["product"]["mean"] is None
        else:
            assert one["scale"]["mean"] == pytest.approx(model.scale)
            assert one["product"]["mean"] == pytest.approx(model.scale**2 * model.s)
    for one in found["growth"]:
        assert one["residual"]["mean"] == pytest.approx(0, abs=1e-6)
    assert all(one["ratio"] == pytest.approx(1, rel=1e-6) for one in found["ratios"])
    assert found["sentence"].startswith("The three agree within 0%")


def test_intervals_are_those_of_the_rules_over_seeds():
    results = Model(spread=0.1).results()
    d_lim = by_name(fit.landscape(results))["d_lim"]
    s = results["sections"]["threshold"].values / 0.9
    np.testing.assert_allclose(d_lim["s"]["values"], s)
    assert d_lim["s"]["interval"] == pytest.approx(interval(s))


def test_ratios_are_geometric_means_over_seeds_with_intervals_of_the_logarithms():
    results = Model(spread=0.2).results()
    found = ratios(fit.landscape(results))["probes", "d_lim"]
    s = {name: by_name(fit.landscape(results))[name]["s"]["values"] for name in ("probes", "d_lim")}
    logs = np.log(s["probes"]) - np.log(s["d_lim"])
    assert found["ratio"] == pytest.approx(math.exp(logs.mean()))
    assert found["interval"] == pytest.approx(np.exp(interval(logs)))


def test_probes_alone_identify_only_the_product():
    results = Model().results()
    results["short-directions"]["top_eigenvalue"] = 4 * results["short-directions"]["top_eigenvalue"]
    one, other = (by_name(fit.landscape(read))["probes"] for read in (Model().results(), results))
    assert other["product"] == one["product"]
    assert other["s"]["mean"] == pytest.approx(one["s"]["mean"] / 4)
    assert other["scale"]["mean"] == pytest.approx(2 * one["scale"]["mean"])


def test_counts_that_are_not_resolved_are_null_and_take_no_part():
    results = Model(spread=0).results()
    short = results["short-directions"]
    short["center_count"][{"threshold": 1, "m": 2, "seed": 3}] = 200.0
    short["center_error"][{"threshold": 1, "m": 2, "seed": 3}] = 101.0
    short["center_error"][{"threshold": 0}] = 1e3
    found = fit.landscape(results)
    lost, chosen, whole = found["growth"]
    lost_s, chosen_s, _ = (one["s"] for one in found["estimates"][2:])
    assert chosen["count"][2]["mean"] is None
    assert [value is None for value in chosen["count"][2]["values"]] == [False, False, False, True, False]
    assert [value is None for value in chosen_s["values"]] == [False, False, False, True, False]
    assert [value is None for value in chosen["residual"]["values"]] == [False, False, False, True, False]
    assert "growth above 0.03 is undefined in 1 of 5 seeds" in found["sentence"]
    assert all(one["mean"] is None for one in lost["count"])
    assert lost_s["mean"] is None
    assert whole["count"][2]["mean"] is not None


def slow_growth(counts: np.ndarray, m: np.ndarray, dim: int) -> float:
    """The best of a fine grid."""
    grid = np.linspace(0, dim, 200_001)
    curves = dim * (1 - (1 - grid[:, None] / dim) ** m)
    return float(grid[np.square(curves - counts).sum(1).argmin()])


def test_the_growth_is_the_least_squares_fit():
    rng, m = np.random.default_rng(1), np.arange(1.0, 8.0)
    for _ in range(10):
        counts = np.sort(rng.uniform(0, 300, 7))
        s, curve = fit.from_growth(counts, m, 300)
        assert s == pytest.approx(slow_growth(counts, m, 300), abs=0.003)
        np.testing.assert_allclose(curve, 300 * (1 - (1 - s / 300) ** m))


@pytest.mark.parametrize(("count", "s"), [(0.0, 0.0), (300.0, 300.0)])
def test_no_short_directions_or_nothing_else_are_fitted_exactly(count, s):
    assert fit.from_growth(np.full(4, count), np.arange(1.0, 5.0), 300)[0] == pytest.approx(s)


def test_undefined_counts_are_left_out_and_a_single_one_is_no_growth():
    m = np.arange(1.0, 6.0)
    counts = 300 * (1 - (1 - 20 / 300) ** m)
    counts[[0, 3]] = np.nan
    s, curve = fit.from_growth(counts, m, 300)
    assert s == pytest.approx(20)
    assert np.isfinite(curve).all()
    counts[1:4] = np.nan
    assert math.isnan(fit.from_growth(counts, m, 300)[0])


def test_the_residual_is_the_misfit_relative_to_the_mean_count():
    results = Model(spread=0).results()
    counts = results["short-directions"]["center_count"]
    counts[:] = counts * [1.0, 1.3, 1.0, 0.8, 1.0]
    found = fit.landscape(results)["growth"][0]
    fitted = [one["mean"] for one in found["fitted"]]
    wanted = counts.values[0, 0]
    assert found["residual"]["mean"] == pytest.approx(np.sqrt(np.square(fitted - wanted).mean()) / wanted.mean())
    assert found["residual"]["mean"] > 0.05


def test_counts_that_do_not_grow_as_the_model_says_are_named():
    results = Model(spread=0).results()
    assert "do not follow" not in fit.landscape(results)["sentence"]
    counts = results["short-directions"]["center_count"]
    counts[:] = counts.values[:, :, ::-1]
    assert "the counts do not follow the model's curve over m, which misses " in fit.landscape(results)["sentence"]


def test_a_disagreement_is_said_with_its_factor():
    results = Model(s=30).results(true=False)
    results["radial-wells"]["probe_slope"] = results["radial-wells"]["probe_slope"] / 10
    sentence = fit.landscape(results)["sentence"]
    assert sentence.startswith("0.1")
    assert "times as many short directions by probes as by d_lim [0.09" in sentence
    assert "; m-growth above 0.03 and d_lim agree within " in sentence
    assert "the true" not in sentence


def test_a_wide_disagreement_is_said_to_be_in_doubt():
    results = Model(s=30, seeds=3).results()
    results["radial-wells"]["probe_slope"] = results["radial-wells"]["probe_slope"] * [0.2, 1.0, 8.0]
    assert "which the interval does not tell from 1" in fit.landscape(results)["sentence"]


def test_the_toys_true_s_stands_beside():
    sentence = fit.landscape(Model(spread=0).results())["sentence"]
    assert sentence.endswith("; estimates over the true 15: 1 (d_lim), 1 (probes), 1 (m-growth above 0.03).")


def test_what_is_undefined_is_null_and_said():
    results = Model().results()
    results["sections"]["censored"][1] = True
    results["short-directions"]["center_count"].loc[{"seed": 0, "threshold": 0.1}] = np.nan
    found = fit.landscape(results)
    d_lim = by_name(found)["d_lim"]
    assert d_lim["s"]["values"][1] is None
    assert d_lim["s"]["mean"] is d_lim["s"]["interval"] is None
    assert d_lim["product"]["mean"] is not None
    assert "D_lim is undefined in 1 of 5 seeds" in found["sentence"]
    assert ratios(found)["m-growth", "probes"]["ratio"] == pytest.approx(1, rel=0.05)
    assert by_name(found)["m-growth, curvature above 0.1"]["s"]["values"][0] is None
    json.dumps(found, allow_nan=False)


def test_no_short_directions_at_all_is_a_zero_without_a_ratio():
    results = Model().results()
    results["short-directions"]["center_count"][:] = 0.0
    found = fit.landscape(results)
    assert by_name(found)[f"m-growth, curvature above {MATCHED:g}"]["s"]["mean"] == 0
    assert ratios(found)["m-growth", "d_lim"]["ratio"] is None
    json.dumps(found, allow_nan=False)


def test_seeds_that_one_experiment_lacks_are_left_out():
    results = Model().results()
    results["radial-wells"] = results["radial-wells"].isel(seed=[0, 2, 4])
    found = fit.landscape(results)
    assert found["seeds"] == [0, 2, 4]
    assert len(by_name(found)["d_lim"]["s"]["values"]) == 3


def tasks_and_results(landscapes: tuple[str, ...], claims: tuple[str, ...]) -> tuple[list[ClaimSpec], dict]:
    tasks = Replicate(claims=claims, landscapes=landscapes, seeds=3).tasks()
    kept = [task for task in tasks if isinstance(task, ClaimSpec) and task.claim in claims]
    made = Model().results()
    return kept, {task.id: made[task.claim].isel(seed=task.seed, drop=True) for task in kept}


def test_every_toy_and_network_with_all_three_is_fitted_and_no_control():
    found = fit.fit(*tasks_and_results(("toy", "network", "controls"), fit.NEEDED))
    assert found is not None
    assert set(found["landscapes"]) == {"toy-complete", "toy-sampled", "network"}
    assert found["landscapes"]["network"]["seeds"] == [0, 1, 2]
    json.dumps(found, allow_nan=False)


def test_nothing_is_fitted_where_a_claim_is_lacking():
    assert fit.fit(*tasks_and_results(("toy",), fit.NEEDED[:2])) is None
    assert fit.fit([], {}) is None


def test_the_report_names_the_claims_that_the_fit_needs():
    assert parting.NEEDED == fit.NEEDED
    assert set(fit.NEEDED) < {claim.id for claim in CLAIMS}
