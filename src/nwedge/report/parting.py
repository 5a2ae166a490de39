"""Where the model and the networks part company: fit.json in words, for the template."""

from collections.abc import Collection, Mapping
from typing import Any

from nwedge.report import words

NEEDED = ("sections", "radial-wells", "short-directions")
"""The claims whose results the fit reads."""


def landscapes(fit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each landscape its sentence, a row for each experiment, and a row for each pair that is compared."""
    found = fit["landscapes"]
    return [
        {
            "title": words.title(name),
            "sentence": found[name]["sentence"],
            "dim": words.number(found[name]["dim"]),
            "true": None if found[name]["true_s"] is None else words.number(found[name]["true_s"]),
            "seeds": words.count(len(found[name]["seeds"]), "seed"),
            "estimates": _estimates(found[name]),
            "ratios": [
                {
                    "pair": f"{one['of']} / {one['to']}",
                    "ratio": f"{words.number(one['ratio'])} {words.interval(one['interval'])}".strip(),
                }
                for one in found[name]["ratios"]
            ],
        }
        for name in words.ordered(found)
    ]


def missing(claims: Collection[str], landscapes: Mapping[str, Collection[str]]) -> str:
    """What the fit lacks, in a sentence.

    Args:
        claims: that were planned.
        landscapes: those with results, by claim.
    """
    lacking = [claim for claim in NEEDED if claim not in claims]
    if lacking:
        return f"Not part of this run: {', '.join(lacking)}."
    without = [claim for claim in NEEDED if not landscapes.get(claim)]
    if without:
        return f"No result is there yet of: {', '.join(without)}."
    return "No toy or network has enough results of all three yet."


def label(estimate: Mapping[str, Any]) -> str:
    """An experiment and, where there is one, the curvature above which it counts."""
    threshold = estimate["threshold"]
    return estimate["experiment"] + ("" if threshold is None else f", curvature above {words.number(threshold)}")


def _estimates(found: Mapping[str, Any]) -> list[dict[str, str]]:
    residuals = {one["threshold"]: one["residual"] for one in found["growth"]}
    return [
        {
            "experiment": label(one),
            **{name: quantity(one[name]) for name in ("s", "scale", "product")},
            "residual": quantity(residuals[one["threshold"]]) if one["threshold"] in residuals else "",
        }
        for one in found["estimates"]
    ]


def quantity(value: Mapping[str, Any]) -> str:
    """A mean and its interval; how many seeds lack a value; empty where no seed has one."""
    lacking, seeds = value["values"].count(None), len(value["values"])
    if lacking == seeds:
        return ""
    if lacking:
        return f"undefined in {lacking} of {words.count(seeds, 'seed')}"
    return f"{words.number(value['mean'])} {words.interval(value['interval'])}".strip()
