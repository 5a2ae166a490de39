"""Each checkpoint alone, and the prediction of the average, in words."""

from typing import Any

from nwedge.report import words
from nwedge.report.diagnosis.options import scores
from nwedge.report.diagnosis.reading import Found

WIDEST = 90.0
"""Degrees at which the search for a width ends."""


def thresholds(found: Found) -> list[str]:
    """The curvatures above which directions are counted, in order."""
    return sorted(found.content["checkpoints"][0]["short"], key=float)


def rows(found: Found) -> list[dict[str, Any]]:
    """A row for each checkpoint, in the order given."""
    return [
        {
            "label": label,
            "name": one["name"],
            "best": place == found.best,
            "train_loss": words.number(one["train_loss"]),
            "train_accuracy": words.percent(one["train_accuracy"]),
            "scores": scores(one["held_out"]),
            "width": _width(one["width"]),
            "short": [_counted(*one["short"][threshold]) for threshold in thresholds(found)],
        }
        for place, (label, one) in enumerate(zip(found.labels, found.content["checkpoints"], strict=True))
    ]


def prediction(found: Found) -> dict[str, str] | None:
    """The loss at the average as predicted and as measured, and a sentence on both; None where there is none."""
    one = found.content["prediction"]
    if one is None:
        return None
    predicted, measured = one["predicted"], one["measured"]
    return {
        "predicted": words.number(predicted),
        "measured": words.number(measured),
        "sentence": _compared(predicted, measured),
    }


def _compared(predicted: Any, measured: Any) -> str:
    if not words.defined(predicted) or not words.defined(measured) or predicted <= 0 or measured <= 0:
        return "The two cannot be compared as a ratio."
    ratio = measured / predicted
    if abs(ratio - 1) < 0.005:
        return "The two agree within half a percent."
    if ratio > 1:
        return f"The loss is {words.number(ratio)} times as high as predicted."
    return f"The loss is lower than predicted: {words.number(ratio)} of it."


def _width(degrees: Any) -> str:
    return f"at least {WIDEST:.0f}°" if degrees == WIDEST else words.degrees(degrees)


def _counted(count: Any, error: Any) -> str:
    """A number of directions with its standard error."""
    if not words.defined(count):
        return "undefined"
    return f"{count:,.1f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{words.number(error, 2)}"
