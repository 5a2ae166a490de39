import dataclasses

import pytest

from nwedge.plan import Plan
from nwedge.report import describe
from nwedge.specs.configs import IntrinsicDimensionConfig, SectionsConfig, TunnelsConfig
from nwedge.specs.landscapes import ControlSpec, ForeignWedgeSpec, LandscapeSpec, NetworkSpec, WedgeSpec
from nwedge.specs.replicate import Replicate


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwampSpec(LandscapeSpec):
    depth: int
    wet_parts: float = 0.5


def test_a_landscape_without_words_of_its_own_is_listed_field_by_field():
    assert describe.sentence(SwampSpec(name="toy-swamp", depth=3)) == "SwampSpec: depth 3, wet parts 0.5"


def test_wedges_say_their_family_and_the_options_that_are_not_plain():
    complete = describe.sentence(WedgeSpec(name="toy", dim=1500, short=200))
    sampled = describe.sentence(
        WedgeSpec(name="toy", dim=300, short=(5, 9, 7), wedges=40, oriented="random", thickness=0.5, noise=0.2)
    )
    saturating = describe.sentence(WedgeSpec(name="toy", dim=3, short=1, profile="saturating", width=2.0))
    foreign = describe.sentence(ForeignWedgeSpec(name="toy", dim=3, short=1, backend="jax"))
    assert foreign.endswith("; computed by jax")
    assert "1,500 dimensions, 200 of them short: the complete family" in complete
    assert complete.endswith("the squared distance to the nearest wedge")
    assert "5 to 9 of them short: 40 wedges, each with its own random short subspace" in sampled
    assert sampled.endswith("thickness 0.5; noise 0.2")
    assert saturating.endswith("; width w 2")


@pytest.mark.parametrize("kind", list(describe.CONTROLS))
def test_every_kind_of_control_has_a_sentence(kind):
    text = describe.sentence(ControlSpec(name=f"control-{kind}", kind=kind, dim=20))
    assert text.lower().startswith(describe.CONTROLS[kind].lower())
    assert text.endswith(", in 20 dimensions")


def test_a_network_says_what_it_is_trained_on():
    spec = NetworkSpec(
        name="network", architecture="mlp", data="digits", examples=500, dropout=0.1, strategy="vmap", chunk=2048
    )
    text = describe.sentence(spec)
    for words in (
        "architecture mlp",
        "dropout 0.1",
        "500 examples of digits",
        "minibatches of 128",
        "by vmap",
        "2,048",
    ):
        assert words in text


def test_landscapes_say_whether_they_are_drawn_anew_for_each_seed():
    sentences = describe.landscapes(Replicate(claims=("tunnels",), seeds=2).tasks())
    assert set(sentences) == {"toy-complete", "toy-sampled", "network", "control-bowl", "control-isolated"}
    assert sentences["toy-sampled"].endswith("float64 on cpu; drawn anew for each seed.")
    assert sentences["toy-complete"].endswith("float64 on cpu.")


def test_fields_of_an_inner_spec_bear_its_name_and_nothing_is_said_in_words():
    found = describe.values(IntrinsicDimensionConfig(search=SectionsConfig(planes=1000, levels=(), radii=(2.0,))))
    assert found["threshold"] == "0.03"
    assert found["search planes"] == "1,000"
    assert found["search levels"] == "none"
    assert found["search radii"] == "(2.0)"
    assert found["examples"] == found["search examples"] == "all"
    assert describe.values(TunnelsConfig())["path examples"] == "all"
    assert "search" not in found


def test_the_command_leaves_out_what_was_not_given():
    arguments = {"preset": "digits", "claims": [], "landscapes": ["toy", "network"], "seeds": None, "quick": True}
    assert (
        describe.command(Plan("replicate", arguments, ()))
        == "nwedge replicate --preset digits --landscapes toy network --quick"
    )
    assert (
        describe.command(Plan("replicate", {"quick": False, "cpus_per_task": 2}, ()))
        == "nwedge replicate --cpus-per-task 2"
    )
