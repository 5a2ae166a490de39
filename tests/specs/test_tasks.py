"""Tasks know their folder and what they need."""

import pytest

from nwedge.specs.claims import CLAIMS, claim
from nwedge.specs.configs import NoObstaclesConfig
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import RUNS, ClaimSpec, GroupSpec, RunRef, RunSpec, TrainSpec

BOWL = ControlSpec(name="control-bowl", kind="bowl", dim=3)


def reader(*reads):
    refs = tuple(RunRef(group=group, row=row) for group, row in reads)
    return ClaimSpec(landscape=BOWL, claim="no-obstacles", seed=0, config=NoObstaclesConfig(), reads=refs)


def test_a_group_needs_nothing_and_lies_among_the_runs():
    train = TrainSpec(optimizer="sgd", steps=1, keep=(0, 1))
    group = GroupSpec(landscape=BOWL, train=train, runs=(RunSpec(lr=0.1, seed=0, member=0),))
    assert (group.folder, group.needs) == (RUNS, ())


def test_a_claim_needs_each_of_its_groups_once_in_their_order():
    assert reader(("b", 0), ("a", 3), ("b", 1)).needs == ("b", "a")
    assert reader(("b", 0)).folder == "no-obstacles"


def test_what_a_claim_reads_is_part_of_its_id():
    assert len({reader(("a", 0)).id, reader(("a", 1)).id, reader(("b", 0)).id, reader(("a", 0), ("b", 0)).id}) == 4


def test_the_folders_of_claims_are_no_folder_of_runs():
    assert RUNS not in {one.id for one in CLAIMS}


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
