"""Tasks: fixed by preset and seeds, inputs before readers, every one unique and able to survive JSON."""

import dataclasses
import functools
import itertools

import pytest

from nwedge.specs.claims import CLAIMS, claim
from nwedge.specs.presets import PRESETS, Place, expand, judged, measured, subjects
from nwedge.specs.tasks import ALL, OPTIMA, ClaimSpec, GroupSpec, SheetSpec, TaskSpec

IDS = tuple(claim.id for claim in CLAIMS)
KINDS = ("toy", "network", "controls")
HERE = Place()
NAMES = {
    *("toy-complete", "toy-sampled", "network", "control-bowl", "control-isolated", "control-horseshoe"),
    *("control-groove", "control-ball", "control-permuted", "control-repeated"),
}
"""The rows that a verdict table may have."""


@functools.cache
def tasks(preset, claims=IDS, landscapes=KINDS, seeds=3, *, quick=False, place=HERE):
    return expand(PRESETS[preset], claims=claims, landscapes=landscapes, seeds=range(seeds), quick=quick, place=place)


def groups(found):
    return {task.id: task for task in found if isinstance(task, GroupSpec)}


def sheets(found):
    return {task.id: task for task in found if isinstance(task, SheetSpec)}


def readers(found):
    return [task for task in found if isinstance(task, ClaimSpec)]


def inputs(found, wanted):
    """The ids of all that some tasks need, directly or not."""
    by_id = {task.id: task for task in found}
    needs = {need for task in wanted for need in task.needs}
    return needs | {deeper for need in needs for deeper in by_id[need].needs}


def pairs(found):
    return {(task.claim, task.landscape.name) for task in readers(found)}


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
@pytest.mark.parametrize("id", [None, *IDS])
def test_nothing_is_trained_in_vain(preset, id):
    found = tasks(preset, claims=IDS if id is None else (id,))
    assert {*groups(found), *sheets(found)} == inputs(found, readers(found))


@every_preset
@pytest.mark.parametrize("id", IDS)
def test_a_claim_alone_has_the_tasks_that_it_has_among_all(preset, id):
    whole, alone = tasks(preset), tasks(preset, claims=(id,))
    assert {task.id for task in alone} <= {task.id for task in whole}
    own = [task for task in whole if isinstance(task, ClaimSpec) and task.claim == id]
    wanted = [task for task in own if judged(claim(id), task.landscape.name)]
    assert {task.id for task in readers(alone) if task.claim == id} == {task.id for task in wanted}
    assert inputs(whole, wanted) <= {task.id for task in alone}


@every_preset
def test_what_a_claim_needs_is_measured_where_the_claim_is_and_nowhere_else(preset):
    for one in CLAIMS:
        own = {name for id, name in pairs(tasks(preset, claims=(one.id,))) if id == one.id}
        assert pairs(tasks(preset, claims=(one.id,))) == set(itertools.product((one.id, *one.needs), own))
    assert {"sections", "short-directions"} <= {id for id, name in pairs(tasks(preset)) if name == "control-ball"}
    assert ("sections", "control-ball") not in pairs(tasks(preset, claims=("sections",)))


@every_preset
def test_a_subject_alone_has_the_tasks_that_it_has_among_all(preset):
    whole = tasks(preset)
    for subject in subjects(PRESETS[preset], KINDS):
        mine = [task for task in readers(whole) if task.landscape.name == subject.name]
        wanted = {task.id for task in mine} | inputs(whole, mine)
        assert {task.id for task in tasks(preset, landscapes=(subject.name,))} == wanted


@every_preset
def test_quick_settings_leave_the_training_as_it_is(preset):
    slow, quick = tasks(preset), tasks(preset, quick=True)
    assert set(groups(quick)) == set(groups(slow))
    assert set(sheets(quick)) <= set(sheets(slow))


@every_preset
@both_speeds
def test_settings_are_the_claims_own_or_the_subjects_with_what_is_quick(preset, quick):
    rows = {subject.name: subject for subject in subjects(PRESETS[preset], KINDS)}
    for task in readers(tasks(preset, quick=quick)):
        subject = rows[task.landscape.name]
        expected = subject.settings.get(task.claim, claim(task.claim).config())
        changes = PRESETS[preset].quick.get(task.claim, {}) | subject.quick.get(task.claim, {}) if quick else {}
        assert task.config == dataclasses.replace(expected, **changes)
        assert type(task.config) is claim(task.claim).config


@every_preset
def test_a_reference_says_what_stands_in_the_group(preset):
    found = tasks(preset)
    trained = groups(found)
    for task in [*readers(found), *sheets(found).values()]:
        for ref in task.reads:
            assert trained[ref.group].runs[ref.row] == ref.run
            assert trained[ref.group].landscape == ref.landscape


