"""How a subject's trainings become groups, references and sheets, on a preset of a single small network."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge.specs.configs import MTunnelsConfig
from nwedge.specs.landscapes import LandscapeSpec, NetworkSpec
from nwedge.specs.presets import Preset, expand
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, keep, plain, varied
from nwedge.specs.tasks import CYCLE, DECAY, OPTIMA, RATE, SIZE, ClaimSpec, GroupSpec, RunRef, SheetSpec


def network(seed: int) -> LandscapeSpec:
    return NetworkSpec(name="network", architecture="mlp", data="digits", strategy="vmap", chunk=64)


def looped(seed: int) -> LandscapeSpec:
    return dataclasses.replace(network(seed), strategy="loop")


TRAIN, SWEEP = plain(20, kept=5), plain(20, kept=3)


def subject(landscape=network, *, members=3, sheets=None, **rest) -> Subject:
    trainings = (
        Training(OPTIMA, landscape, TRAIN, rates=(0.1,), members=members),
        Training(RATE, landscape, SWEEP, rates=(0.05, 0.1, 0.2)),
        Training(DECAY, landscape, SWEEP, rates=(0.1,), decays=(0.0, 0.01)),
        *(Training(SIZE, varied(landscape, width=width), SWEEP, rates=(0.1,)) for width in (0.5, 2)),
        Training(CYCLE, landscape, cycles(10, 3), rates=(0.1, 1.0)),
    )
    return Subject("network", landscape, trainings, sheets, **rest)


def tasks(one: Subject, *claims: str, seeds: int = 2):
    return expand(Preset({"network": (one,)}), claims=claims, landscapes=("network",), seeds=range(seeds), quick=False)


def kind(found, of):
    return [task for task in found if isinstance(task, of)]


def runs(refs: tuple[RunRef, ...], role: str):
    return [(ref.run.lr, ref.run.weight_decay, ref.run.member) for ref in refs if ref.role == role]


EVERY = ("tunnel-width", "intrinsic-dimension", "averaging")


def test_runs_on_one_landscape_trained_alike_are_one_group():
    groups = kind(tasks(subject(), *EVERY), GroupSpec)
    keys = [(group.landscape, group.train) for group in groups]
    assert len(set(keys)) == len(keys)
    sizes = {(group.landscape.width, len(group.train.keep)): len(group.runs) for group in groups}  # pyright: ignore
    sweep, optima, cycle = len(SWEEP.keep), len(TRAIN.keep), 4
    # two seeds: 3 members; 3 rates and one more decay, the other decay being the middle rate; 2 widths; 2 cycles
    assert sizes == {(1, optima): 6, (1, sweep): 8, (0.5, sweep): 2, (2, sweep): 2, (1, cycle): 4}


def test_a_run_may_have_several_roles():
    (first, _) = kind(tasks(subject(), "tunnel-width"), ClaimSpec)
    assert runs(first.reads, OPTIMA) == [(0.1, 0.0, 0)]
    assert runs(first.reads, RATE) == [(0.05, 0.0, 0), (0.1, 0.0, 0), (0.2, 0.0, 0)]
    assert runs(first.reads, DECAY) == [(0.1, 0.0, 0), (0.1, 0.01, 0)]
    rate, decay = (next(r for r in first.reads if (r.role, r.run.lr, r.run.weight_decay) == (role, 0.1, 0))
                   for role in (RATE, DECAY))  # fmt: skip
    assert (rate.group, rate.row) == (decay.group, decay.row)


def test_networks_of_other_sizes_are_other_landscapes():
    found = [task for task in kind(tasks(subject(), "intrinsic-dimension"), ClaimSpec) if task.needs]
    refs = [ref for task in found for ref in task.reads if ref.role == SIZE and task.seed == 1]
    assert [ref.landscape.width for ref in refs] == [0.5, 2]  # pyright: ignore[reportAttributeAccessIssue]
    assert {ref.run.seed for ref in refs} == {1}


def test_cycles_keep_their_ends():
    train = cycles(10, 3)
    assert (train.schedule, train.cycle, train.steps, train.keep) == ("cyclical", 10, 30, (0, 10, 20, 30))
    (first, _) = kind(tasks(subject(), "averaging"), ClaimSpec)
    assert runs(first.reads, CYCLE) == [(0.1, 0.0, 0), (1.0, 0.0, 0)]


def test_points_that_are_looped_over_are_grouped_by_seed():
    together = kind(tasks(subject(network), *EVERY, seeds=3), GroupSpec)
    apart = kind(tasks(subject(looped), *EVERY, seeds=3), GroupSpec)
    assert len(apart) == 3 * len(together)
    assert all(len({run.seed for run in group.runs}) == 1 for group in apart)
    assert all({run.seed for run in group.runs} == {0, 1, 2} for group in together)


def test_a_loop_over_seeds_gains_no_group_when_a_seed_is_added():
    two, three = (
        {group.id for group in kind(tasks(subject(looped), *EVERY, seeds=seeds), GroupSpec)} for seeds in (2, 3)
    )
    assert two < three


def test_sheets_are_over_the_seeds_own_optima():
    found = tasks(subject(sheets=Sheets((2, 3))), "m-tunnels", seeds=2)
    sheets = kind(found, SheetSpec)
    assert {(one.m, one.seed) for one in sheets} == set(itertools.product((2, 3), (0, 1)))
    for one in sheets:
        assert not one.pooled
        assert [(ref.run.seed, ref.run.member) for ref in one.reads] == [(one.seed, member) for member in range(one.m)]


def test_distinct_sheets_may_choose_among_all_optima_of_the_seed():
    for one in kind(tasks(subject(sheets=Sheets((2,), distinct=True)), "m-tunnels"), SheetSpec):
        assert one.distinct
        assert [ref.run.member for ref in one.reads] == [0, 1, 2]


@pytest.mark.parametrize(("seeds", "m", "sheets"), [(3, 4, 2), (3, 5, 1), (2, 4, 1), (2, 7, 0), (5, 4, 2)])
def test_sheets_over_more_optima_than_a_seed_has_are_disjoint_cuts_of_the_pool(seeds, m, sheets):
    found = tasks(subject(sheets=Sheets((2, m), draws=2)), "m-tunnels", seeds=seeds)
    pooled = [one for one in kind(found, SheetSpec) if one.pooled]
    assert [(one.m, one.seed) for one in pooled] == [(m, seed) for seed in range(sheets)]
    optima = [(ref.run.seed, ref.run.member) for one in pooled for ref in one.reads]
    assert len(set(optima)) == len(optima) == m * sheets
    assert optima[:seeds] == [(seed, 0) for seed in range(seeds if sheets else 0)]  # before anybody's second member
    readers = {task.seed: set(task.sheets) for task in kind(found, ClaimSpec)}
    for one in pooled:
        assert one.id in readers[one.seed]
    assert all(len(own) == 1 + (seed < sheets) for seed, own in readers.items())


def test_a_claim_reads_the_sheets_of_the_m_in_its_settings():
    settings = {"m-tunnels": MTunnelsConfig(m=(3,))}
    found = tasks(subject(sheets=Sheets((2, 3)), settings=settings), "m-tunnels")
    assert {one.m for one in kind(found, SheetSpec)} == {3}


def test_a_claim_without_meaning_on_a_subject_is_not_measured_there():
    one = subject(meaningless={"averaging": "there is nothing to average"})
    assert tasks(one, "averaging") == ()
    assert {task.claim for task in kind(tasks(one, "averaging", "tunnels"), ClaimSpec)} == {"tunnels"}


def test_what_a_claim_needs_is_not_measured_where_it_has_no_meaning():
    one = subject(meaningless={"sections": "no plane"})
    assert {task.claim for task in kind(tasks(one, "intrinsic-dimension"), ClaimSpec)} == {
        "intrinsic-dimension",
        "short-directions",
    }


def test_a_repeated_optimum_is_read_in_place_of_all_and_nothing_else():
    one = subject(repeat=True)
    (first, _) = kind(tasks(one, "ensembling"), ClaimSpec)
    assert runs(first.reads, OPTIMA) == [(0.1, 0.0, 0)] * 3
    assert {ref.role for ref in first.reads} == {OPTIMA}


@settings(deadline=None, max_examples=50)
@given(steps=st.integers(1, 10**6), count=st.integers(2, 60))
def test_kept_steps_rise_to_the_last(steps, count):
    kept = keep(steps, count)
    assert kept[0] == 0
    assert kept[-1] == steps
    assert all(a < b for a, b in itertools.pairwise(kept))
    assert len(kept) <= count + 1
