import numpy as np
import pytest

from nwedge.diagnosis.advice import FEW, Choice, Recommendation, cautions, recommend
from nwedge.diagnosis.records import Record


def record(right: int, loss: float = 0.5, examples: int = 1000, shift: int = 0) -> Record:
    """The first `right` examples from `shift` on are right, so that records agree where they can."""
    rng = np.random.default_rng(0)
    hit = np.roll(np.arange(examples) < right, shift)
    return Record(hit, np.abs(rng.normal(loss, 0.1, examples)), np.full(examples, 0.9))


def chosen(seed=0, **records) -> tuple[str, str]:
    found = recommend({name.replace("_", "-"): one for name, one in records.items()}, seed)
    assert found.one_pass.sentence
    assert found.k_passes.sentence
    return found.one_pass.option, found.k_passes.option


def test_what_cannot_be_told_apart_is_averaged():
    same = record(900)
    assert chosen(average=same, align_average=same, soup=same, single=same, ensemble=same) == ("average", "average")
    assert chosen(align_average=same, soup=same, single=same)[0] == "align-average"
    assert chosen(soup=same, single=same)[0] == "soup"
    assert chosen(single=same) == ("single", "single")


def test_an_average_that_is_worse_is_not_taken():
    assert chosen(average=record(500), soup=record(900), single=record(898))[0] == "soup"
    assert chosen(average=record(500), soup=record(800), single=record(900))[0] == "single"
    assert chosen(average=record(100), align_average=record(905), soup=record(900), single=record(900)) == (
        "align-average",
        "align-average",
    )


def test_many_passes_are_taken_unless_they_gain_too_little():
    one = {"average": record(500), "single": record(900)}
    assert chosen(**one, ensemble=record(940)) == ("single", "ensemble")
    assert chosen(**one, ensemble=record(940), m_tunnel=record(960))[1] == "m-tunnel"
    assert chosen(**one, ensemble=record(940), m_tunnel=record(941, shift=1))[1] == "ensemble"
    assert chosen(**one, ensemble=record(901))[1] == "single"  # .1 % [0, .3 %]
    assert chosen(**one, ensemble=record(902, shift=40))[1] == "ensemble"  # they differ so much that it may gain 1 %
    assert chosen(**one, ensemble=record(850))[1] == "single"


def test_undefined_records_are_never_taken():
    broken = Record(np.zeros(1000, bool), np.full(1000, np.nan), np.full(1000, np.nan))
    assert chosen(average=broken, single=record(300), ensemble=broken) == ("single", "single")


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_gives_the_same_advice(seed):
    records = {"average": record(899, shift=2), "soup": record(902), "single": record(900), "ensemble": record(906)}
    assert chosen(seed, **records) == chosen(seed, **records)


def test_options_that_are_undefined_on_some_examples_are_never_taken():
    partly = record(950)
    partly.loss[3] = np.nan
    same = record(900)
    assert chosen(average=partly, soup=same, single=same, ensemble=partly) == ("soup", "soup")
    assert chosen(average=partly, single=partly) == ("single", "single")
    assert chosen(single=partly, ensemble=same)[1] == "single"


def test_many_passes_that_measured_a_loss_are_not_taken_however_few_the_examples():
    one, many = record(45, examples=50), record(44, examples=50, shift=20)
    assert many.accuracy < one.accuracy
    assert chosen(single=one, ensemble=many)[1] == "single"
    assert chosen(single=many, ensemble=one)[1] == "ensemble"


def test_undefined_records_rank_last():
    partly = record(950)
    partly.loss[3] = np.nan
    few = {"a": partly, "b": record(10), "c": record(900), "d": record(900, loss=0.4)}
    assert sorted(few, key=lambda name: few[name].rank, reverse=True) == ["d", "c", "b", "a"]


def test_few_examples_and_an_average_across_a_wall_are_warned_of():
    low, high = np.zeros((2, 2)), np.array([[0, 0.3], [0.3, 0]])
    average, single = (Recommendation(choice, choice) for choice in (Choice("average", ""), Choice("single", "")))
    assert cautions(average, low, 0.2, FEW) == cautions(single, high, 0.2, FEW) == []
    (few,) = cautions(average, low, 0.2, FEW - 100)
    assert "400 examples" in few
    assert "±3.92 %" in few
    (wall,) = cautions(average, high, 0.2, FEW)
    assert "not all lines between" in wall
    assert len(cautions(average, np.where(high > 0, np.nan, 0), 0.2, 1)) == 1
