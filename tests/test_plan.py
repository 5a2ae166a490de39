import json
from pathlib import Path

import pytest

from nwedge import __version__
from nwedge._files import StoreError
from nwedge.plan import PLAN, Plan
from nwedge.specs.replicate import Replicate

ARGUMENTS = Replicate(claims=("tunnels",), landscapes=("toy",), seeds=2, out=Path("somewhere"))


def test_a_plan_survives_the_disk(tmp_path):
    plan = Plan.of(ARGUMENTS)
    plan.write(tmp_path)
    back = Plan.read(tmp_path)
    assert back.tasks == ARGUMENTS.tasks()
    assert [task.id for task in back.tasks] == [task.id for task in plan.tasks]
    assert back.version == __version__
    assert back.arguments["claims"] == ["tunnels"]
    assert "out" not in back.arguments


def test_where_there_is_no_replication(tmp_path):
    with pytest.raises(StoreError, match="no directory"):
        Plan.read(tmp_path / "missing")
    with pytest.raises(StoreError, match=r"holds no results \(no plan\.json\)"):
        Plan.read(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"tasks": 3}', '{"tasks": [{"spec": "Unknown"}], "arguments": {}, "version": ""}']
)
def test_a_damaged_plan_is_named(tmp_path, content):
    (tmp_path / PLAN).write_text(content)
    with pytest.raises(StoreError, match=r"plan\.json is damaged"):
        Plan.read(tmp_path)


def test_a_plan_with_a_field_of_another_version_is_named(tmp_path):
    Plan.of(ARGUMENTS).write(tmp_path)
    value = json.loads((tmp_path / PLAN).read_text())
    value["tasks"][0]["unknown_field"] = 1
    (tmp_path / PLAN).write_text(json.dumps(value))
    with pytest.raises(StoreError, match="another version"):
        Plan.read(tmp_path)
