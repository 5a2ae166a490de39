"""sections: random planes train from a threshold dimension on; their draw hardly matters, their radius does."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from torch import Generator

from nwedge._random import draw_seeds, spawn
from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims._search import Found, Search, at_random
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Run
from nwedge.landscape import Landscape
from nwedge.landscapes import theory
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs.configs import SectionsConfig

LOW = Threshold(0.5, "a plane of half of all dimensions is the largest that could be called low-dimensional")
DRAW = Threshold(0.5, "a plane's draw matters less than its dimension from where that explains half of the variance")
RADIUS = Threshold(0.1, "a tenth of the threshold is the smallest shift with the radius that is of interest")

FLOOR = 0.01
"""Losses below this share of the level count as that: on a wedge model many are 0 and have no logarithm."""


def measure(landscape: Landscape, runs: Sequence[Run], config: SectionsConfig, generator: Generator) -> xr.Dataset:
    """The dimension from which random planes reach the level, and how it depends on the radius and on the level.

    The level is a share of the mean loss of fresh initial points, and so are the planes' origins, multiplied by each
    factor of the radius scan while the level stays. Each plane takes the rate that ends lowest in it. On a wedge model
    with one number s of short directions the law s - D l^2 / R^2 stands beside the thresholds, and those of a twin with
    a single wedge, for which it is exact.
    """
    draw, examples, other = spawn(generator, 3)
    judge = sampled(landscape, config.examples, examples)
    mean, radius = at_random(judge, draw)
    level, seed = config.level * mean, draw_seeds(other, 1)[0]
    search = Search(landscape, judge, config, seed)
    found = search.find(level)
    factors, shares = sorted({1.0, *config.radii}), sorted({config.level, *config.levels})
    scan = [
        found if factor == 1 else Search(landscape, judge, config, seed, factor=factor).find(level, found.value)
        for factor in factors
    ]
    curve = _curve(search, found, mean, shares, config.level)
    within, explained = spread(found.d, found.loss, FLOOR * level)
    return xr.Dataset(
        {
            "level": ((), level, {"meaning": "the loss that counts as success"}),
            "level_share": ((), config.level, {"meaning": "the level / the mean loss of initial points"}),
            "radius": ((), radius, {"meaning": "the mean distance of initial points from the origin"}),
            "level_over_radius": level / radius,
            "dim": landscape.dim,
            **_scalars(found, ""),
            "variance_of_planes": ((), within, {"meaning": "of log loss among planes of one dimension"}),
            "explained": ((), explained, {"meaning": "the share of the variance of log loss that d explains"}),
            "d": (("factor", "plane"), np.stack([one.d for one in scan])),
            "success": (("factor", "plane"), np.stack([one.success for one in scan])),
            "loss": (("factor", "plane"), np.stack([one.loss for one in scan])),
            **_column(scan, "radius", "factor"),
            **_column(curve, "level", "share"),
            **_law(landscape, config, seed, mean, radius, shares, factors),
            **training(runs),
        },
        coords={"factor": factors, "share": shares},
    )


def spread(d: np.ndarray, loss: np.ndarray, floor: float) -> tuple[float, float]:
    """The variance of log loss among planes of one dimension, and the share of all variance that d explains.

    share = 1 - [SS_within / (planes - dimensions)] / [SS_total / (planes - 1)], the adjusted R^2 of d as a factor, so
    that few planes of each dimension do not flatter it. NaN where each dimension has one plane, or nothing varies.

    Args:
        d: the dimension of each plane, NaN for padding, shape (planes,).
        loss: that each reached, shape (planes,).
        floor: losses below it count as it.
    """
    known = ~np.isnan(d)
    dims, groups = np.unique(d[known], return_inverse=True)
    logs = np.log(np.maximum(loss[known], floor))
    means = np.bincount(groups, logs) / np.bincount(groups)
    free = len(logs) - len(dims)
    within = float(np.square(logs - means[groups]).sum() / free) if free else math.nan
    total = float(logs.var(ddof=1)) if len(logs) > 1 else math.nan
    return within, 1 - within / total if total > 0 else math.nan


def _curve(search: Search, found: Found, mean: float, shares: Sequence[float], share: float) -> list[Found]:
    """The threshold at each share, the one found among them, from planes that are trained already where they do."""
    return [found if one == share else search.find(one * mean, found.value) for one in shares]


def _law(
    landscape: Landscape,
    config: SectionsConfig,
    seed: int,
    mean: float,
    radius: float,
    shares: Sequence[float],
    factors: Sequence[float],
) -> dict:
    """For a wedge model: what the law says, and the thresholds of the twin with one wedge."""
    if not isinstance(landscape, WedgeLandscape) or not isinstance(landscape.short, int):
        return {}
    dim, short = landscape.dim, landscape.short
    exact = dataclasses.replace(config, steps=0)  # the polish of one wedge needs no descent
    single = _one_wedge(landscape)
    twin = Search(single, single, exact, seed)
    found = twin.find(config.level * mean, float(short))
    distances = {share: distance_at(landscape, share * mean) for share in {*shares, config.level}}

    def law(share: float, factor: float = 1.0) -> float:
        return float(theory.section_threshold(dim, short, distances[share], factor * radius))

    return {
        "short": short,
        "law": ((), law(config.level), {"meaning": "s - D l^2 / R^2, exact for one wedge"}),
        "law_at_level": ("share", [law(share) for share in shares]),
        "law_at_radius": ("factor", [law(config.level, factor) for factor in factors]),
        **_scalars(found, "_one_wedge"),
        "one_wedge_at_level": (
            "share",
            [one.value for one in _curve(twin, found, mean, shares, config.level)],
        ),
    }


def distance_at(landscape: WedgeLandscape, level: float) -> float:
    """The norm of the nearest wedge's short coordinates at which the loss is at a level: the l of the law."""
    if landscape.profile == "distance":
        outside = level
    elif landscape.profile == "squared":
        outside = math.sqrt(level)
    else:
        outside = landscape.width * math.sqrt(-2 * math.log1p(-level))
    return landscape.thickness + outside


