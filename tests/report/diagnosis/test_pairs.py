import itertools

import numpy as np
import pytest

from nwedge.report import words
from nwedge.report.diagnosis import alone, options, pairs
from nwedge.report.diagnosis.reading import LISTED, read


def test_places_stand_for_names_and_undefined_values_are_nan(five):
    five["barriers"][0][1] = None
    found = read(five)
    assert (found.best, found.order, found.others) == (0, [0, 2, 3, 1, 4], [2, 3, 1, 4])
    assert np.argwhere(np.isnan(found.barriers)).tolist() == [[0, 1]]
    assert (found.aligned is None, found.statistics is None) == (False, True)
    assert found.tunnels == [(0, 1, pytest.approx(five["tunnels"][0]["line_barrier"]), 0.002)]


def test_the_best_is_the_member_of_the_single_option(five):
    five["options"]["single"]["members"] = ["d"]
    assert read(five).best == 3


def test_two_checkpoints_of_one_name_are_refused(five):
    five["checkpoints"][1]["name"] = "c"
    with pytest.raises(
        ValueError, match=r"^checkpoints must have different names; got 'c' more than once: rename one$"
    ):
        read(five)


def test_it_reads_what_a_diagnosis_gives():
    from nwedge.diagnosis.diagnosis import Diagnosis
    from nwedge.report.diagnosis.reading import KEYS

    names = {name for name in Diagnosis.__dataclass_fields__ if name != "points"}
    assert set(KEYS) == names | {"reasons"}


def test_it_knows_the_options_of_a_diagnosis():
    from nwedge.diagnosis.advice import MANY_PASSES, ONE_PASS

    assert tuple(options.TITLES) == ONE_PASS + MANY_PASSES
    assert options.WHAT.keys() == options.TITLES.keys()


@pytest.mark.parametrize(
    ("chosen", "answer", "order"),
    [
        ("average", "Yes: all 5 can be averaged as they are.", "Average the weights of all 5 checkpoints"),
        ("align-average", "Yes, but not as they are: all 5,", "Align the hidden units of all 5 checkpoints"),
        ("soup", "In part: 2 of the 5 can", "Take the greedy soup, the average of the weights of 2 of the 5"),
        ("single", "No: no average was found", "Take the best single checkpoint, <b>a</b> & co"),
    ],
)
def test_the_answer_follows_what_is_recommended_for_one_pass(five, chosen, answer, order):
    five["recommendation"] = {"one_pass": chosen, "k_passes": chosen}
    found = read(five)
    assert options.answer(found).startswith(answer)
    one, many = (told["sentence"] for told in options.advice(found))
    assert one.startswith(order[0].lower() + order[1:])
    assert many == f"stay with the same: {one}"


def test_a_soup_of_one_is_no_average(five):
    five["options"]["soup"]["members"] = ["<b>a</b> & co"]
    found = read(five)
    assert options.answer(found).startswith("No:")
    assert options.advice(found)[0]["sentence"] == "take the greedy soup, which is checkpoint <b>a</b> & co alone"


def test_an_option_without_words_of_its_own_is_shown_by_name(five):
    five["options"]["later"] = five["options"]["ensemble"]
    five["recommendation"]["k_passes"] = "later"
    found = read(five)
    assert options.rows(found)[-1]["title"] == "later"
    assert options.advice(found)[1]["sentence"] == "take later"


@pytest.mark.parametrize(
    ("clusters", "sentence"),
    [
        ([[0], [1], [2], [3]], "No low line connects any two of the 4 checkpoints: each lies on a wedge of its own."),
        ([[0, 1, 2, 3]], "Low lines connect all 4 checkpoints: they lie on one wedge."),
        ([[1, 2], [0], [3]], "The 4 checkpoints lie on 3 wedges: together are 2 (b and c); 2 others alone."),
        ([[0, 1], [2, 3]], "The 4 checkpoints lie on 2 wedges: together are 2 (a and b) and 2 (c and d)."),
    ],
)
def test_who_lies_on_the_same_wedge(make, clusters, sentence):
    assert pairs.together(read(make(list("abcd"), clusters))) == sentence


def test_of_many_only_the_first_are_named(make):
    found = read(make([f"n{place}" for place in range(40)], [[2 * one, 2 * one + 1] for one in range(20)]))
    assert pairs.together(found).endswith(f"2 (n10 and n11) and {20 - LISTED} more clusters.")
    assert found.named(range(10)) == "n0, n1, n2, n3, n4 and 5 more"
    assert pairs.clusters(found)[-1] == "n38, n39"


