"""The experiments on the wedge model come out alike whichever framework computes it."""

import pytest

from nwedge.claims._task import execute
from nwedge.claims.judging import judge
from nwedge.specs.landscapes import BACKENDS, TORCH
from nwedge.specs.presets import PRESETS, Place, Preset, expand
from nwedge.specs.tasks import ClaimSpec

CLAIMS = ("no-obstacles", "radial-wells", "tunnels", "averaging")
LIGHT = {
    "radial-wells": {"directions": 200},
    "tunnels": {"steps": 300, "pointwise_steps": 100, "samples": 2, "points": 31, "bends": 100, "bend_points": 5},
}


def rows_by(backend: str) -> dict[str, dict]:
    """The verdicts on the sampled wedges, by claim, of a light run with 3 seeds."""
    preset = Preset(PRESETS["digits"].subjects, LIGHT)
    here = Place(backend=backend)
    work = expand(preset, claims=CLAIMS, landscapes=("toy-sampled",), seeds=3, quick=True, place=here)
    results = {}
    for task in work:
        results[task.id] = execute(task, {need: results[need] for need in task.needs})
    asked = [task for task in work if isinstance(task, ClaimSpec)]
    return {row["claim"]: row for row in judge(asked, {task.id: results[task.id].dataset for task in asked})}


@pytest.fixture(scope="module")
def torch_rows() -> dict[str, dict]:
    return rows_by(TORCH)


@pytest.mark.parametrize("backend", BACKENDS)
def test_outcomes_agree_and_statistics_lie_in_each_others_intervals(backend: str, torch_rows: dict[str, dict]) -> None:
    pytest.importorskip(backend)
    rows = rows_by(backend)
    assert set(rows) == set(torch_rows) == set(CLAIMS)
    for claim, row in rows.items():
        ours, theirs = row, torch_rows[claim]
        assert ours["outcome"] == theirs["outcome"], claim
        for one, other in ((ours, theirs), (theirs, ours)):
            low, high = other["interval"]
            assert low <= one["statistic"] <= high, claim
