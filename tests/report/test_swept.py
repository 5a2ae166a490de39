"""The rows of a sweep share trainings and sheets, and each of them tells of those that it reads."""

import numpy as np
import pytest
import xarray as xr

from nwedge._files import write_json
from nwedge.plan import VERDICTS, Plan
from nwedge.report import results, trained
from nwedge.specs.sweep import Sweep
from nwedge.specs.tasks import SheetSpec
from nwedge.store import Result, Store

TITLES = ["claim.points=50, claim.m=2", "claim.points=50, claim.m=3", "claim.points=60, claim.m=2"]
TITLES += ["claim.points=60, claim.m=3"]


@pytest.fixture
def plan(tmp_path, monkeypatch) -> Plan:
    (tmp_path / "swept_report_module.py").write_text("def build(): ...\ndef data(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = {"network": "swept_report_module:build", "data": "swept_report_module:data"}
    return Plan.of(Sweep(claim="m-tunnels", vary=("claim.points=50,60", "claim.m=2,3", "seed=0:2"), **names))


def test_every_row_has_the_sentence_of_its_own_sheets(plan):
    found = trained.sentences(plan.tasks)
    assert list(found) == TITLES
    for title, sentences in found.items():
        assert sentences[-1].startswith(f"Sheets: 2 sheets over m = {title[-1]} optima")


def test_every_row_with_a_sheet_over_three_optima_shows_it(plan, tmp_path):
    out = tmp_path / "out"
    store = Store(out)
    sheets = [task for task in plan.tasks if isinstance(task, SheetSpec)]
    assert len(sheets) == 4
    for sheet in sheets:
        weights = {"optima": np.full((sheet.m, 4), float(sheet.seed)), "vertices": np.zeros((1, 4))}
        store.write(sheet, Result(xr.Dataset(), weights), {})
    plan.write(out)
    write_json(out / VERDICTS, [])
    found = results.read(out).sheets
    assert sorted(found) == [title for title in TITLES if title.endswith("3")]
    assert all(weights["optima"].shape == (3, 4) for weights in found.values())
