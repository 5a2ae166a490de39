import pytest

from nwedge.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "undefined"),
        (float("nan"), "undefined"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (0, "0"),
        (0.0, "0"),
        (1234567, "1,234,567"),
        (-3, "−3"),
        (0.123456, "0.123"),
        (-0.5, "−0.5"),
        (1.5e-7, "1.5e−7"),
        (2e12, "2e12"),
    ],
)
def test_numbers_have_three_digits_and_undefined_ones_say_so(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [([0.25, 1], "[0.25, 1]"), (None, ""), ([], ""), ([None, None], ""), ([0.1, float("nan")], "")],
)
def test_an_interval_is_shown_where_both_ends_are_defined(bounds, text):
    assert words.interval(bounds) == text


def test_toys_come_first_and_controls_last_without_repeats():
    names = ["control-bowl", "network", "toy-b", "control-bowl", "resnet", "toy-a"]
    assert words.ordered(names) == ["toy-b", "toy-a", "network", "resnet", "control-bowl"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("network", "Network"),
        ("toy-complete", "Toy: all wedges"),
        ("toy-thick", "Toy: thick"),
        ("control-bowl", "Control: bowl"),
        ("resnet-20", "Network: resnet-20"),
    ],
)
def test_titles_name_the_kind(name, title):
    assert words.title(name) == title


@pytest.mark.parametrize(
    ("name", "outcome", "expected", "text"),
    [
        ("network", "holds", True, "holds"),
        ("toy-complete", "fails", False, "fails"),
        ("network", "inconclusive", None, "inconclusive"),
        ("control-bowl", "fails", True, "fails, as it must"),
        ("control-bowl", "holds", False, "holds, but must fail"),
        ("control-bowl", "inconclusive", None, "inconclusive"),
    ],
)
def test_controls_are_expected_to_fail_and_all_else_to_hold(name, outcome, expected, text):
    assert words.expected(name, outcome) is expected
    assert words.outcome(name, outcome) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.26, "1.3 s"), (119.0, "119.0 s"), (600.0, "10.0 min"), (9000.0, "2.5 h")]
)
def test_durations_choose_their_unit(seconds, text):
    assert words.duration(seconds) == text


def test_counts_agree_with_their_noun():
    assert words.count(1, "seed") == "1 seed"
    assert words.count(1000, "seed") == "1,000 seeds"
    assert words.count(12, "optimum") == "12 optima"


@pytest.mark.parametrize(
    ("value", "share", "angle"),
    [(0.12345, "12.3\xa0%", "0.1°"), (1, "100.0\xa0%", "1.0°"), (-0.5, "−50.0\xa0%", "−0.5°")],
)
def test_shares_and_angles_have_one_digit_after_the_point(value, share, angle):
    assert (words.percent(value), words.degrees(value)) == (share, angle)


def test_undefined_shares_and_angles_say_so():
    assert {words.percent(None), words.percent(float("nan")), words.degrees(None)} == {"undefined"}


def test_an_interval_is_said_as_its_ends_are():
    assert words.interval([0.5, 0.75], words.percent) == "[50.0\xa0%, 75.0\xa0%]"


@pytest.mark.parametrize(
    ("things", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_a_list_has_an_and_before_the_last(things, text):
    assert words.listed(things) == text


def test_fewer_digits_can_be_asked_for():
    assert (words.number(0.123456, 2), words.number(1.04, 2)) == ("0.12", "1")


def test_passes_are_no_passs():
    assert (words.count(1, "pass"), words.count(4, "pass")) == ("1 pass", "4 passes")