@every_preset
def test_each_claim_reads_the_runs_of_its_seed_in_the_roles_that_it_names(preset):
    for task in readers(tasks(preset)):
        wanted = claim(task.claim).reads
        assert {ref.role for ref in task.reads} <= set(wanted)
        assert {ref.run.seed for ref in task.reads} == {task.seed}
        counts = {role: sum(ref.role == role for ref in task.reads) for role in wanted}
        assert all(counts[role] == count for role, count in wanted.items() if count != ALL)
        optima = [ref for ref in task.reads if ref.role == OPTIMA]
        if task.landscape.name != "control-repeated":
            assert {ref.landscape for ref in optima} <= {task.landscape}
            assert [ref.run.member for ref in optima] == list(range(len(optima)))


@every_preset
def test_each_claim_reads_the_sheets_over_the_optima_of_its_seed(preset):
    found = tasks(preset)
    spanned = sheets(found)
    for task in readers(found):
        own = [spanned[id] for id in task.sheets]
        assert claim(task.claim).sheets or not own
        assert {(one.seed, one.landscape) for one in own} <= {(task.seed, task.landscape)}
        assert len({one.m for one in own}) == len(own)
        wanted = getattr(task.config, "m", ())
        assert {one.m for one in own} <= set(wanted if isinstance(wanted, tuple) else (wanted,))
    assert any(task.sheets for task in readers(found) if task.landscape.name == "network")


@every_preset
def test_the_repeated_optimum_is_one_run_again_and_again(preset):
    for task in readers(tasks(preset, landscapes=("control-repeated",))):
        assert len(task.reads) > 1
        assert len(set(task.reads)) == 1
        assert task.reads[0].landscape.name == "network"


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
def test_runs_within_a_group_are_distinct_and_no_run_is_trained_twice(preset):
    found = groups(tasks(preset)).values()
    every = [(group.landscape, group.train, run) for group in found for run in group.runs]
    assert len(set(every)) == len(every)


@every_preset
def test_more_seeds_change_no_landscape_and_no_run(preset):
    def run_ids(found):
        return {(group.landscape.id, group.train.id, run.id) for group in groups(found).values() for run in group.runs}

    assert run_ids(tasks(preset, seeds=2)) < run_ids(tasks(preset, seeds=3))


@every_preset
def test_every_claim_has_its_controls_and_is_measured_on_toys_and_network(preset):
    rows = {subject.name: subject for subject in subjects(PRESETS[preset], KINDS)}
    assert rows.keys() <= NAMES
    for one in CLAIMS:
        assert one.controls
        assert set(one.controls) - set(one.derived) <= rows.keys()
        assert set(one.derived) <= set(one.controls)
        assert all(measured(one, rows[source]) for source in one.derived.values())
        for name, subject in rows.items():
            assert measured(one, subject) or name.startswith("control-") or subject.meaningless[one.id]
    assert {task.landscape.name for task in tasks(preset)} == rows.keys()


@every_preset
def test_a_control_is_judged_for_its_own_claims_alone(preset):
    for one, subject in itertools.product(CLAIMS, subjects(PRESETS[preset], ("controls",))):
        assert judged(one, subject.name) == (subject.name in one.controls)
        assert measured(one, subject) == (subject.name in one.controls or one.id in needed_on(subject.name))


def needed_on(name):
    return {need for one in CLAIMS if name in one.controls for need in one.needs}


def test_what_is_needed_is_a_claim_that_needs_nothing():
    assert all(claim(need).needs == () for one in CLAIMS for need in one.needs)


@every_preset
def test_the_settings_of_presets_and_subjects_are_of_claims_and_have_their_fields(preset):
    for subject in subjects(PRESETS[preset], KINDS):
        assert {*subject.settings, *subject.quick, *subject.meaningless} <= set(IDS)
        assert all(type(config) is claim(id).config for id, config in subject.settings.items())
    for id, changes in PRESETS[preset].quick.items():
        assert set(changes) <= {field.name for field in dataclasses.fields(claim(id).config)}


@every_preset
def test_the_device_reaches_every_landscape(preset):
    elsewhere = tasks(preset, place=Place("cuda:1"))
    assert {task.landscape.device for task in elsewhere} == {"cuda:1"}
    read = {ref.landscape.device for task in elsewhere for ref in getattr(task, "reads", ())}
    assert read == {"cuda:1"}
    assert {task.id for task in elsewhere}.isdisjoint(task.id for task in tasks(preset))


def test_a_backend_computes_the_wedge_models_and_nothing_else():
    foreign, own = (tasks("digits", place=Place(backend=backend)) for backend in ("jax", "torch"))
    assert len(foreign) == len(own)
    wedges = [task for task in foreign if task.landscape.name.startswith("toy-")]
    assert {getattr(task.landscape, "backend", None) for task in wedges} == {"jax"}
    read = {getattr(ref.landscape, "backend", None) for task in wedges for ref in getattr(task, "reads", ())}
    assert read == {"jax"}
    assert {task.id for task in wedges}.isdisjoint(task.id for task in own)
    assert {task.id for task in foreign} - {task.id for task in wedges} <= {task.id for task in own}


@every_preset
def test_the_kept_steps_span_the_training(preset):
    for group in groups(tasks(preset)).values():
        assert group.train.keep[0] == 0
        assert group.train.keep[-1] == group.train.steps


def test_nothing_is_done_where_nothing_is_asked():
    assert tasks("digits", claims=()) == ()
    assert tasks("digits", landscapes=()) == ()
