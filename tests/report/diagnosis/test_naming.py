import pytest

from nwedge.report.diagnosis.naming import LONGEST, labels


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0", "1"], ["0", "1"]),
        (["only.pt"], ["only.pt"]),
        (["/runs/only/model.pt"], ["model.pt"]),
        (["runs/a/model.pt", "runs/b/model.pt"], ["a", "b"]),
        (["runs/a/model.pt", "runs/b/other.pt"], ["a/model.pt", "b/other.pt"]),
        (["runs/a-1/model.pt", "runs/b/model.pt"], ["a-1", "b"]),
        (["/a", "/b"], ["a", "b"]),
        (["/a", "b"], ["/a", "b"]),
        (["seed-0-final", "seed-1-final"], ["seed-0", "seed-1"]),
        (["run-1", "run-1-1"], ["run-1", "run-1-1"]),
        (["lr0.1/seed-0", "lr0.2/seed-0"], ["lr0.1", "lr0.2"]),
        (["", "a"], ["", "a"]),
        (["same", "same"], ["1: same", "2: same"]),
    ],
)
def test_what_all_share_is_left_out_and_what_tells_them_apart_is_kept(names, expected):
    assert labels(names) == expected


def test_long_names_lose_their_middle_and_stay_different():
    names = [f"{'x' * 30}{place}{'y' * 30}" for place in range(3)] + [f"{place}{'z' * 50}" for place in range(2)]
    found = labels(names)
    assert len(set(found)) == 5
    assert all(len(label) <= LONGEST + len("3: ") for label in found)
    assert found[0] == f"1: {'x' * 8}…{'y' * 13}"
    assert found[4].startswith("1z")


def test_fifty_paths_get_short_labels_that_differ(fifty):
    found = labels([one["name"] for one in fifty["checkpoints"]])
    assert len(set(found)) == 50
    assert found[:2] == ["lr0.0/seed-00", "lr0.1/seed-01"]
