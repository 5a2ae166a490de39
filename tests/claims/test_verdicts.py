"""Every verdict can come out all three ways, on synthetic results."""

import numpy as np
import pytest
import xarray as xr

from nwedge.claims import no_obstacles, tunnels, two_halves


def obstacles(trained: xr.Dataset, rise: np.ndarray) -> dict[str, xr.Dataset]:
    rises = np.stack([np.zeros(len(rise)), rise], axis=1)
    quiet = np.zeros_like(rises)
    dataset = trained.assign(line_rise=(("seed", "run"), rises), trajectory_rise=(("seed", "run"), quiet))
    return {"no-obstacles": dataset}


@pytest.mark.parametrize(("rise", "outcome"), [(0.02, "holds"), (0.5, "fails"), (0.1, "inconclusive")])
def test_no_obstacles(trained: xr.Dataset, spread: np.ndarray, rise: float, outcome: str) -> None:
    verdict = no_obstacles.verdict(obstacles(trained, rise + spread))
    assert verdict.outcome == outcome
    assert verdict.statistic == pytest.approx(1 - rise)


def test_no_obstacles_needs_the_trajectory_too(trained: xr.Dataset, spread: np.ndarray) -> None:
    results = obstacles(trained, 0.02 + spread)
    results["no-obstacles"]["trajectory_rise"][:] = 0.5
    assert no_obstacles.verdict(results).outcome == "fails"


def test_no_obstacles_without_a_drop_is_inconclusive(trained: xr.Dataset, spread: np.ndarray) -> None:
    results = obstacles(trained, 0.02 + spread)
    results["no-obstacles"]["line_rise"][2, 0] = np.nan
    verdict = no_obstacles.verdict(results)
    assert verdict.outcome == "inconclusive"
    assert verdict.statistic is None


def test_a_rise_is_measured_from_the_running_minimum() -> None:
    losses = np.array([[4.0, 1.0, 2.0, 0.0], [4.0, 3.0, 2.0, 2.0], [1.0, 2.0, 3.0, 2.0]])
    rise = no_obstacles.rise(losses, losses[:, 0] - losses[:, -1])
    np.testing.assert_allclose(rise, [0.25, 0.0, np.nan])


def tunnelled(trained: xr.Dataset, line: np.ndarray, sheet: np.ndarray, bends: np.ndarray) -> dict[str, xr.Dataset]:
    barrier = np.stack([line, sheet], axis=1)
    dataset = trained.assign(
        barrier=(("seed", "path"), barrier),
        bend_barrier=(("seed", "bend"), np.stack([bends, bends + 1], axis=1)),
        coincide=("seed", np.zeros(len(line), dtype=bool)),
    ).assign_coords(path=["line", "sheet"])
    return {"tunnels": dataset}


@pytest.mark.parametrize(
    ("line", "sheet", "bends", "outcome", "worst"),
    [
        (1.0, 0.1, 0.9, "holds", 0.889),
        (0.1, 0.001, 0.9, "inconclusive", 0.05),
        (0.03, 0.001, 0.9, "fails", 0.015),
        (1.0, 0.9, 2.0, "fails", 0.1),
        (1.0, 0.2, 0.25, "fails", 0.2),
        (1.0, 0.5, 9.0, "inconclusive", 0.5),
    ],
)
def test_tunnels(
    trained: xr.Dataset, spread: np.ndarray, line: float, sheet: float, bends: float, outcome: str, worst: float
) -> None:
    verdict = tunnels.verdict(tunnelled(trained, line * (1 + spread), np.full(5, sheet), np.full(5, bends)))
    assert verdict.outcome == outcome
    assert verdict.statistic == pytest.approx(worst, abs=0.01)
    assert len(verdict.parts) == 3


def test_tunnels_without_a_wall_fail_and_leave_the_ratio_undefined(trained: xr.Dataset) -> None:
    verdict = tunnels.verdict(tunnelled(trained, np.zeros(5), np.zeros(5), np.full(5, 0.5)))
    assert verdict.outcome == "fails"
    assert verdict.statistic == 0
    assert verdict.parts[1].statistic is None


def test_optima_that_coincide_fail_with_statistic_zero(trained: xr.Dataset) -> None:
    results = tunnelled(trained, np.zeros(5), np.full(5, np.nan), np.full(5, np.nan))
    results["tunnels"]["coincide"][:] = True
    verdict = tunnels.verdict(results)
    assert (verdict.outcome, verdict.statistic) == ("fails", 0)
    assert [one.outcome for one in verdict.parts] == ["fails"] * 3


def halves(trained: xr.Dataset, within: np.ndarray, across: np.ndarray) -> dict[str, xr.Dataset]:
    good = np.full(len(within), 0.9)
    dataset = trained.assign(
        within=(("seed", "path"), np.stack([good, within], axis=1)),
        across=(("seed", "path"), np.stack([1 - good, across], axis=1)),
        straight=(("seed", "path"), np.zeros((len(within), 2), dtype=bool)),
        coincide=("seed", np.zeros(len(within), dtype=bool)),
    ).assign_coords(path=["pointwise", "sheet"])
    return {"two-halves": dataset}


@pytest.mark.parametrize(
    ("within", "across", "outcome"),
    [
        (0.9, 0.1, "holds"),
        (0.2, 0.1, "fails"),
        (0.9, 0.8, "fails"),
        (0.5, 0.1, "inconclusive"),
        (0.9, 0.5, "inconclusive"),
    ],
)
def test_two_halves(trained: xr.Dataset, spread: np.ndarray, within: float, across: float, outcome: str) -> None:
    verdict = two_halves.verdict(halves(trained, within + spread, across + spread))
    assert verdict.outcome == outcome
    assert len(verdict.parts) == 4


@pytest.mark.parametrize("flag", ["coincide", "straight"])
def test_a_path_that_does_not_bend_fails_with_statistic_zero(trained: xr.Dataset, flag: str) -> None:
    results = halves(trained, np.full(5, np.nan), np.full(5, np.nan))
    results["two-halves"][flag][:] = True
    verdict = two_halves.verdict(results)
    assert (verdict.outcome, verdict.statistic) == ("fails", 0)
