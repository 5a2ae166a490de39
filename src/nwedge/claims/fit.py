"""fit: the one number s of the wedge model, and its scale, from three experiments that do not know of one another.

The model is one wedge with the loss scale^2 times the squared distance: s short directions of D, curvature 2 scale^2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from nwedge.claims.judging import CONFIDENCE, interval, over_seeds, resolved
from nwedge.specs.configs import MATCHED
from nwedge.specs.tasks import ClaimSpec

READ = {
    "sections": ("threshold", "censored", "level_share", "level", "radius", "dim", "short"),
    "radial-wells": ("probe_slope",),
    "short-directions": ("center_count", "center_error", "top_eigenvalue"),
}
"""The claims whose results are read, and the variables; `short`, the true s, is known on wedge models only."""
NEEDED = tuple(READ)
D_LIM, PROBES, GROWTH = "d_lim", "probes", "m-growth"
"""The experiments."""
AGREE = 0.1
"""Estimates that differ by a smaller share agree: the finest ratio of dimensions that a search of d_lim resolves."""
MISFIT = 0.25
"""A curve over m that misses the counts by a larger share of their mean does not describe them."""
CONTROLS = "control-"
LEAST_M = 2
"""Numbers of optima without which there is no growth to fit."""

Values = Float[np.ndarray, " seed"]


@dataclass(frozen=True)
class Estimate:
    """What an experiment says of a landscape, each value per seed, NaN where undefined or not identified.

    Attributes:
        experiment: its name.
        s: the number of short directions.
        scale: of the loss.
        product: scale^2 s.
        threshold: the curvature above which directions were counted; None where none were.
    """

    experiment: str
    s: Values
    scale: Values
    product: Values
    threshold: float | None = None

    @property
    def name(self) -> str:
        """The experiment and, where there is one, its threshold."""
        return self.experiment if self.threshold is None else f"{self.experiment} above {self.threshold:g}"


def fit(tasks: Sequence[ClaimSpec], results: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """The content of fit.json, strict JSON with null for what is undefined; None where no landscape has what is needed.

    Every toy and network with results of all of `NEEDED` is fitted, controls are not.

    Args:
        tasks: the claim tasks whose results are there.
        results: the dataset of each task, by task id.
    """
    groups: dict[str, dict[str, list[ClaimSpec]]] = {}
    for task in tasks:
        if task.claim in NEEDED and not task.landscape.name.startswith(CONTROLS):
            groups.setdefault(task.landscape.name, {}).setdefault(task.claim, []).append(task)
    found = {
        name: landscape({claim: over_seeds(members, results) for claim, members in claims.items()})
        for name, claims in groups.items()
        if len(claims) == len(NEEDED)
    }
    return {"confidence": CONFIDENCE, "agree": AGREE, "landscapes": found} if found else None


def landscape(results: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """What the three experiments say of one landscape, in plain values.

    Args:
        results: by claim, each over the dimension `seed`; seeds that one of them lacks are left out.
    """
    read = [results[claim][[name for name in READ[claim] if name in results[claim]]] for claim in NEEDED]
    sections, wells, short = xr.align(*read, join="inner")
    dim = int(sections["dim"][0])
    growths = [_growth(short, float(threshold), dim) for threshold in short["threshold"].values]
    estimates = [from_threshold(sections), from_probes(wells, short, dim), *(found for found, _ in growths)]
    chosen, curve = min(growths, key=lambda one: abs(one[1]["threshold"] - MATCHED))
    compared = [*estimates[:2], chosen]
    ratios = [_ratio(second, first) for first, second in combinations(compared, 2)]
    true = int(sections["short"][0]) if "short" in sections else None
    return {
        "dim": dim,
        "true_s": true,
        "seeds": sections["seed"].values.tolist(),
        "estimates": [_plain(one) for one in estimates],
        "growth": [curve for _, curve in growths],
        "ratios": ratios,
        "sentence": sentence(compared, ratios, curve["residual"]["mean"], true),
    }


def from_threshold(sections: xr.Dataset) -> Estimate:
    """From d_lim: s = d_lim / (1 - f), scale^2 = L D / (s R^2).

    The law of one wedge is d_lim = s - D l^2 / R^2. The mean loss of initial points at the radius R is
    L = scale^2 s R^2 / D, and the level is the share f of it, so that D l^2 / R^2 = f s. A threshold that is only a
    bound is undefined.
    """
    share = sections["level_share"].values
    s = sections["threshold"].where(~sections["censored"].astype(bool)).values / (1 - share)
    product = sections["level"].values / share * sections["dim"].values / sections["radius"].values ** 2
    return Estimate(D_LIM, s, _root(_quotient(product, s)), product)


def from_probes(wells: xr.Dataset, short: xr.Dataset, dim: int) -> Estimate:
    """From the probes: loss = L0 + c a^2 with c = scale^2 s / D, so they give scale^2 s = c D and never s alone.

    The scale is taken from the curvature across a wedge, 2 scale^2, at the same optimum; then s = c D / scale^2.
    """
    product = wells["probe_slope"].values * dim
    squared = short["top_eigenvalue"].values / 2
    return Estimate(PROBES, _quotient(product, squared), _root(squared), product)


def from_growth(
    counts: Float[np.ndarray, " m"], m: Float[np.ndarray, " m"], dim: int
) -> tuple[float, Float[np.ndarray, " m"]]:
    """The s whose N(m) = D [1 - (1 - s/D)^m] is nearest to the counts in least squares, and that curve.

    It lies between the smallest and the largest s that a single count asks for. NaN with fewer than `LEAST_M` counts.

    Args:
        counts: of short directions where m wedges meet, shape (m,); NaN is left out.
        m: how many, shape (m,).
        dim: the dimension D.
    """
    known = np.isfinite(counts)
    if known.sum() < LEAST_M:
        return math.nan, np.full(len(m), math.nan)
    wanted, powers = counts[known], m[known]
    single = dim * (1 - (1 - np.clip(wanted / dim, 0, 1)) ** (1 / powers))
    low, high = float(single.min()), float(single.max())

    def curve(s: float, powers: np.ndarray) -> np.ndarray:
        return dim * (1 - (1 - s / dim) ** powers)

    def misfit(s: float) -> float:
        return float(np.square(curve(s, powers) - wanted).sum())

    best: Any = minimize_scalar(misfit, bounds=(low, high), options={"xatol": 1e-9 * dim}) if high > low else None
    s = low if best is None else float(best.x)
    return s, curve(s, m)


def sentence(
    compared: Sequence[Estimate], ratios: Sequence[Mapping[str, Any]], misfit: float | None, true: int | None
) -> str:
    """Where the experiments agree and where they disagree, in words.

    Args:
        compared: an estimate of each experiment.
        ratios: of each pair of them.
        misfit: the residual of the growth.
        true: the s of a toy.
    """
    lacking = [int(np.isnan(one.s).sum()) for one in compared]
    clauses = [
        f"{one.name} is undefined in {count} of {len(one.s)} seeds"
        for one, count in zip(compared, lacking, strict=True)
        if count
    ]
    known = [one for one in ratios if one["ratio"] is not None]
    off = max((abs(one["ratio"] - 1) for one in known), default=math.inf)
    if len(known) == len(ratios) and off <= AGREE:
        clauses.append(f"the three agree within {off:.0%}")
    else:
        clauses += [_clause(one) for one in known if one["to"] == known[0]["to"]]
    if misfit is not None and misfit > MISFIT:
        clauses.append(f"the counts do not follow the model's curve over m, which misses {misfit:.0%} of their mean")
    if true is not None:
        shares = [f"{one.s.mean() / true:.3g} ({one.name})" for one in compared if not np.isnan(one.s).any()]
        clauses.append(f"estimates over the true {true}: {', '.join(shares) or 'none'}")
    text = "; ".join(clauses) or "no two of the three can be compared"
    return f"{text[:1].upper()}{text[1:]}."


def _clause(one: Mapping[str, Any]) -> str:
    ratio, bounds = one["ratio"], one["interval"]
    if abs(ratio - 1) <= AGREE:
        return f"{one['of']} and {one['to']} agree within {abs(ratio - 1):.0%}"
    text = f"{ratio:.3g} times as many short directions by {one['of']} as by {one['to']}"
    if bounds is None:
        return text
    doubt = ", which the interval does not tell from 1" if bounds[0] <= 1 <= bounds[1] else ""
    return f"{text} [{bounds[0]:.3g}, {bounds[1]:.3g}]{doubt}"


def _growth(short: xr.Dataset, threshold: float, dim: int) -> tuple[Estimate, dict[str, Any]]:
    """The fit to the counts above a threshold, each seed apart, and the curves behind it.

    Counts that are not resolved are undefined, and the seed that has one has no fit.
    """
    at = short.sel(threshold=threshold).transpose("seed", "m", ...)
    known = resolved(at["center_count"], at["center_error"])
    whole = (known.notnull() | at["center_count"].isnull()).all("m")
    counts = known.values.astype(float)
    m = short["m"].values.astype(float)
    fits = [from_growth(row, m, dim) for row in known.where(whole).values.astype(float)]
    s, curves = np.array([one for one, _ in fits]), np.array([curve for _, curve in fits])
    fitted = np.isfinite(counts) & np.isfinite(curves)
    residual = np.array(
        [
            _quotient(np.sqrt(np.square(row - curve)[keep].mean()), row[keep].mean()) if keep.any() else math.nan
            for row, curve, keep in zip(counts, curves, fitted, strict=True)
        ]
    )
    nothing = np.full(len(s), math.nan)
    plain = {
        "threshold": threshold,
        "m": short["m"].values.tolist(),
        "count": [_quantity(column) for column in counts.T],
        "fitted": [_quantity(column) for column in curves.T],
        "residual": _quantity(residual),
    }
    return Estimate(GROWTH, s, nothing, nothing, threshold), plain


def _ratio(of: Estimate, to: Estimate) -> dict[str, Any]:
    """How many times as many short directions one experiment gives: the geometric mean over seeds and its interval."""
    logs = _quantity(np.log(_positive(of.s) / _positive(to.s)))
    bounds = logs["interval"]
    return {
        "of": of.name,
        "to": to.name,
        "ratio": None if logs["mean"] is None else math.exp(logs["mean"]),
        "interval": None if bounds is None else [math.exp(bound) for bound in bounds],
    }


def _plain(one: Estimate) -> dict[str, Any]:
    return {
        "experiment": one.experiment,
        "threshold": one.threshold,
        "s": _quantity(one.s),
        "scale": _quantity(one.scale),
        "product": _quantity(one.product),
    }


def _quantity(values: Values) -> dict[str, Any]:
    """The mean over seeds, its interval and the values; null where a value is undefined."""
    listed = [float(value) if np.isfinite(value) else None for value in values]
    if None in listed or not listed:
        return {"mean": None, "interval": None, "values": listed}
    low, high = interval(np.asarray(values, dtype=float))
    return {
        "mean": float(np.mean(values)),
        "interval": [low, high] if math.isfinite(low) else None,
        "values": listed,
    }


def _quotient(above: Any, below: Any) -> Any:
    """NaN where what is below is not above 0."""
    return above / _positive(below)


def _positive(values: Any) -> Any:
    return np.where(np.asarray(values) > 0, values, math.nan)


def _root(values: Values) -> Values:
    return np.sqrt(_positive(values))
