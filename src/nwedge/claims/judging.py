"""The rules of judging: from the values of independent seeds to holds, fails or inconclusive."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from scipy import stats

from nwedge.claims._task import claim_module
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.presets import judged
from nwedge.specs.tasks import ClaimSpec

CONFIDENCE = 0.95
BOOTSTRAP_FROM = 10
"""Seeds from which the interval is a BCa bootstrap; below, Student's t (a bootstrap of 5 covers 83 %)."""
EQUAL = 1e-12
"""Values whose range is a smaller share of the largest one are equal."""
TRAINED = 0.25
"""The largest loss at the end of training, relative to the start's, of a run that counts as trained."""

SEED = "seed"
PLURAL = {SEED: "seeds", "optimum": "optima"}
HOLDS, FAILS, INCONCLUSIVE = "holds", "fails", "inconclusive"
SEVERITY = {FAILS: 0, INCONCLUSIVE: 1, HOLDS: 2}
RESOLVED = 0.5
"""The largest standard error of a count that is judged, as a share of the count."""


@dataclass(frozen=True)
class Judgement:
    """A statistic over seeds, larger in favour, against the smallest effect of interest; null where undefined.

    Attributes:
        outcome: "holds", "fails" or "inconclusive".
        statistic: the mean.
        interval: its 95 % interval.
        threshold: the smallest effect of interest.
        seeds: how many independent values there are.
        unit: what each of them comes from: a "seed", or an "optimum" of a pool.
        sentence: all of it in words.
    """

    outcome: str
    statistic: float | None
    interval: tuple[float, float] | None
    threshold: float
    seeds: int
    unit: str
    sentence: str


@dataclass(frozen=True)
class Part(Judgement):
    """The judgement of a sub-result, its name, and the reason for its threshold."""

    part: str
    reason: str


