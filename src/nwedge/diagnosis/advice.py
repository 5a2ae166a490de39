"""Which of the options to take, for one pass at inference and for as many as there are checkpoints."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nwedge.diagnosis.records import Estimate, Record, difference

AVERAGE, ALIGNED, SOUP, SINGLE = ONE_PASS = ("average", "align-average", "soup", "single")
"""Options of one pass, the simplest and most robust first: it is taken where the data cannot tell options apart."""
ENSEMBLE, TUNNEL = MANY_PASSES = ("ensemble", "m-tunnel")
"""Options that take as many passes as there are checkpoints, the simpler first."""
FEW = 500
"""Examples of the choosing half below which a warning is due: an accuracy of 80 % is known to ±3.5 % from 500."""
WORTH = 0.005
"""The gain in accuracy below which many passes are not worth their cost."""


@dataclass(frozen=True)
class Choice:
    """An option, and why it was taken.

    Attributes:
        option: its name.
        sentence: the reason, with the numbers of the choosing half.
    """

    option: str
    sentence: str


@dataclass(frozen=True)
class Recommendation:
    """What to take for each budget at inference: one pass, or as many as there are checkpoints."""

    one_pass: Choice
    k_passes: Choice


def recommend(records: Mapping[str, Record], seed: int) -> Recommendation:
    """Choose by the records on the choosing half.

    Of each of `ONE_PASS` and `MANY_PASSES` the first is taken that cannot be told from the most accurate of them, since
    the paired bootstrap interval of their difference in accuracy contains 0. For many passes that is advised if it
    gains on the choice for one pass, and the upper end of the interval of its gain is at least `WORTH`: else one pass
    is enough. Options of undefined accuracy are left out; "single" is taken where no other is left for one pass.

    Args:
        records: of each option that there is, on the same examples; "single" is among them.
        seed: of the bootstrap.
    """
    known = {name: record for name, record in records.items() if not math.isnan(record.accuracy)}
    one_pass = {name: known[name] for name in ONE_PASS if name in known}
    one = (
        _first(one_pass, seed) if one_pass else Choice(SINGLE, "the accuracy of every option of one pass is undefined")
    )
    many = {name: known[name] for name in MANY_PASSES if name in known}
    return Recommendation(one, _worth(records, one, _first(many, seed), seed) if many else one)


def cautions(chosen: Recommendation, barriers: np.ndarray, level: float, examples: int) -> list[str]:
    """What to keep in mind of a recommendation, a sentence each.

    Args:
        chosen: the recommendation.
        barriers: of all pairs.
        level: the highest barrier of a line that counts as low.
        examples: how many the choosing half has.
    """
    found = []
    if examples < FEW:
        half_width = 1.96 * np.sqrt(0.8 * 0.2 / examples)
        found.append(
            f"the choosing half has {examples} examples, fewer than {FEW}: an accuracy of 80 % is known to "
            f"±{_percent(half_width)} there, so that options that differ may pass for equal"
        )
    if chosen.one_pass.option == AVERAGE and np.nanmax(barriers) > level:
        found.append(
            "the average is chosen by accuracy on the held-out data, though on the training data not all lines between "
            "checkpoints are low"
        )
    return found


def _first(records: Mapping[str, Record], seed: int) -> Choice:
    """The first of the options that cannot be told from the most accurate of them."""
    best = max(records, key=lambda name: records[name].rank)
    for name in records:
        if name == best:
            return Choice(
                name, f"{name} is right on {_percent(records[name].accuracy)}, and no other of its cost on more"
            )
        gain = _gain(records[best], records[name], seed)
        if gain.interval[0] <= 0:
            return Choice(name, f"{name} cannot be told from the most accurate, {best}, which gains {_told(gain)}")
    raise AssertionError("the best option is among the options")


def _worth(records: Mapping[str, Record], one: Choice, many: Choice, seed: int) -> Choice:
    """The choice for many passes, if it may gain enough over the one for one pass."""
    gain = _gain(records[many.option], records[one.option], seed)
    told = f"{many.option} gains {_told(gain)} in accuracy over {one.option}"
    if gain.value <= 0:
        return Choice(one.option, f"{told}: nothing that is worth its cost")
    if gain.interval[1] < WORTH:
        return Choice(one.option, f"{told}: less than {_percent(WORTH)}, which is not worth its cost")
    return Choice(many.option, told)


def _gain(first: Record, second: Record, seed: int) -> Estimate:
    """The accuracy of a record above another's."""
    return difference(first.right, second.right, seed)


def _told(gain: Estimate) -> str:
    return f"{_percent(gain.value)} [{_percent(gain.interval[0])}, {_percent(gain.interval[1])}]"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
