"""Tasks know their folder and what they need."""

import pytest

from nwedge.specs.claims import CLAIMS, claim
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import OPTIMA, RATE, RUNS, SHEETS, ClaimSpec, GroupSpec, RunRef, RunSpec, SheetSpec, TrainSpec

BOWL = ControlSpec(name="control-bowl", kind="bowl", dim=3)
RUN = RunSpec(lr=0.1, seed=0, member=0)


def refs(*reads, role=OPTIMA):
    return tuple(RunRef(group=group, row=row, role=role, landscape=BOWL, run=RUN) for group, row in reads)


def reader(*reads, sheets=(), role=OPTIMA):
    config = NoObstaclesConfig()
    return ClaimSpec(
        landscape=BOWL, claim="no-obstacles", seed=0, config=config, reads=refs(*reads, role=role), sheets=sheets
    )


def sheet(*reads):
    return SheetSpec(
        landscape=BOWL,
        seed=0,
        m=2,
        steps=10,
        rate=0.1,
        samples=None,
        distinct=False,
        pooled=False,
        reads=refs(*reads),
    )


def test_a_group_needs_nothing_and_lies_among_the_runs():
    train = TrainSpec(optimizer="sgd", steps=1, keep=(0, 1))
    group = GroupSpec(landscape=BOWL, train=train, runs=(RUN,))
    assert (group.folder, group.needs) == (RUNS, ())


def test_a_claim_needs_each_of_its_groups_once_in_their_order():
    assert reader(("b", 0), ("a", 3), ("b", 1)).needs == ("b", "a")
    assert reader(("b", 0)).folder == "no-obstacles"


def test_a_claim_needs_its_sheets_after_its_groups():
    assert reader(("b", 0), sheets=("s", "t")).needs == ("b", "s", "t")


def test_a_sheet_needs_the_groups_of_its_candidates_and_lies_among_the_sheets():
    found = sheet(("b", 0), ("a", 3), ("b", 1))
    assert (found.folder, found.needs) == (SHEETS, ("b", "a"))


def test_what_a_run_is_for_is_part_of_the_id_of_its_reader():
    assert reader(("a", 0)).id != reader(("a", 0), role=RATE).id != reader(("a", 0), sheets=("s",)).id


def test_what_a_claim_reads_is_part_of_its_id():
    assert len({reader(("a", 0)).id, reader(("a", 1)).id, reader(("b", 0)).id, reader(("a", 0), ("b", 0)).id}) == 4


def test_the_folders_of_claims_are_no_folder_of_runs():
    assert {RUNS, SHEETS}.isdisjoint(one.id for one in CLAIMS)


def test_claims_have_ids_of_their_own_and_one_line_of_text():
    assert len({one.id for one in CLAIMS}) == len(CLAIMS)
    for one in CLAIMS:
        assert one.id == one.id.lower().strip()
        assert " " not in one.id
        assert one.text.strip() == one.text
        assert "\n" not in one.text
        assert claim(one.id) is one
        assert one.config() == one.config()


def test_an_unknown_claim_is_no_claim():
    with pytest.raises(KeyError):
        claim("no-claim")
