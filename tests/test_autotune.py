"""Strategies are timed on the network itself, once, and what was chosen stands in the plan."""

import dataclasses

import pytest
import torch

from nwedge import autotune as module
from nwedge.autotune import Timed, autotune
from nwedge.build import build
from nwedge.plan import Plan
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import GroupSpec
from nwedge.store import Result
from nwedge.study import Finished, carry_out, prepare

SPEC = NetworkSpec(name="network", architecture="mlp", data="digits", strategy="vmap", chunk=2048)
ASKED = {"claims": ("no-obstacles",), "landscapes": ("network",), "seeds": 2, "workers": 1}


def test_candidates_are_timed_fastest_first_and_threads_stay_as_they_were(monkeypatch):
    monkeypatch.setattr(module, "EXAMPLES", 64)
    monkeypatch.setattr(module, "ROUNDS", 1)
    before = torch.get_num_threads()
    timed = autotune(SPEC, before + 1)
    assert torch.get_num_threads() == before
    assert {(one.strategy, one.chunk) for one in timed} == set(module.CANDIDATES)
    assert [one.seconds for one in timed] == sorted(one.seconds for one in timed)
    assert all(one.seconds > 0 for one in timed)


def test_what_a_network_cannot_do_is_left_out(monkeypatch):
    def refusing(spec):
        if spec.strategy == "stacked":
            raise ValueError("this loss cannot be stacked")
        if spec.strategy == "vmap":
            raise RuntimeError("this layer cannot be vectorised")
        return build(spec)

    monkeypatch.setattr(module, "EXAMPLES", 64)
    monkeypatch.setattr(module, "build", refusing)
    assert {one.strategy for one in autotune(dataclasses.replace(SPEC, strategy="loop"), 1)} == {"loop"}


def carried_out(arguments, execute) -> Finished:
    plan = prepare(arguments)
    return carry_out(arguments, plan, execute=execute, judge=lambda *_: [], draw=lambda folder: folder)


def chosen(directory):
    plan = Plan.read(directory)
    return {(task.landscape.strategy, task.landscape.chunk) for task in plan.tasks if isinstance(task, GroupSpec)}


def test_the_choice_stands_in_the_tasks_and_a_rerun_keeps_it(tmp_path, monkeypatch):
    def again(arguments):
        return len(carried_out(arguments, refuse).summary.failed)

    def refuse(task, inputs, threads=None) -> Result:
        raise RuntimeError("not measured in this test")

    monkeypatch.setattr(module, "autotune", lambda spec, threads: [Timed("loop", 64, 0.1), Timed("vmap", 2048, 0.2)])
    asked = Replicate(out=tmp_path, autotune=True, **ASKED)
    again(asked)
    assert chosen(tmp_path) == {("loop", 64)}
    monkeypatch.setattr(module, "autotune", lambda spec, threads: [Timed("vmap", 512, 0.1)])
    again(asked)
    assert chosen(tmp_path) == {("loop", 64)}
    again(dataclasses.replace(asked, cpus_per_task=2))
    assert chosen(tmp_path) == {("vmap", 512)}


def test_without_a_network_there_is_nothing_to_tune(tmp_path, capsys):
    asked = Replicate(out=tmp_path, autotune=True, **ASKED | {"landscapes": ("toy-complete",)})
    carried_out(asked, lambda *_, **__: 1 / 0)
    assert "nothing to tune" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"strategy": "stack"}, "unknown strategy 'stack'; valid: stacked, vmap, loop"),
        ({"chunk": 0}, "--chunk must be at least 1; got 0"),
        ({"autotune": True, "chunk": 8}, "leave out --strategy and --chunk"),
    ],
)
def test_bad_choices_get_one_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Replicate(**given)


def test_strategy_and_chunk_are_those_of_every_network_and_of_nothing_else():
    landscapes = {task.landscape for task in Replicate(strategy="loop", chunk=99, seeds=2).tasks()}
    networks = {one for one in landscapes if isinstance(one, NetworkSpec)}
    assert networks
    assert {(one.strategy, one.chunk) for one in networks} == {("loop", 99)}
    assert landscapes - networks <= {task.landscape for task in Replicate(seeds=2).tasks()}