def _one_wedge(landscape: WedgeLandscape) -> WedgeLandscape:
    return WedgeLandscape(
        landscape.dim,
        landscape.short,
        wedges=1,
        oriented=landscape.oriented,
        thickness=landscape.thickness,
        profile=landscape.profile,
        width=landscape.width,
        scale=landscape.scale,
        seed=landscape.seed,
        dtype=landscape.dtype,
        device=landscape.device,
    )


def _scalars(found: Found, name: str) -> dict:
    return {
        f"threshold{name}": found.value,
        f"low{name}": found.low,
        f"high{name}": found.high,
        f"censored{name}": found.censored,
    }


def _column(found: Sequence[Found], name: str, dimension: str) -> dict:
    return {
        f"threshold_at_{name}": (dimension, [one.value for one in found]),
        f"low_at_{name}": (dimension, [one.low for one in found]),
        f"high_at_{name}": (dimension, [one.high for one in found]),
        f"censored_at_{name}": (dimension, [one.censored for one in found]),
    }


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge how far the threshold is below D, that the draw of the plane hardly matters, and that its radius does.

    The shift with the radius is that between the largest and the smallest factor, relative to the threshold at factor
    1; it is undefined without a scan.
    """
    dataset = results["sections"]
    at = dataset["threshold_at_radius"]
    shift = ((at.isel(factor=-1) - at.isel(factor=0)) / at.sel(factor=1)).where(at.sizes["factor"] > 1)
    parts = [
        part("1 - threshold / D", (1 - dataset["threshold"] / dataset["dim"]).values, LOW),
        part("variance of log loss explained by d", dataset["explained"].values, DRAW),
        part("shift of the threshold with the radius", shift.values, RADIUS),
    ]
    return combine(parts, dataset)
