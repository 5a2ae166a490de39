"""Strategies are timed on the network itself, once, and what was chosen stands in the plan."""

import dataclasses
import functools
import math
from typing import ClassVar

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
    monkeypatch.setattr(module, "BEHIND", math.inf)
    before = torch.get_num_threads()
    timed = autotune([SPEC], before + 1)
    assert torch.get_num_threads() == before
    assert {(one.strategy, one.chunk) for one in timed} == set(module.CANDIDATES)
    assert [one.seconds for one in timed] == sorted(one.seconds for one in timed)
    assert all(one.seconds > 0 for one in timed)


class Pretended(module.Work):
    """A network whose times are known: noise makes all rounds but one longer, and some candidates are slow."""

    SECONDS: ClassVar = {
        "small": {"stacked": 0.032, "vmap": 0.064, "loop": 0.016},
        "large": {"stacked": 3.2, "loop": 0.2},
    }
    SLOW = ("loop", 64)
    clock = 0.0
    whole_calls: ClassVar = []

    def __init__(self, spec, strategy, chunk):
        if strategy not in self.SECONDS[spec.data]:
            raise ValueError("this network cannot be evaluated like this")
        self.candidate, self.seconds, self.rounds = (strategy, chunk), self.SECONDS[spec.data][strategy], 0

    def little(self):
        Pretended.clock += 10.0 if self.candidate == self.SLOW else 1.0

    def whole(self):
        self.whole_calls.append(self.candidate)
        self.rounds += 1
        Pretended.clock += self.seconds * (1 if self.rounds == 2 else 9)


@pytest.mark.parametrize(
    ("data", "best"),
    [
        (("small",), {"stacked": 0.001, "vmap": 0.002, "loop": 0.004}),
        (("small", "large"), {"loop": 0.054, "stacked": 0.101}),
    ],
)
def test_the_fastest_a_point_on_all_networks_together_is_first(monkeypatch, data, best):
    monkeypatch.setattr(module, "Work", Pretended)
    monkeypatch.setattr(module, "build", lambda spec: None)
    monkeypatch.setattr(module.time, "perf_counter", lambda: Pretended.clock)
    Pretended.whole_calls.clear()
    timed = autotune([dataclasses.replace(SPEC, data=name) for name in data], 1)
    assert list(dict.fromkeys(one.strategy for one in timed)) == sorted(best, key=best.get)
    assert {one.strategy: one.seconds for one in timed} == pytest.approx(best)
    assert Pretended.SLOW not in Pretended.whole_calls


def test_a_point_is_timed_on_losses_gradients_and_training_steps(monkeypatch):
    seen = []
    for name in ("evaluate", "gradient", "loss_and_gradient"):

        def watched(own, landscape, points):
            seen.append((own.__name__, getattr(landscape, "examples", None), len(points)))
            return own(landscape, points)

        monkeypatch.setattr(module, name, functools.partial(watched, getattr(module, name)))
    work = module.Work(SPEC, "stacked", 512)
    work.little()
    assert seen == [("evaluate", 1400, 4)]
    work.whole()
    assert seen[1:3] == [("evaluate", 1400, 32), ("gradient", 1400, 32)]
    assert [(name, points) for name, _, points in seen[3:]] == [("loss_and_gradient", 32)] * (1400 // 128)


def test_what_a_network_cannot_do_is_left_out(monkeypatch):
    def refusing(spec):
        if spec.strategy == "stacked":
            raise ValueError("this loss cannot be stacked")
        if spec.strategy == "vmap":
            raise RuntimeError("this layer cannot be vectorised")
        return build(spec)

    monkeypatch.setattr(module, "EXAMPLES", 64)
    monkeypatch.setattr(module, "build", refusing)
    assert {one.strategy for one in autotune([dataclasses.replace(SPEC, strategy="loop")], 1)} == {"loop"}


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