@dataclass(frozen=True)
class Verdict(Judgement):
    """The judgement of a claim on a landscape: its worst part's, or inconclusive where the runs are untrained."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Threshold:
    """The smallest effect of interest, and why it is that."""

    value: float
    reason: str


def part(name: str, values: np.ndarray, threshold: Threshold, unit: str = SEED) -> Part:
    """Judge one value per seed.

    holds: the lower end of the 95 % interval of the mean is above the threshold; fails: the upper end is below it;
    inconclusive: otherwise, and where a value is undefined (NaN or infinite) or there is a single seed.

    Args:
        name: of the part.
        values: one per seed, larger in favour, shape (seed,).
        threshold: above 0.
        unit: what each value comes from, where that is no seed.
    """
    values = np.asarray(values, dtype=float)
    undefined = int((~np.isfinite(values)).sum())
    if undefined:
        sentence = f"{name}: undefined in {undefined} of {len(values)} {PLURAL[unit]}"
        return Part(INCONCLUSIVE, None, None, threshold.value, len(values), unit, sentence, name, threshold.reason)
    mean = float(values.mean())
    low, high = interval(values)
    if low > threshold.value:
        outcome = HOLDS
    elif high < threshold.value:
        outcome = FAILS
    else:
        outcome = INCONCLUSIVE
    ends = (low, high) if math.isfinite(low) else None
    spread = f"[{low:.3g}, {high:.3g}]" if ends else "no interval from a single seed"
    sentence = f"{name}: {mean:.3g} {spread} against {threshold.value:g}: {outcome}"
    return Part(outcome, mean, ends, threshold.value, len(values), unit, sentence, name, threshold.reason)


def resolved(count: xr.DataArray, error: xr.DataArray) -> xr.DataArray:
    """The counts whose standard error is at most half of them; NaN elsewhere."""
    return count.where(error <= RESOLVED * count)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean: Student's t below 10 values, BCa bootstrap from 10 on, a point for equal values.

    Values that differ by rounding alone are equal. Where the bootstrap is degenerate, Student's t stands in.

    A single value has the interval (-inf, inf).
    """
    if len(values) < 2:
        return -math.inf, math.inf
    mean = float(np.mean(values))
    if np.ptp(values) <= EQUAL * np.abs(values).max():
        return mean, mean
    if len(values) >= BOOTSTRAP_FROM:
        found = stats.bootstrap(
            (values,), np.mean, confidence_level=CONFIDENCE, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return float(found.low), float(found.high)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return float(mean - half), float(mean + half)


def combine(parts: Sequence[Part], dataset: xr.Dataset, *, left_out: Sequence[str] = ()) -> Verdict:
    """The verdict of a claim: fails where any part fails, holds where all hold, its statistic the worst part's.

    Untrained runs (`final_loss` above a quarter of `initial_loss`, both of dimensions seed and run) give no verdict.

    Args:
        parts: at least one.
        dataset: with the losses of the runs.
        left_out: what is not judged on this landscape, and why, one sentence each.
    """
    worst = min(parts, key=_rank)
    lost = untrained(dataset)
    if lost:
        return Verdict(INCONCLUSIVE, None, None, worst.threshold, dataset.sizes["seed"], SEED, lost, tuple(parts))
    sentence = "; ".join([*(one.sentence for one in parts), *left_out])
    judged = worst.outcome, worst.statistic, worst.interval, worst.threshold, worst.seeds, worst.unit
    return Verdict(*judged, sentence, tuple(parts))


def untrained(dataset: xr.Dataset) -> str:
    """A sentence on the seeds whose runs failed to train and the loss they reached; empty if there are none."""
    ratio = dataset["final_loss"] / dataset["initial_loss"]
    failed = (~(ratio <= TRAINED)).any("run").values
    if not failed.any():
        return ""
    reached = float(dataset["final_loss"].max())
    seeds = ", ".join(str(seed) for seed in dataset["seed"].values[failed])
    return (
        f"no verdict on untrained runs: seeds {seeds} ended above {TRAINED:g} of their first loss "
        f"(the highest loss reached is {reached:.3g})"
    )


def judge(tasks: Sequence[ClaimSpec], results: Mapping[str, xr.Dataset]) -> list[dict]:
    """The rows of `verdicts.json`, one per claim and landscape, in the order of the tasks.

    Args:
        tasks: the claim tasks whose results are there.
        results: the dataset of each task, by task id.
    """
    groups: dict[tuple[str, str], list[ClaimSpec]] = {}
    for task in tasks:
        groups.setdefault((task.claim, task.landscape.name), []).append(task)
    labelled = {key: over_seeds(members, results) for key, members in groups.items()}
    rows = []
    for (claim, landscape), members in groups.items():
        about, module = find_claim(claim), claim_module(claim)
        needs = (claim, *about.needs)
        if any((need, landscape) not in labelled for need in needs):
            continue
        read = {need: labelled[need, landscape] for need in needs}
        common = set.intersection(*(set(one["seed"].values.tolist()) for one in read.values()))
        own = read[claim]["seed"].values.tolist()
        if not common:
            continue
        read = {need: one.sel(seed=[seed for seed in own if seed in common]) for need, one in read.items()}
        lost = [str(seed) for seed in own if seed not in common]
        verdicts = {landscape: module.verdict} if judged(about, landscape) else {}
        verdicts |= {name: module.DERIVED[name] for name, source in about.derived.items() if source == landscape}
        ids = [task.id for task in members]
        for name, verdict in verdicts.items():
            row = {"claim": claim, "landscape": name, **asdict(verdict(read)), "task_ids": ids}
            if lost:
                row["sentence"] += f"; left out: seeds {', '.join(lost)}, which {' or '.join(about.needs)} lacks"
            rows.append(row)
    return rows


def over_seeds(tasks: Sequence[ClaimSpec], results: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The results of one claim on one landscape, joined along the dimension `seed`."""
    return xr.concat(
        [results[task.id] for task in tasks],
        dim=xr.DataArray([task.seed for task in tasks], dims="seed", name="seed"),
        join="exact",
        combine_attrs="drop_conflicts",
    )


def _rank(one: Part) -> tuple[int, float]:
    margin = -math.inf if one.statistic is None else one.statistic / one.threshold
    return SEVERITY[one.outcome], margin
