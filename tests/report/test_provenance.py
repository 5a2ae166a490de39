import xarray as xr

from nwedge.plan import Plan
from nwedge.report import provenance
from nwedge.report.results import Results, read
from nwedge.specs.replicate import Replicate
from nwedge.store import Result
from nwedge.study import carry_out, prepare


def planned(**arguments) -> Results:
    return Results(Plan.of(Replicate(seeds=2, **arguments)), (), None, {}, {}, {}, (), {}, ())


def execute(task, inputs, *, threads):
    return Result(xr.Dataset({"value": ((), 1.0)}))


def test_the_entries_that_a_run_stores_are_those_that_are_summed(tmp_path):
    arguments = Replicate(claims=("m-tunnels",), landscapes=("toy-sampled",), seeds=2, out=tmp_path, workers=1)
    plan = prepare(arguments)
    carry_out(arguments, plan, execute=execute, judge=lambda tasks, datasets: [], draw=lambda directory: directory)
    times = dict(provenance.times(read(tmp_path)))
    assert times["wall time, sum over the tasks"].endswith(" s, in however many runs of the command")
    assert times["wall time of training of sheets"].endswith(" tasks")
    assert times["wall time of m-tunnels"].endswith("in 2 tasks")
    facts = dict(provenance.facts(read(tmp_path)))
    assert "wall time" not in facts
    assert " to " in facts["finished"]


def test_the_backend_of_the_wedge_models_is_named():
    for backend in ("torch", "jax"):
        assert dict(provenance.facts(planned(toy_backend=backend)))["wedge models computed by"] == backend
    assert "wedge models computed by" not in dict(provenance.facts(planned(landscapes=("network",))))


def test_settings_that_landscapes_share_come_first_and_the_rest_by_kind():
    found = provenance.settings(planned(preset="fashion"))
    shared, *apart = found["tunnels"]
    assert "bends 1,000" in shared
    assert [text.split(":")[0] for text in apart] == ["on the toys and the controls", "on the network"]
    assert "examples 250" in apart[1]
    assert found["ensembling"] == ["members 5, m 5"]


def test_landscapes_are_named_where_a_kind_has_several_settings():
    apart = provenance.settings(planned())["sections"][1:]
    assert [text.split(":")[0] for text in apart][:2] == ["on toy-complete", "on toy-sampled"]


def test_cuts_name_seeds_examples_and_settings_that_are_not_the_claims_own():
    found = provenance.cuts(planned(preset="fashion"))
    assert found[0] == "Every number is over 2 seeds."
    assert any(text.startswith("Trained on at most 10,000 examples of network") for text in found)
    assert sum("kept in training" in text and "on 5,000 examples of network." in text for text in found) == 1
    assert not any("kept in training" in text for text in provenance.cuts(planned()))
    (tunnels,) = (text for text in found if text.startswith("tunnels on "))
    assert tunnels.startswith("tunnels on the network: steps 300 instead of 1,000, ")
    assert "examples 250 instead of all" in tunnels
    assert not any(text.startswith("ensembling") for text in found)


def test_a_quick_run_says_what_it_cuts_everywhere():
    assert "no-obstacles on all landscapes: points 51 instead of 101." in provenance.cuts(planned(quick=True))


def test_a_derived_control_is_described_as_another_reading():
    names = {one["name"]: one for one in provenance.landscapes(planned(claims=("tunnel-width",)))}
    what = names["control-permuted"]["what"]
    assert what == "Another reading of what tunnel-width measured on network; nothing is measured anew."
    assert "control-permuted" not in {one["name"] for one in provenance.landscapes(planned(claims=("tunnels",)))}


def test_tasks_that_train_are_called_so_and_give_their_seeds():
    tasks = provenance.tasks(planned(claims=("m-tunnels",), landscapes=("toy-complete",)))
    seeds = {(task["folder"], task["seed"]) for task in tasks}
    assert {("training of runs", "0, 1"), ("training of sheets", "0"), ("m-tunnels", "1")} <= seeds
