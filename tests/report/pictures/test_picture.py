import dataclasses

import pytest

from nwedge.report.pictures.picture import Picture


@pytest.mark.parametrize("kind", ["line", "plane", "trajectory", "spectrum"])
def test_each_kind_is_accepted(make, kind):
    assert make(kind).dim == {"line": 1, "plane": 2, "trajectory": 2, "spectrum": 0}[kind]


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("plane", {"kind": "cube"}, "kind must be one of 'line', 'plane', 'trajectory', 'spectrum'; got 'cube'"),
        ("plane", {"kind": "trajectory"}, "a picture has a trajectory where its kind is 'trajectory'; got none"),
        ("trajectory", {"kind": "plane"}, "a picture has a trajectory .* got one for a plane"),
        ("spectrum", {"spectrum": None}, "a picture has a spectrum where its kind is 'spectrum'; got none"),
        ("plane", {"cuts": {}}, "a plane shows at least one cut"),
        ("plane", {"marks": {"a": (0.0,)}}, "the mark 'a' of a plane must have 2 coordinates; got 1"),
        ("line", {"axes": ()}, "a line needs 1 labels of axes; got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(make, kind, changes, told):
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(make(kind), **changes)


def test_a_cut_of_another_dimension_is_refused_with_a_way_out(make, make_cut):
    with pytest.raises(ValueError, match=r"the cut 'x' of a plane .* got c0, c1, c2: write it by write_vti"):
        dataclasses.replace(make("plane"), cuts={"x": make_cut(3)})
    with pytest.raises(ValueError, match="the cut 'x' of a line .* got c0, c1$"):
        dataclasses.replace(make("line"), cuts={"x": make_cut(2)})
    with pytest.raises(ValueError, match="must have coordinates"):
        dataclasses.replace(make("line"), cuts={"x": make_cut(1).drop_vars("c0")})


def test_a_spectrum_has_no_cuts_and_labels_differ(make, make_cut):
    with pytest.raises(ValueError, match="a spectrum shows no cuts"):
        Picture("s", "spectrum", cuts={"a": make_cut(1)}, spectrum=make("spectrum").spectrum)
    with pytest.raises(ValueError, match="both called 'draw 1': rename one"):
        dataclasses.replace(make("plane"), beside={"draw 1": make_cut(2)})
