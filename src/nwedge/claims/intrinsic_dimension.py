"""intrinsic-dimension: the number of short directions matches the dimension from which random planes succeed."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from torch import Generator

from nwedge._random import draw_seeds, spawn
from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims._search import Search, at_random
from nwedge.claims.judging import Threshold, Verdict, combine, part, resolved
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import Landscape
from nwedge.methods.curvature import short_directions
from nwedge.specs.configs import IntrinsicDimensionConfig
from nwedge.specs.tasks import SIZE

RATIO = Threshold(0.5, "two numbers within a factor of two of each other match")
SLOPE = Threshold(0.5, "half of the slope 1 of two numbers that match everywhere is the smallest trend of interest")
FEWEST = 4
"""Settings with a positive count from which a slope is taken."""

COLUMNS = ("count", "count_error", "threshold", "low", "high", "censored", "level")


def measure(landscape: Landscape, runs: Runs, config: IntrinsicDimensionConfig, generator: Generator) -> xr.Dataset:
    """The count of short directions at the optimum, and the threshold of random planes, of each further network.

    Those of the landscape itself are in the results of `sections` and `short-directions`, which the verdict reads. The
    level of success is the same share of each network's own mean initial loss.
    """
    others = runs.of(SIZE)
    rows = [_sized(run, config, stream) for run, stream in zip(others, spawn(generator, len(others)), strict=True)]
    return xr.Dataset(
        {
            **{name: ("size", np.array([row[name] for row in rows], dtype=float)) for name in COLUMNS},
            "curvature": ((), config.threshold, {"meaning": "above which a direction counts as short"}),
            "ball": ((), config.radius, {"meaning": "relative radius of the ball that the Hessian is averaged over"}),
            "level_share": ((), config.search.level, {"meaning": "the level / the mean loss of initial points"}),
            **training([*runs, *others]),
        },
        coords={"size": np.array([_label(run) for run in others], dtype=str)},
    )


def _sized(run: Run, config: IntrinsicDimensionConfig, generator: Generator) -> dict[str, float]:
    """The count and the threshold of one network."""
    few, ball, draw, planes = spawn(generator, 4)
    counted = short_directions(
        sampled(run.landscape, config.examples, few),
        run.optimum,
        [config.threshold],
        radius=config.radius,
        probes=config.probes,
        steps=config.steps,
        generator=ball,
    )
    judge = sampled(run.landscape, config.search.examples, few)
    level = config.search.level * at_random(judge, draw)[0]
    search = Search(run.landscape, judge, config.search, draw_seeds(planes, 1)[0])
    found = search.find(level, guess=run.landscape.dim**0.5)
    return {
        "count": counted.counts.item(),
        "count_error": counted.standard_errors.item(),
        "threshold": found.value,
        "low": found.low,
        "high": found.high,
        "censored": found.censored,
        "level": level,
    }


def _label(run: Run) -> str:
    examples = getattr(run.place, "examples", None)
    return f"width {getattr(run.place, 'width', 1):g}, {examples or 'all'} examples"


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge how near count and threshold are on the landscape itself, and their slope over it and further networks.

    The ratio is min / max, 0 where one of them is 0; a count that is not resolved is undefined. The slope of log
    threshold on log count, by least squares in each seed, exists where at least 4 settings have a positive count in
    every seed; elsewhere it is left out and the sentence says so.
    """
    dataset = results["intrinsic-dimension"]
    d, count = own(results)
    parts = [part("min / max of threshold and count", ratio(d, count), RATIO)]
    every_d = np.column_stack([d, dataset["threshold"].transpose("seed", "size").values])
    further = resolved(dataset["count"], dataset["count_error"])
    every_count = np.column_stack([count, further.transpose("seed", "size").values])
    counted = ~(every_count <= 0).any(0)
    if counted.sum() >= FEWEST:
        slopes = slope(np.log(every_count[:, counted]), np.log(every_d[:, counted]))
        return combine([*parts, part("slope of log threshold on log count", slopes, SLOPE)], dataset)
    reason = f"the slope is left out: {counted.sum()} settings have a positive count, and it takes {FEWEST}"
    return combine(parts, dataset, left_out=[reason])


def own(results: Mapping[str, xr.Dataset]) -> tuple[np.ndarray, np.ndarray]:
    """The threshold and the count of short directions at the optimum of the landscape itself, both of shape (seed,).

    Raises:
        ValueError: the short directions were not counted at the curvature of this claim.
    """
    short, seeds = results["short-directions"], results["intrinsic-dimension"]["seed"]
    counts = resolved(short["center_count"], short["center_error"])
    curvature = results["intrinsic-dimension"]["curvature"].values[0]
    near = np.isclose(counts["threshold"].values, curvature, rtol=1e-9, atol=0)
    if not near.any():
        raise ValueError(
            f"intrinsic-dimension needs the count of short directions above {curvature:g}; short-directions counted "
            f"above {', '.join(f'{one:g}' for one in counts['threshold'].values)}: add {curvature:g} to its thresholds"
        )
    count = counts.isel(threshold=int(near.argmax())).sel(m=1, seed=seeds)
    return results["sections"]["threshold"].sel(seed=seeds).values, count.values


def ratio(d: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The smaller over the larger of two numbers at least 0: 0 where one is 0, NaN where one is undefined."""
    low, high = np.minimum(d, count), np.maximum(d, count)
    return np.divide(low, high, out=np.where(np.isnan(high), np.nan, 0.0), where=high > 0)


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The slope of y on x in each row by least squares, shape (rows,); NaN where x does not vary."""
    centred = x - x.mean(1, keepdims=True)
    squares = np.square(centred).sum(1)
    return np.divide((centred * y).sum(1), squares, out=np.full(len(x), np.nan), where=squares > 0)
