"""ensembling: optima on different wedges compute different functions, so averaging their predictions gains most."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge.claims._cycles import cyclical_runs, last_ends, stable
from nwedge.claims._ends import training
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Run, Runs
from nwedge.claims.sheets import COINCIDE
from nwedge.landscape import Landscape, Predictive
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.ensembling import disagreement, ensemble_scores
from nwedge.specs.configs import EnsemblingConfig

FUNCTIONS = Threshold(
    0.5, "snapshots within a wedge share a function where they differ at most half as much as optima do"
)
GAIN = Threshold(0.05, "a twentieth of the errors is the smallest gain for which one would pay for several networks")

INDEPENDENT, ACROSS, WITHIN, SHEET = "independent", "across", "within", "sheet"
KINDS = (INDEPENDENT, ACROSS, WITHIN, SHEET)
"""Optima; snapshots of the highest stable cyclical rate and of the lowest; random points of a sheet over m optima."""


def measure(landscape: Landscape, runs: Runs, config: EnsemblingConfig, generator: Generator) -> xr.Dataset:
    """How much the functions of an ensemble's members differ, and what averaging their predictions gains.

    For each kind of ensemble: the mean disagreement of its pairs and, where points are classifiers, the scores of the
    prediction ensemble and the mean scores of its members, on held-out data. With e = 1 - the members' mean accuracy,
    the error reduction is 1 - (1 - accuracy of the ensemble) / e, and the diversity is disagreement / e, so that worse
    members do not count as more diverse (Fort et al. 2019, arXiv 1912.02757); in a wedge model it is the disagreement.
    A kind that cannot be had is NaN.

    Functions disagree, where points are classifiers, on the share of examples that they label differently. In a wedge
    model the function is the nearest wedge: of sampled wedges two are the same or not; of the complete family they
    disagree in the share of the short axes of one that are not short axes of the other.

    Raises:
        ValueError: fewer independent runs, or cycles of a run, than members.
    """
    if len(runs) < config.members:
        raise ValueError(f"an ensemble of {config.members} needs as many independent runs; got {len(runs)}")
    independent, cycles = runs[: config.members], cyclical_runs(runs)
    members = _members(independent, cycles, runs, config, generator)
    found = {kind: _functions(landscape, points) for kind, points in members.items()}
    return xr.Dataset(
        {
            **{
                name: ("kind", np.array([found[kind][name] if kind in found else np.nan for kind in KINDS]))
                for name in found[INDEPENDENT]
            },
            "coincide": _coincide(independent),
            **training([*independent, *cycles[:1]]),
        },
        coords={"kind": list(KINDS)},
    )


def _members(
    independent: Sequence[Run], cycles: Sequence[Run], runs: Runs, config: EnsemblingConfig, generator: Generator
) -> dict[str, Float[Tensor, "member dim"]]:
    """The members of each kind of ensemble that can be had."""
    members = {INDEPENDENT: torch.stack([run.optimum for run in independent])}
    trained = [run for run, ok in zip(cycles, stable(cycles, config.members), strict=True) if ok]
    if cycles:
        members[WITHIN] = last_ends(cycles[0], config.members)
    if trained and trained[-1] is not cycles[0]:
        members[ACROSS] = last_ends(trained[-1], config.members)
    sheet = runs.sheets.get(config.m)
    if sheet is not None and sheet.trained is not None:
        members[SHEET] = sheet.trained.sample(config.members, generator)
    return members


def _functions(landscape: Landscape, points: Float[Tensor, "member dim"]) -> dict[str, float]:
    """What is measured of one ensemble; the disagreement is NaN where points have no functions."""
    if isinstance(landscape, Predictive):
        return _of_classifiers(landscape.held_out or landscape, points)
    differ = _pairs(_between_wedges(landscape, points)) if isinstance(landscape, WedgeLandscape) else np.nan
    return {"disagreement": differ, "diversity": differ}


def _pairs(differ: Float[Tensor, "member member"]) -> float:
    """The mean over pairs of different members."""
    first, second = torch.triu_indices(len(differ), len(differ), offset=1)
    return float(differ[first, second].mean())


def _between_wedges(landscape: WedgeLandscape, points: Tensor) -> Float[Tensor, "member member"]:
    """For every pair whether the nearest wedges differ or, in the complete family, 1 - |B B'|^2 / s.

    B and B' are the orthonormal bases of the short directions, so that on axes |B B'|^2 counts the axes that are short
    for both.
    """
    if landscape.wedges is not None:
        nearest = landscape.nearest_wedge(points)
        return (nearest != nearest[:, None]).to(points.dtype)
    bases = landscape.short_basis(points)
    shared = torch.stack([(bases @ own.T).square().sum((1, 2)) for own in bases])
    return 1 - shared / bases.shape[1]


def _of_classifiers(landscape: Predictive, points: Tensor) -> dict[str, float]:
    """Disagreement, diversity, accuracy, negative log likelihood and calibration, together and alone."""
    scores, differ = ensemble_scores(landscape, points), _pairs(disagreement(landscape, points))
    single = float(scores.single.accuracy.mean())
    error = 1 - single if single < 1 else np.nan
    return {
        "disagreement": differ,
        "diversity": differ / error,
        "accuracy": float(scores.ensemble.accuracy),
        "single_accuracy": single,
        "error_reduction": float(scores.gain) / error,
        "negative_log_likelihood": float(scores.ensemble.loss),
        "single_negative_log_likelihood": float(scores.single.loss.mean()),
        "calibration_error": float(scores.ensemble.ece),
        "single_calibration_error": float(scores.single.ece.mean()),
    }


def _coincide(runs: Sequence[Run]) -> bool:
    """Whether all optima are one point."""
    first = runs[0]
    return all(
        bool(torch.dist(first.optimum, run.optimum) <= COINCIDE * torch.dist(first.start, run.start))
        for run in runs[1:]
    )


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge independent optima against snapshots within a wedge: how much they disagree and what ensembling gains.

    Optima that coincide have one function and gain nothing: their seeds count as 0 in each part. Where points predict
    no classes there is no gain to judge.
    """
    dataset = results["ensembling"]
    apart = ~dataset["coincide"]
    differ = dataset["diversity"]
    independent, within = differ.sel(kind=INDEPENDENT), differ.sel(kind=WITHIN)
    ratio = 1 - within / independent.where(independent > 0)
    parts = [part("1 - diversity within a wedge / between optima", ratio.where(apart, 0.0).values, FUNCTIONS)]
    if "error_reduction" in dataset:
        gain = dataset["error_reduction"]
        more = gain.sel(kind=INDEPENDENT) - gain.sel(kind=WITHIN)
        name = "share of the errors that ensembling removes, optima - within a wedge"
        parts.append(part(name, more.where(apart, 0.0).values, GAIN))
        return combine(parts, dataset)
    return combine(parts, dataset, left_out=["the gain of ensembling is left out: points predict no classes here"])
