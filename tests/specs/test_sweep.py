import re

import pytest

from nwedge.specs.landscapes import OwnNetworkSpec
from nwedge.specs.sweep import Sweep
from nwedge.specs.tasks import ClaimSpec, GroupSpec, SheetSpec
from nwedge.specs.vary import texts

OWN = """
def build(width=3): ...
def data(): ...
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    path = tmp_path / "swept_module.py"
    path.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return path


def sweep(claim="tunnels", vary=(), **settings) -> Sweep:
    return Sweep(claim=claim, network="swept_module:build", data="swept_module:data", vary=tuple(vary), **settings)


def groups(arguments: Sweep) -> list[GroupSpec]:
    return [task for task in arguments.tasks() if isinstance(task, GroupSpec)]


def claims(arguments: Sweep) -> list[ClaimSpec]:
    return [task for task in arguments.tasks() if isinstance(task, ClaimSpec)]


def test_every_combination_is_a_row_and_every_seed_of_it_trains_apart():
    arguments = sweep(vary=["lr=4e-4,8e-4", "seed=3:6", "network.width=1,2", "claim.steps=7"], steps=50)
    titles = [f"lr={lr}, network.width={width}" for lr in ("0.0004", "0.0008") for width in (1, 2)]
    assert list(arguments.combinations()) == titles
    rows = claims(arguments)
    assert [(task.landscape.name, task.seed) for task in rows] == [(title, s) for title in titles for s in (3, 4, 5)]
    for task in rows:
        assert isinstance(task.landscape, OwnNetworkSpec)
        assert dict(task.landscape.network_arguments)["width"] == int(task.landscape.name[-1])
        assert getattr(task.config, "steps") == 7  # noqa: B009
        assert {ref.run.lr for ref in task.reads} == {float(task.landscape.name.split(",")[0][3:])}
    trained = groups(arguments)
    assert len(trained) == 12
    assert all(task.train.steps == 50 and len(task.runs) == 2 for task in trained)
    assert len({run.seed for run in trained[0].runs}) == 1


@pytest.mark.parametrize("strategy", ["stacked", "loop", None])
def test_more_seeds_leave_those_that_are_done_as_they_are(strategy):
    few, many = ({task.id for task in sweep(vary=[f"seed=0:{count}"], strategy=strategy).tasks()} for count in (3, 4))
    assert few < many


def test_what_the_rule_chose_stands_in_the_tasks_unless_another_is_asked_for():
    vary = ["network.width=1,2"]
    keys = {task.landscape.network_arguments[0][1]: task.landscape.judged_by for task in sweep(vary=vary).tasks()}
    rule = {keys[1]: ("stacked", 512), keys[2]: ("loop", 256)}
    found = {
        (task.landscape.network_arguments[0][1], task.landscape.strategy, task.landscape.chunk)
        for task in sweep(vary=vary).tasks(rule)
    }
    assert found == {(1, "stacked", 512), (2, "loop", 256)}
    assert {task.landscape.strategy for task in sweep(vary=vary, strategy="vmap", chunk=9).tasks(rule)} == {"vmap"}


def test_settings_reach_the_tasks():
    vary = ["optimizer=sgd", "momentum=0.5", "weight_decay=1e-3", "schedule=cosine", "batch_size=16"]
    arguments = sweep(vary=[*vary, "batch_norm=recompute", "data.examples=10"], lr=0.3)
    (task, *_), group = claims(arguments), groups(arguments)[0]
    assert (group.train.optimizer, group.train.momentum, group.train.schedule) == ("sgd", 0.5, "cosine")
    assert groups(sweep(optimizer="adam"))[0].train.optimizer == "adam"
    assert (group.runs[0].weight_decay, group.runs[0].lr) == (1e-3, 0.3)
    assert isinstance(task.landscape, OwnNetworkSpec)
    assert (task.landscape.name, task.landscape.batch_size) == ("network", 16)
    assert (task.landscape.batch_norm, task.landscape.data_arguments) == ("recompute", (("examples", 10),))
    assert [task.seed for task in claims(arguments)] == list(range(5))
    assert {task.landscape.device for task in sweep(device="cuda").tasks()} == {"cuda"}


def test_sheets_are_over_the_sizes_asked_for():
    arguments = sweep("m-tunnels", ["claim.m=2+3", "sheet_steps=5", "seed=0,1"])
    sheets = [task for task in arguments.tasks() if isinstance(task, SheetSpec)]
    assert sorted((sheet.seed, sheet.m, sheet.steps) for sheet in sheets) == [
        (0, 2, 5),
        (0, 3, 5),
        (1, 2, 5),
        (1, 3, 5),
    ]
    assert all(len(group.runs) == 3 for group in groups(arguments))
    assert [*sweep("m-tunnels", ["claim.m=2+3,4"]).combinations()] == ["claim.m=2+3", "claim.m=4"]


def test_what_claims_alone_differ_in_trains_nothing_twice():
    few, more = sweep(vary=["lr=0.1"]), sweep(vary=["lr=0.1,0.2"])
    assert {group.id for group in groups(few)} < {group.id for group in groups(more)}
    assert {group.id for group in groups(sweep(vary=["claim.points=51,101"]))} == {group.id for group in groups(few)}
    one, both = (sweep("m-tunnels", [f"claim.points={points}", "claim.m=2"]) for points in ("50", "50,100"))
    needs = {task.id for task in one.tasks() if not isinstance(task, ClaimSpec)}
    assert needs == {task.id for task in both.tasks() if not isinstance(task, ClaimSpec)}


def test_a_changed_module_makes_other_tasks(module):
    before = [task.id for task in sweep().tasks()]
    assert [task.id for task in sweep().tasks()] == before
    module.write_text(OWN + "# changed")
    assert not set(before) & {task.id for task in sweep().tasks()}


def test_values_survive_the_journey_through_texts():
    given = {"lr": (4e-4, 1 / 3), "seed": range(3), "network.bias": (True, False), "claim.m": ((2, 3), (4,))}
    assert texts(given) == ("lr=0.0004,0.3333333333333333", "seed=0,1,2", "network.bias=true,false", "claim.m=2+3,4")
    rows = sweep("m-tunnels", texts(given)).combinations().values()
    assert {row["lr"] for row in rows} == {4e-4, 1 / 3}
    assert {row["network.bias"] for row in rows} == {True, False}
    assert {row["claim.m"] for row in rows} == {(2, 3), (4,)}


def test_values_of_any_spelling_are_what_they_say():
    (row,) = (
        sweep(vary=["network.a=False", "network.b=None", "network.c=1.0", "claim.examples=None"])
        .combinations()
        .values()
    )
    assert list(row.values()) == [False, None, 1.0, None]
    assert [type(value) for value in row.values()] == [bool, type(None), float, type(None)]
    assert texts({"network.x": (None, 1.0, "a")}) == ("network.x=None,1.0,a",)
    assert len(sweep(vary=["network.b=None,batch"]).tasks())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network.x", "1"),
        ("network.x", "True"),
        ("network.x", "a,b"),
        ("network.x", "0:3"),
        ("network.x", "nan"),
        ("network.x", float("nan")),
        ("network.x", (16, 16)),
        ("claim.m", ("2", "3")),
    ],
)
def test_values_that_would_be_read_as_others_are_refused(name, value):
    with pytest.raises(ValueError, match=re.escape(f"--vary {name} takes numbers")):
        texts({name: (value,)})


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ("lr", "must be NAME=VALUE"),
        ("=3", "must be NAME=VALUE"),
        ("lr=", "must be NAME=VALUE"),
        ("lr=0", "--vary lr must be positive and finite; got 0"),
        ("lr=fast", "--vary lr must be a number; got 'fast'"),
        ("lr=nan", "--vary lr must be positive"),
        ("lr=true", "--vary lr must be a number; got True"),
        ("steps=0", "--vary steps must be at least 1"),
        ("steps=1.5", "--vary steps must be an integer; got 1.5"),
        ("momentum=1", "at least 0 and below 1"),
        ("weight_decay=-1", "at least 0 and finite"),
        ("batch_size=0", "at least 1"),
        ("optimizer=lion", "one of sgd, adam"),
        ("schedule=cyclical", "one of constant, cosine"),
        ("batch_norm=drop", "one of keep, recompute"),
        ("seed=1", "needs at least 2 values"),
        ("seed=-1,2", "at least 0"),
        ("seed=3:3", "needs values that differ"),
        ("lr=1,1", "needs values that differ"),
        ("width=3", "cannot vary 'width': it varies seed, optimizer, lr"),
        ("claim.width=3", "tunnels has claim.steps"),
        ("claim.m=3", "tunnels has claim.steps"),
        ("network.x=nan", "--vary network.x must be finite; got nan"),
        ("data.x=1,inf", "--vary data.x must be finite; got inf"),
        ("claim.rate=nan", "--vary claim.rate must be finite; got nan"),
        ("claim.examples=abc", "--vary claim.examples must be an integer or None; got 'abc'"),
        ("claim.steps=None", "--vary claim.steps must be an integer; got 'None'"),
        ("sheet_steps=5,6", "--sheet-steps is for claims that read sheets: leave it out with tunnels"),
        ("claim.steps=few", "claim.steps must be an integer; got 'few'"),
    ],
)
def test_what_cannot_be_varied_is_one_sentence(vary, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        sweep(vary=[vary])
    assert "\n" not in str(caught.value)


def test_other_arguments_that_cannot_be_are_one_sentence():
    for settings, words in (
        ({"claim": "tunel"}, "unknown claim 'tunel'"),
        ({"claim": "averaging"}, "itself compares several settings or claims; those that can vary: no-obstacles"),
        ({"vary": ["lr=1", "lr=2"]}, "--vary lr is given twice"),
        ({"lr": -1.0}, "--lr must be positive"),
        ({"vary": ["optimizer=sgd,adam"], "momentum": 0.9}, "--momentum is of --optimizer sgd: leave it out with adam"),
        ({"sheet_steps": 5}, "--sheet-steps is for claims that read sheets"),
        ({"sheet_steps": -1}, "--sheet-steps must be at least 0"),
        ({"predict": "swept_module:data"}, "--predict is for networks with a --loss of their own"),
        ({"loss": "swept_module"}, "--loss must be package.module:function"),
        ({"device": "tpu"}, "--device must be cpu"),
        ({"claim": "m-tunnels", "vary": ["claim.m=two"]}, "claim.m must be an integer, or several joined by +"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            sweep(**settings)
    with pytest.raises(ValueError, match="cannot find swept_nothing"):
        Sweep(claim="tunnels", network="swept_nothing:f", data="swept_module:data").tasks()
