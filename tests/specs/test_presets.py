"""Tasks: fixed by preset and seeds, inputs before readers, every one unique and able to survive JSON."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge.specs.claims import CLAIMS, claim
from nwedge.specs.presets import MEMBERS, PRESETS, expand, keep, measured, subjects
from nwedge.specs.tasks import ClaimSpec, GroupSpec, TaskSpec

IDS = tuple(claim.id for claim in CLAIMS)
KINDS = ("toy", "network", "controls")
NAMES = {
    *("toy-complete", "toy-sampled", "network", "control-bowl", "control-isolated", "control-horseshoe"),
    *("control-groove", "control-ball", "control-permuted", "control-repeated"),
}
"""The rows that a verdict table may have."""


def tasks(preset, claims=IDS, landscapes=KINDS, seeds=3, *, quick=False, device="cpu"):
    return expand(PRESETS[preset], claims=claims, landscapes=landscapes, seeds=seeds, quick=quick, device=device)


def groups(found):
    return {task.id: task for task in found if isinstance(task, GroupSpec)}


def readers(found):
    return [task for task in found if isinstance(task, ClaimSpec)]


every_preset = pytest.mark.parametrize("preset", PRESETS)
both_speeds = pytest.mark.parametrize("quick", [True, False])


@every_preset
@both_speeds
def test_every_task_survives_json(preset, quick):
    for task in tasks(preset, quick=quick):
        again = TaskSpec.from_json(task.to_json())
        assert (again, again.id, again.folder, again.needs) == (task, task.id, task.folder, task.needs)


@every_preset
@both_speeds
def test_tasks_are_unique_and_inputs_come_first(preset, quick):
    found = tasks(preset, quick=quick)
    assert len({task.id for task in found}) == len(found)
    done = set()
    for task in found:
        assert set(task.needs) <= done
        done.add(task.id)


@every_preset
def test_no_group_is_trained_in_vain(preset):
    found = tasks(preset)
    assert set(groups(found)) == {need for task in readers(found) for need in task.needs}


@every_preset
@pytest.mark.parametrize("id", IDS)
def test_a_claim_alone_has_the_tasks_that_it_has_among_all(preset, id):
    whole, alone = tasks(preset), tasks(preset, claims=(id,))
    assert {task.id for task in readers(alone)} == {task.id for task in readers(whole) if task.claim == id}
    needed = {need for task in readers(whole) if task.claim == id for need in task.needs}
    assert set(groups(alone)) == needed
    assert needed


@every_preset
def test_a_subject_alone_has_the_tasks_that_it_has_among_all(preset):
    whole = tasks(preset)
    for subject in subjects(PRESETS[preset], KINDS):
        mine = [task.id for task in whole if task.landscape.name == subject.name]
        assert [task.id for task in tasks(preset, landscapes=(subject.name,))] == mine


@every_preset
def test_quick_settings_leave_the_training_as_it_is(preset):
    assert set(groups(tasks(preset, quick=True))) == set(groups(tasks(preset, quick=False)))


@every_preset
def test_settings_are_the_quick_ones_or_the_defaults(preset):
    for task in readers(tasks(preset, quick=True)):
        assert task.config == PRESETS[preset].quick[task.claim]
    for task in readers(tasks(preset, quick=False)):
        assert task.config == claim(task.claim).config()


@every_preset
def test_each_claim_reads_the_runs_of_its_seed(preset):
    found = tasks(preset)
    trained = groups(found)
    for task in readers(found):
        runs = [trained[ref.group].runs[ref.row] for ref in task.reads]
        assert [(run.seed, run.member) for run in runs] == [(task.seed, member) for member in range(MEMBERS)]
        assert {trained[ref.group].landscape for ref in task.reads} == {task.landscape}


@every_preset
def test_each_claim_has_one_task_a_seed_on_each_of_its_subjects(preset):
    found = readers(tasks(preset, seeds=4))
    expected = {
        (one.id, subject.name, seed)
        for one, subject in itertools.product(CLAIMS, subjects(PRESETS[preset], KINDS))
        if measured(one, subject)
        for seed in range(4)
    }
    assert {(task.claim, task.landscape.name, task.seed) for task in found} == expected
    assert len(found) == len(expected)


@every_preset
def test_runs_within_a_group_are_distinct(preset):
    for group in groups(tasks(preset)).values():
        assert len(set(group.runs)) == len(group.runs)


@every_preset
def test_more_seeds_change_no_landscape_and_no_run(preset):
    def run_ids(found):
        return {(group.landscape.id, group.train.id, run.id) for group in groups(found).values() for run in group.runs}

    assert run_ids(tasks(preset, seeds=2)) < run_ids(tasks(preset, seeds=3))


@every_preset
def test_every_claim_has_its_controls_and_its_settings(preset):
    rows = {subject.name for subject in subjects(PRESETS[preset], KINDS)}
    assert rows <= NAMES
    for one in CLAIMS:
        assert set(one.controls) <= rows
        assert one.controls
        assert type(PRESETS[preset].quick[one.id]) is one.config
    assert {task.landscape.name for task in tasks(preset)} == rows


@every_preset
def test_controls_are_measured_for_their_own_claims_alone(preset):
    for one, subject in itertools.product(CLAIMS, subjects(PRESETS[preset], ("controls",))):
        assert measured(one, subject) == (subject.name in one.controls)


@every_preset
def test_the_device_reaches_every_landscape(preset):
    elsewhere = tasks(preset, device="cuda:1")
    assert {task.landscape.device for task in elsewhere} == {"cuda:1"}
    assert {task.id for task in elsewhere}.isdisjoint(task.id for task in tasks(preset))


@every_preset
def test_the_kept_steps_span_the_training(preset):
    for group in groups(tasks(preset)).values():
        assert group.train.keep[0] == 0
        assert group.train.keep[-1] == group.train.steps


@settings(deadline=None, max_examples=50)
@given(steps=st.integers(1, 10**6), count=st.integers(2, 60))
def test_kept_steps_rise_to_the_last(steps, count):
    kept = keep(steps, count)
    assert kept[0] == 0
    assert kept[-1] == steps
    assert all(a < b for a, b in itertools.pairwise(kept))
    assert len(kept) <= count + 1


def test_nothing_is_done_where_nothing_is_asked():
    assert tasks("digits", claims=()) == ()
    assert tasks("digits", landscapes=()) == ()
