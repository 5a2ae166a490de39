"""Specs survive JSON, and their ids depend on their contents alone: not on the process, nor on the order of fields."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, WedgeSpec

LIGHT = settings(deadline=None, max_examples=60)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaf(Spec):
    value: bool | int | float | str | None
    items: tuple = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Branch(Spec):
    left: Spec
    right: Spec | None = None
    others: tuple[Spec, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Twig(Spec):
    left: Spec
    right: Spec | None = None
    others: tuple[Spec, ...] = ()


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
ITEMS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
LEAVES = st.builds(Leaf, value=SCALARS, items=st.lists(ITEMS, max_size=3).map(tuple))
SPECS = st.recursive(
    LEAVES,
    lambda inner: st.builds(Branch, left=inner, right=st.none() | inner, others=st.lists(inner, max_size=2).map(tuple)),
    max_leaves=4,
)


@LIGHT
@given(SPECS)
def test_json_gives_the_spec_back(spec):
    again = type(spec).from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()
    assert again.id == spec.id
    assert Spec.from_json(spec.to_json()) == spec


@LIGHT
@given(SPECS, SPECS)
def test_ids_are_equal_where_the_json_is(one, other):
    assert (one.id == other.id) == (one.to_json() == other.to_json())


@LIGHT
@given(SPECS)
def test_the_kind_of_a_spec_is_part_of_its_id(spec):
    assert Branch(left=spec).id != Twig(left=spec).id


def test_the_id_is_the_hash_of_the_canonical_json():
    spec = ControlSpec(kind="bowl", name="a bowl", dim=3)
    text = '{"device":"cpu","dim":3,"dtype":"float64","kind":"bowl","name":"a bowl","seed":0,"spec":"ControlSpec"}'
    assert spec.to_json() == text
    assert spec.id == hashlib.sha256(text.encode()).hexdigest()[:16]


WEDGES = WedgeSpec(name="w", dim=5, short=2)
CHANGES = {
    "name": "v",
    "dtype": "float32",
    "device": "cuda",
    "dim": 6,
    "short": (2, 2),
    "wedges": 2,
    "oriented": "random",
    "thickness": 0.1,
    "profile": "distance",
    "width": 2.0,
    "noise": 0.1,
    "scale": 2.0,
    "seed": 1,
}


def test_every_field_counts():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(WedgeSpec)}
    changed = [dataclasses.replace(WEDGES, **{name: value}) for name, value in CHANGES.items()]
    assert len({spec.id for spec in [WEDGES, *changed]}) == 1 + len(CHANGES)


def test_equal_specs_have_equal_ids():
    assert WedgeSpec(short=2, dim=5, name="w") == WEDGES
    assert WedgeSpec(short=2, dim=5, name="w").id == WEDGES.id
    assert hash(WedgeSpec(short=2, dim=5, name="w")) == hash(WEDGES)
    assert dataclasses.replace(WEDGES, seed=1) != WEDGES


def test_an_id_that_was_read_does_not_stay_with_a_changed_copy():
    first = WEDGES.id
    assert dataclasses.replace(WEDGES, seed=1).id != first


def test_ids_are_the_same_in_every_process():
    code = (
        "from nwedge.specs.presets import PRESETS, expand; from nwedge.specs.claims import CLAIMS\n"
        "ids = tuple(claim.id for claim in CLAIMS)\n"
        "for preset in PRESETS.values():\n"
        "    for task in expand(preset, claims=ids, landscapes=tuple(preset.subjects), seeds=range(2), quick=True):\n"
        "        print(task.id)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(outputs) == 1
    assert len(set(outputs.pop().split())) > 10


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        WEDGES.seed = 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="Out of range float"):
        _ = Leaf(value=value).id


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, b"x", object])
def test_what_a_spec_cannot_hold_is_refused(value):
    with pytest.raises(TypeError, match="numbers, strings, tuples and specs"):
        Leaf(value=None, items=(value,)).to_json()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WEDGES.to_json(), "expected the JSON of a ControlSpec"),
        ("3", "expected the JSON of a ControlSpec"),
        ('{"spec":"Nothing"}', "unknown spec 'Nothing'; known: .*ControlSpec"),
        ('{"dim":3}', "unknown spec None"),
        ("{", "Expecting property name"),
    ],
)
def test_other_json_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        ControlSpec.from_json(text)


def test_a_spec_may_be_read_as_its_parent():
    assert LandscapeSpec.from_json(WEDGES.to_json()) == WEDGES
