"""What can be done with the checkpoints, what is recommended, and what each option scores, in words."""

from collections.abc import Mapping
from typing import Any

from nwedge.report import words
from nwedge.report.diagnosis.reading import SINGLE, Found

AVERAGE, ALIGNED, SOUP, ENSEMBLE, TUNNEL = "average", "align-average", "soup", "ensemble", "m-tunnel"
TITLES = {
    AVERAGE: "average",
    ALIGNED: "align, then average",
    SOUP: "greedy soup",
    SINGLE: "best checkpoint",
    ENSEMBLE: "ensemble",
    TUNNEL: "points of an m-tunnel",
}
"""The options in the order in which they are shown; one that is not here is shown under its own name, after them."""
WHAT = {
    AVERAGE: "one network: the mean of all weights, as they are",
    ALIGNED: "one network: the mean of all weights, after the hidden units of each have been put into the order "
    "closest to the best checkpoint’s",
    SOUP: "one network: from the best checkpoint on, each joins the mean of weights if that is then no less accurate",
    SINGLE: "one network: the most accurate checkpoint on the choosing half",
    ENSEMBLE: "the mean of the predictions of all checkpoints",
    TUNNEL: "the mean of the predictions at random points of a low sheet, trained through the best checkpoints",
}
BUDGETS = {"one_pass": "One pass at inference", "k_passes": "As many passes as checkpoints"}


def title(option: str) -> str:
    """An option in words."""
    return TITLES.get(option, option)


def ordered(options: Mapping[str, Any]) -> list[str]:
    """The names of the options in the order in which they are shown."""
    return [name for name in TITLES if name in options] + [name for name in options if name not in TITLES]


def answer(found: Found) -> str:
    """Whether the checkpoints can be averaged, in one sentence, by what is recommended for one pass."""
    chosen = found.content["recommendation"]["one_pass"]
    members = len(found.content["options"][chosen]["members"])
    if found.count == 1:
        return "There is one checkpoint: nothing to average."
    if chosen == AVERAGE:
        return f"Yes: {found.every} can be averaged as they are."
    if chosen == ALIGNED:
        return f"Yes, but not as they are: {found.every}, once their hidden units are aligned."
    if chosen == SOUP and members > 1:
        return f"In part: {members} of the {found.count} can, the greedy soup."
    return "No: no average was found that is as good as the best checkpoint."


def advice(found: Found) -> list[dict[str, Any]]:
    """For each budget what to do, why, and what it scores; of one checkpoint there is one budget."""
    content = found.content
    chosen = content["recommendation"]
    return [
        {
            "budget": budget,
            "sentence": _do(found, chosen[key], same=key != "one_pass" and chosen[key] == chosen["one_pass"]),
            "title": title(chosen[key]),
            "reason": content["reasons"][key],
            "scores": scores(content["options"][chosen[key]]["scores"]),
        }
        for key, budget in list(BUDGETS.items())[: found.count]
    ]


def rows(found: Found) -> list[dict[str, Any]]:
    """The table of the options."""
    return [_row(found, name, found.content["options"][name]) for name in ordered(found.content["options"])]


def scores(one: Mapping[str, Any]) -> dict[str, str]:
    """Accuracy, loss and calibration error, each with its interval, between which alone a line may break."""
    say = {"accuracy": words.percent, "loss": words.number, "ece": words.number}
    return {
        name: f"{how(one[name]['value'])} {_unbroken(words.interval(one[name]['interval'], how))}".strip()
        for name, how in say.items()
    }


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _row(found: Found, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    recommended = found.content["recommendation"]
    return {
        "option": name,
        "title": title(name),
        "what": WHAT.get(name, ""),
        "budgets": [BUDGETS[key] for key, chosen in recommended.items() if chosen == name],
        "passes": one["passes"],
        "members": [found.labels[place] for place in found.places(one["members"])],
        "scores": scores(one["scores"]),
    }


def _do(found: Found, option: str, *, same: bool) -> str:
    """What to do, as an order."""
    members = found.places(found.content["options"][option]["members"])
    every, listed = len(members) == found.count, found.named(members)
    who = f"{found.every} checkpoints" if every else f"{len(members)} of the {found.count} checkpoints"
    told = {
        AVERAGE: f"average the weights of {who}",
        ALIGNED: f"align the hidden units of {who} to the best one, then average their weights",
        SOUP: f"take the greedy soup, the average of the weights of {who}: {listed}",
        SINGLE: f"take the best single checkpoint, {listed}",
        ENSEMBLE: f"average the predictions of {who}, an ensemble",
        TUNNEL: f"average the predictions at random points of an m-tunnel through {who}",
    }.get(option, f"take {option}")
    if option == SOUP and len(members) == 1:
        told = f"take the greedy soup, which is checkpoint {listed} alone"
    return f"stay with the same: {told}" if same else told
