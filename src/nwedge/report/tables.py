"""The tables of the report as plain values for the template: verdicts, their parts, thresholds, numbers, gaps."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from nwedge.report import words

Row = Mapping[str, Any]
AVERAGED = {"seed", "run"}
"""The dimensions over which the numbers behind a figure are summarised."""


def anchor(row: Row) -> str:
    """The name of a verdict's place on the page."""
    return re.sub(r"[^\w.-]+", "-", f"{row['claim']}--{row['landscape']}")


def verdict(row: Row) -> dict[str, Any]:
    """A row of verdicts.json in words, with the tone in which its outcome is shown."""
    good = words.expected(row["landscape"], row["outcome"])
    return _judged(row) | {
        "landscape": row["landscape"],
        "title": words.title(row["landscape"]),
        "anchor": anchor(row),
        "outcome": words.outcome(row["landscape"], row["outcome"]),
        "tick": {True: "✓", False: "✗", None: "?"}[good],
        "tone": {True: "good", False: "bad", None: "open"}[good],
        "parts": [_judged(part) for part in row.get("parts") or ()],
    }


def summary(verdicts: Sequence[Row]) -> str:
    """How many verdicts came out which way, controls apart."""
    sentences = []
    for what, control in (("Toys and networks", False), ("Controls, which must fail", True)):
        outcomes = [row["outcome"] for row in verdicts if (words.kind(row["landscape"]) == "control") == control]
        counts = ", ".join(f"{outcomes.count(name)} {name}" for name in words.SYMBOLS)
        if outcomes:
            sentences.append(f"{what}: {words.count(len(outcomes), 'verdict')} ({counts}).")
    return " ".join(sentences)


def thresholds(verdicts: Sequence[Row]) -> list[dict[str, str]]:
    """Every threshold once: claim, part, value, and the reason if the row holds it."""
    found = {}
    for row in verdicts:
        for part in row.get("parts") or [row]:
            key = (row["claim"], part.get("part", ""), words.number(part.get("threshold")))
            found[key] = part.get("reason") or ""
    return [
        {"claim": claim, "part": part, "threshold": value, "reason": reason}
        for (claim, part, value), reason in found.items()
    ]


def numbers(datasets: Mapping[str, xr.Dataset], landscapes: Sequence[str]) -> list[dict[str, Any]]:
    """The single numbers of the datasets (nothing but seed, run and path), mean and range over seeds and runs.

    A mean over a NaN is undefined, and says over how many.
    """
    cells: dict[str, dict[str, str]] = {}
    for name in landscapes:
        for variable, values in datasets[name].data_vars.items():
            paths = set(values.dims) - AVERAGED
            if values.dtype.kind not in "fiub" or not paths <= {"path"}:
                continue
            units = values.attrs.get("units", "")
            label = f"{variable}{'' if units in ('', '1') else f' ({units})'}".replace("_", " ")
            for path in datasets[name]["path"].values if paths else [None]:
                chosen = values if path is None else values.sel(path=path)
                key = label if path is None else f"{label}, {path}"
                cells.setdefault(key, {})[name] = _spread(chosen.values)
    return [{"label": label, "cells": [row.get(name, "") for name in landscapes]} for label, row in cells.items()]


def gaps(datasets: Mapping[str, xr.Dataset], landscapes: Sequence[str]) -> list[str]:
    """One sentence per variable that holds undefined (NaN) or infinite values: how many of how many."""
    sentences = []
    for name in landscapes:
        for variable, values in datasets[name].data_vars.items():
            if values.dtype.kind != "f":
                continue
            for what, amount in (("undefined (NaN)", np.isnan(values)), ("infinite", np.isinf(values))):
                if count := int(amount.sum()):
                    sentences.append(f"{name}: {count:,} of {values.size:,} values of {variable} are {what}.")
    return sentences


def _judged(row: Row) -> dict[str, Any]:
    seeds = row.get("seeds")
    return {
        "part": row.get("part") or "whole",
        "outcome": row["outcome"],
        "judged": row["outcome"],
        "symbol": words.SYMBOLS.get(row["outcome"], ""),
        "statistic": words.number(row.get("statistic")),
        "interval": words.interval(row.get("interval")),
        "threshold": words.number(row.get("threshold")),
        "seeds": "number of seeds unknown" if seeds is None else words.count(seeds, row.get("unit") or "seed"),
        "sentence": row.get("sentence") or "",
        "remark": row.get("sentence" if row.get("statistic") is None else "reason") or "",
    }


def _spread(values: np.ndarray) -> str:
    if values.dtype.kind == "b":
        return f"yes in {int(values.sum())} of {values.size}"
    undefined = int(np.isnan(values).sum())
    if undefined:
        return f"undefined in {undefined} of {values.size}"
    low, mean, high = (words.number(float(value)) for value in (values.min(), values.mean(), values.max()))
    return mean if low == high else f"{mean} ({low} to {high})"