def test_the_extremes_are_those_of_the_pairs(five):
    found = read(five)
    every = {found.barriers[one, other]: (one, other) for one, other in itertools.combinations(range(5), 2)}
    low, high = (" and ".join(found.labels[place] for place in every[value]) for value in (min(every), max(every)))
    told = pairs.extremes(found, found.barriers)
    assert told == f"from {words.number(min(every))} ({low}) to {words.number(max(every))} ({high})"
    holes = found.barriers.copy()
    holes[0, 1] = holes[1, 0] = np.nan
    assert pairs.extremes(found, holes).endswith("; 1 of 10 pairs undefined")
    assert pairs.extremes(found, np.full((5, 5), np.nan)) == "10 of 10 pairs undefined"


def test_the_matrix_goes_cluster_by_cluster_and_ticks_what_is_low(five):
    found = read(five)
    table = pairs.matrix(found, found.barriers, errors=found.errors, level=found.level)
    assert table["labels"] == ["<b>a</b> & co", "c", "d", "b", "e"]
    for row, one in zip(table["rows"], found.order, strict=True):
        for cell, other in zip(row["cells"], found.order, strict=True):
            assert cell["low"] == (one != other and found.barriers[one, other] <= found.level)
            assert cell["text"].startswith(words.number(found.barriers[one, other])) == (one != other)


def test_the_ways_from_the_best_are_in_the_order_of_the_others(five, with_statistics):
    found = read(five)
    ways = pairs.ways(found)
    assert list(ways) == [pairs.LINE, pairs.AFTER, pairs.TRAINED]
    np.testing.assert_array_equal(ways[pairs.LINE], found.barriers[0, [2, 3, 1, 4]])
    np.testing.assert_array_equal(ways[pairs.AFTER], np.array(five["aligned_barriers"])[[2, 3, 1, 4]])
    np.testing.assert_array_equal(ways[pairs.TRAINED], [np.nan, np.nan, 0.002, np.nan])
    averaged = pairs.ways(read(with_statistics))[pairs.AVERAGED]
    np.testing.assert_allclose(averaged, 3 * ways[pairs.LINE])


def test_alignment_counts_low_lines_before_and_after(five):
    five["aligned_barriers"] = [0, 0.09, 0.01, 0.02, 0.9]
    assert "Of 4 lines to the best checkpoint (<b>a</b> & co) 2 are low" in pairs.alignment(read(five))
    assert "and 3 once the hidden units" in pairs.alignment(read(five))
    five["aligned_barriers"] = None
    assert pairs.alignment(read(five)).startswith("Nothing was aligned")


@pytest.mark.parametrize(
    ("barrier", "told"),
    [
        (0.002, "0.002 on the trained path, which is low: a tunnel leads around the wall."),
        (0.5, "0.5 on the trained path, which is not low."),
        (None, "undefined on the trained path, where the loss is not finite everywhere."),
    ],
)
def test_a_trained_path_is_low_or_not(five, barrier, told):
    five["tunnels"][0]["barrier"] = barrier
    (sentence,) = pairs.trained(read(five))
    line = words.number(five["tunnels"][0]["line_barrier"])
    assert sentence == f"<b>a</b> & co to b: {line} on the straight line, {told}"


@pytest.mark.parametrize(
    ("predicted", "measured", "sentence"),
    [
        (0.25, 0.5, "The loss is 2 times as high as predicted."),
        (0.5, 0.25, "The loss is lower than predicted: 0.5 of it."),
        (0.5, 0.5001, "The two agree within half a percent."),
        (0.5, None, "The two cannot be compared as a ratio."),
        (-0.1, 0.5, "The two cannot be compared as a ratio."),
    ],
)
def test_the_prediction_is_held_against_the_measurement(five, predicted, measured, sentence):
    five["prediction"] = {"predicted": predicted, "measured": measured}
    told = alone.prediction(read(five))
    assert told is not None
    assert told["sentence"] == sentence


def test_curvatures_are_in_the_order_of_their_size(five):
    found = read(five)
    assert alone.thresholds(found) == ["0.01", "0.1", "1"]
    assert alone.rows(found)[0]["short"] == ["40.9\xa0±\xa06.2", "3.0\xa0±\xa00.01", "0.0\xa0±\xa00"]
    assert [row["width"] for row in alone.rows(found)][:2] == ["at least 90°", "41.0°"]
