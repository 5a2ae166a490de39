"""The arguments of a replication: unknown names are refused, and the tasks are those of the preset."""

import pytest

from nwedge.specs.claims import CLAIMS
from nwedge.specs.presets import PRESETS, QUICK_SEEDS, expand
from nwedge.specs.replicate import KINDS, SEEDS, Replicate
from nwedge.specs.tasks import ClaimSpec

IDS = tuple(claim.id for claim in CLAIMS)


def seeds_of(tasks):
    return {task.seed for task in tasks if isinstance(task, ClaimSpec)}


def test_by_default_every_claim_is_measured_on_everything():
    found = Replicate().tasks()
    assert found == expand(PRESETS["digits"], claims=IDS, landscapes=KINDS, seeds=range(SEEDS), quick=False)
    assert {task.claim for task in found if isinstance(task, ClaimSpec)} == set(IDS)


def test_quick_takes_fewer_seeds_unless_told():
    assert seeds_of(Replicate(quick=True).tasks()) == set(range(QUICK_SEEDS))
    assert seeds_of(Replicate(quick=True, seeds=4).tasks()) == set(range(4))
    assert seeds_of(Replicate(seeds=2).tasks()) == {0, 1}
    assert Replicate(quick=True).tasks() != Replicate(seeds=QUICK_SEEDS).tasks()


def test_workers_share_the_cpus_unless_told(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)))
    found = [Replicate(cpus_per_task=threads).side_by_side for threads in (1, 2, 4, 6, 7)]
    assert found == [6, 3, 1, 1, 1]
    assert Replicate(workers=4, cpus_per_task=6).side_by_side == 4
    assert Replicate(workers=4).tasks() == Replicate().tasks()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_row_of_the_table_that_is_trained_on_is_a_name_of_a_landscape(preset):
    for subject in (subject for members in PRESETS[preset].subjects.values() for subject in members):
        tasks = Replicate(preset=preset, landscapes=(subject.name,), seeds=2).tasks()
        assert {task.landscape.name for task in tasks if isinstance(task, ClaimSpec)} == {subject.name}


def test_one_claim_has_the_same_tasks_as_among_all():
    whole = {task.id for task in Replicate(seeds=2).tasks()}
    alone = {task.id for task in Replicate(seeds=2, claims=("tunnels",)).tasks()}
    assert alone
    assert alone < whole


def test_kinds_and_names_of_landscapes_may_be_mixed():
    found = Replicate(landscapes=("network", "toy-sampled"), seeds=2).tasks()
    assert {task.landscape.name for task in found} == {"network", "toy-sampled"}


def test_the_device_is_passed_on():
    assert {task.landscape.device for task in Replicate(device="cuda", seeds=2).tasks()} == {"cuda"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"preset": "imagenet"}, f"unknown preset 'imagenet'; valid: {', '.join(PRESETS)}"),
        ({"claims": ("tunnels", "tunels")}, f"unknown claim 'tunels'; valid: {', '.join(IDS)}"),
        ({"seeds": 1}, "--seeds must be at least 2, since an interval needs two values; got 1"),
        ({"seeds": 0}, "--seeds must be at least 2, since an interval needs two values; got 0"),
        ({"workers": 0}, "--workers must be at least 1; got 0"),
        ({"cpus_per_task": 0}, "--cpus-per-task must be at least 1; got 0"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole sentence is compared
        Replicate(**arguments)
    assert str(caught.value) == sentence


def test_unknown_landscapes_are_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"unknown landscape 'toys'; valid: toy, network, controls, .*control-bowl"):
        Replicate(landscapes=("toys",))


def test_a_claim_that_is_measured_nowhere_is_refused():
    with pytest.raises(ValueError, match=r"nothing to do: of two-halves, none is measured on control-horseshoe"):
        Replicate(claims=("two-halves",), landscapes=("control-horseshoe",)).tasks()
