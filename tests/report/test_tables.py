import numpy as np
import xarray as xr

from nwedge.report import tables

ROW = {
    "claim": "tunnels",
    "landscape": "network",
    "outcome": "holds",
    "statistic": 0.75,
    "interval": [0.7, 0.8],
    "threshold": 0.5,
    "seeds": 5,
    "sentence": "low",
    "parts": [{"part": "wall", "outcome": "holds", "statistic": 0.75, "threshold": 0.5, "reason": "small"}],
}


def test_a_control_that_fails_is_good_and_one_that_holds_is_bad():
    tones = [
        tables.verdict(ROW | {"landscape": name, "outcome": outcome})["tone"]
        for name in ("network", "control-bowl")
        for outcome in ("holds", "fails", "inconclusive")
    ]
    assert tones == ["good", "bad", "open", "bad", "good", "open"]
    ticks = [
        tables.verdict(ROW | {"landscape": "control-bowl", "outcome": outcome})["tick"]
        for outcome in ("holds", "fails", "inconclusive")
    ]
    assert ticks == ["✗", "✓", "?"]


def test_a_verdict_says_what_its_values_come_from():
    assert tables.verdict(ROW)["seeds"] == "5 seeds"
    assert tables.verdict(ROW | {"seeds": 12, "unit": "optimum"})["seeds"] == "12 optima"


def test_a_part_gives_the_reason_of_its_threshold_or_why_it_is_undefined():
    (part,) = tables.verdict(ROW)["parts"]
    assert (part["judged"], part["remark"]) == ("holds", "small")
    undefined = {
        "part": "wall",
        "outcome": "inconclusive",
        "statistic": None,
        "sentence": "undefined in 1",
        "reason": "x",
    }
    (part,) = tables.verdict(ROW | {"parts": [undefined]})["parts"]
    assert (part["statistic"], part["remark"]) == ("undefined", "undefined in 1")


def test_the_summary_counts_controls_apart():
    rows = [ROW, ROW | {"outcome": "inconclusive"}, ROW | {"landscape": "control-bowl", "outcome": "fails"}]
    assert tables.summary(rows) == (
        "Toys and networks: 2 verdicts (1 holds, 0 fails, 1 inconclusive). "
        "Controls, which must fail: 1 verdict (0 holds, 1 fails, 0 inconclusive)."
    )
    assert tables.summary([]) == ""


def test_a_threshold_is_listed_once_with_its_reason():
    rows = [ROW, ROW | {"landscape": "toy"}, {**ROW, "claim": "later", "parts": [], "reason": "old"}]
    assert tables.thresholds(rows) == [
        {"claim": "tunnels", "part": "wall", "threshold": "0.5", "reason": "small"},
        {"claim": "later", "part": "", "threshold": "0.5", "reason": "old"},
    ]


def test_numbers_are_means_with_ranges_over_seeds_and_runs():
    one = xr.Dataset(
        {
            "final_loss": (("seed", "run"), [[1.0, 2.0], [3.0, 6.0]]),
            "length": (("seed", "path"), [[1.0, 2.0], [1.0, np.nan]], {"units": "|b - a|"}),
            "bent": ("seed", [True, False]),
            "loss": (("seed", "t"), np.zeros((2, 3))),
        },
        {"path": ["line", "sheet"]},
    )
    two = xr.Dataset({"final_loss": (("seed", "run"), [[5.0, 5.0]])})
    assert tables.numbers({"one": one, "two": two}, ["one", "two"]) == [
        {"label": "final loss", "cells": ["3 (1 to 6)", "5"]},
        {"label": "length (|b - a|), line", "cells": ["1", ""]},
        {"label": "length (|b - a|), sheet", "cells": ["undefined in 1 of 2", ""]},
        {"label": "bent", "cells": ["yes in 1 of 2", ""]},
    ]


def test_undefined_and_infinite_values_are_counted():
    dataset = xr.Dataset({"a": ("x", [np.nan, 1.0, np.nan]), "b": ("x", [np.inf, 0.0, 0.0]), "c": ("x", [1, 2, 3])})
    assert tables.gaps({"toy": dataset}, ["toy"]) == [
        "toy: 2 of 3 values of a are undefined (NaN).",
        "toy: 1 of 3 values of b are infinite.",
    ]
