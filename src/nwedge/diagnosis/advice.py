"""Which of the options to take, for one pass at inference and for as many as there are checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nwedge.diagnosis.records import Estimate, Record, difference

AVERAGE, ALIGNED, SOUP, SINGLE = ONE_PASS = ("average", "align-average", "soup", "single")
"""Options of one pass, the simplest and most robust first: it is taken where the data cannot tell options apart."""
ENSEMBLE, TUNNEL = MANY_PASSES = ("ensemble", "m-tunnel")
"""Options that take as many passes as there are checkpoints."""


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

    One pass: of the options that cannot be told from the most accurate one, by the paired bootstrap intervals of
    accuracy and of loss, which both contain 0, the first of `ONE_PASS`. Many passes: the more accurate of `MANY_PASSES`
    where the interval of its accuracy above that choice lies above 0; else the choice itself, which costs less.

    Args:
        records: of each option that there is, on the same examples; "single" is among them.
        seed: of the bootstrap.
    """
    one = _one_pass({name: records[name] for name in ONE_PASS if name in records}, seed)
    return Recommendation(one, _many_passes(records, one, seed))


def _one_pass(records: Mapping[str, Record], seed: int) -> Choice:
    best = max(records, key=lambda name: (_known(records[name].accuracy), -records[name].mean_loss))
    for name in records:
        if name == best:
            return Choice(name, f"{name} is right on {records[name].accuracy:.2%}, more than any other of one pass")
        accuracy, loss = _against(records[best], records[name], seed)
        if _holds_zero(accuracy) and _holds_zero(loss):
            return Choice(
                name,
                f"{name} cannot be told from the most accurate, {best}: the difference in accuracy is "
                f"{accuracy.value:.2%} [{accuracy.interval[0]:.2%}, {accuracy.interval[1]:.2%}]",
            )
    raise AssertionError("the best option is among the options")


def _many_passes(records: Mapping[str, Record], one: Choice, seed: int) -> Choice:
    many = [name for name in MANY_PASSES if name in records]
    if not many:
        return one
    best = max(many, key=lambda name: _known(records[name].accuracy))
    gain, _ = _against(records[best], records[one.option], seed)
    told = f"{gain.value:.2%} [{gain.interval[0]:.2%}, {gain.interval[1]:.2%}]"
    if gain.interval[0] > 0:
        return Choice(best, f"{best} gains {told} in accuracy over {one.option}")
    return Choice(one.option, f"{best} gains {told} in accuracy over {one.option}, which need not be worth its cost")


def _against(first: Record, second: Record, seed: int) -> tuple[Estimate, Estimate]:
    """The accuracy and the loss of a record above another's."""
    return difference(first.right, second.right, seed), difference(first.loss, second.loss, seed)


def _holds_zero(estimate: Estimate) -> bool:
    return estimate.interval[0] <= 0 <= estimate.interval[1]


def _known(value: float) -> float:
    """The value, below all others where it is undefined."""
    return -np.inf if np.isnan(value) else value
