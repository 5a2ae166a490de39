"""short-directions: they multiply toward the middle of a tunnel and with m, and shrink with the learning rate."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import normal, spawn
from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims.judging import TRAINED, Part, Threshold, Verdict, combine, part, resolved
from nwedge.claims.runs import Run, Runs
from nwedge.claims.sheets import SpannedOptima
from nwedge.landscape import Landscape, evaluate
from nwedge.landscapes.theory import meeting_short_directions
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.curvature import ShortDirections, short_directions
from nwedge.specs.configs import ShortDirectionsConfig
from nwedge.specs.tasks import RATE

MIDDLE = Threshold(0.25, "a quarter more short directions in the middle than at the ends is the smallest growth of use")
SIZE = Threshold(0.25, "the slope of log count on log m is 1 where wedges meet; a quarter is the smallest of interest")
SHRINK = Threshold(0.1, "FJ19's counts fall with the power .54 of the rate; a tenth is the smallest of interest")

TUNNEL = 2
"""The optima of the sheet that is the whole-path tunnel."""
LEAST = 0.5
"""Counts below it are taken for none."""
BALL = 32
"""Points at which the loss in the ball is looked at."""
CONTAINS = 0.01
"""Wedges within this distance contain a point."""

Count = Callable[[Tensor, float], ShortDirections]


def measure(landscape: Landscape, runs: Runs, config: ShortDirectionsConfig, generator: Generator) -> xr.Dataset:
    """How many short directions there are along a tunnel, at the centres of sheets, and at optima of several rates.

    Counts are of the Hessian averaged over a ball of one relative radius, with standard errors; at the centres also, if
    asked for, of the literal Hessian (radius 0). On wedges the sizes of the union of the optima's short sets, of the
    stratum (the union over all wedges that contain the centre) and the predicted one stand beside. Where the optima
    coincide there is no tunnel, and the counts along it and at the centres are NaN.
    """
    see, ball, look = spawn(generator, 3)
    view = sampled(landscape, config.examples, see)
    count = _counter(view, config, look)
    sizes = (1, *config.m)
    optimum = runs[0].optimum
    spanned = {m: runs.sheets[m] for m in config.m if m in runs.sheets}
    trained = {m: one.trained for m, one in spanned.items() if one.trained is not None}
    centres = {1: optimum, **{m: sheet.center for m, sheet in trained.items()}}
    tunnel = trained.get(TUNNEL)
    positions = torch.tensor(config.positions, dtype=landscape.dtype, device=landscape.device)[:, None]
    along = dict(enumerate(tunnel.embed(positions))) if tunnel is not None else {}
    rates = sorted(runs.of(RATE), key=lambda run: run.spec.lr)
    at_rates = {row: run.optimum for row, run in enumerate(rates)}
    noise = normal((BALL, landscape.dim), ball, dtype=landscape.dtype, device=landscape.device)
    sigma = config.radius * optimum.square().mean().sqrt()
    coincide = any(one.trained is None for one in spanned.values())
    return xr.Dataset(
        {
            **_counts("tunnel", "t", count, along, range(len(config.positions)), config),
            **_counts("center", "m", count, centres, sizes, config),
            **(_literal(count, centres, sizes, config) if config.literal else {}),
            **(_counts("rate", "rate", count, at_rates, range(len(rates)), config) if rates else {}),
            **({"comparable": ("rate", _comparable(rates))} if rates else {}),
            "tunnel_loss": ("t", _losses(view, along, range(len(config.positions)))),
            "center_loss": ("m", _losses(view, centres, sizes)),
            "top_eigenvalue": _top(count(optimum, config.radius)),
            "optimum_loss": float(evaluate(view, optimum[None])),
            "ball_loss": float(evaluate(view, optimum + sigma * noise).mean()),
            "coincide": coincide,
            **_wedges(landscape, spanned, centres, sizes),
            **training(runs),
        },
        coords={
            "threshold": list(config.thresholds),
            "t": list(config.positions),
            "m": list(sizes),
            **({"rate": [run.spec.lr for run in rates]} if rates else {}),
        },
        attrs={"radius": config.radius},
    )


def _counter(landscape: Landscape, config: ShortDirectionsConfig, generator: Generator) -> Count:
    """A function that counts at a point, once for each point and radius, with the same draws everywhere."""
    known: dict[tuple[bytes, float], ShortDirections] = {}

    def count(point: Tensor, radius: float) -> ShortDirections:
        key = point.cpu().numpy().tobytes(), radius
        if key not in known:
            known[key] = short_directions(
                landscape,
                point,
                config.thresholds,
                radius=radius,
                probes=config.probes,
                steps=config.steps,
                generator=generator.clone_state(),
            )
        return known[key]

    return count


def _counts(
    name: str,
    dimension: str,
    count: Count,
    points: Mapping[int, Tensor],
    places: Sequence[int],
    config: ShortDirectionsConfig,
) -> dict[str, tuple]:
    """The counts at each place of a dimension and their standard errors, NaN where there is no point."""

    def values(of: Callable[[ShortDirections], Tensor]) -> np.ndarray:
        return _column(lambda point: of(count(point, config.radius)), points, places, len(config.thresholds))

    dims = ("threshold", dimension)
    return {
        f"{name}_count": (dims, values(lambda found: found.counts)),
        f"{name}_error": (dims, values(lambda found: found.standard_errors), {"meaning": "standard error"}),
    }


def _literal(
    count: Count, centres: Mapping[int, Tensor], sizes: Sequence[int], config: ShortDirectionsConfig
) -> dict[str, tuple]:
    """The counts of the Hessian without a ball at the centres, and their standard errors."""
    return _counts("literal", "m", count, centres, sizes, dataclasses.replace(config, radius=0.0))


def _column(
    function: Callable[[Tensor], Tensor], points: Mapping[int, Tensor], places: Sequence[int], length: int
) -> Float[np.ndarray, "threshold place"]:
    found = np.full((length, len(places)), np.nan)
    for column, place in enumerate(places):
        if place in points:
            found[:, column] = function(points[place]).cpu().numpy()
    return found


def _losses(landscape: Landscape, points: Mapping[int, Tensor], places: Sequence[int]) -> np.ndarray:
    """The loss at each place, with which the curvature of a cross-entropy goes; NaN where there is no point."""
    return _column(lambda point: evaluate(landscape, point[None]), points, places, 1)[0]


def _comparable(rates: list[Run]) -> np.ndarray:
    """Which runs of the sweep are trained; the last rate is deliberately too high."""
    return np.array([run.loss[-1] <= TRAINED * run.loss[0] and run is not rates[-1] for run in rates], dtype=bool)


def _top(found: ShortDirections) -> float:
    return float(found.top[0]) if len(found.top) else np.nan


def _wedges(
    landscape: Landscape, spanned: Mapping[int, SpannedOptima], centres: Mapping[int, Tensor], sizes: tuple[int, ...]
) -> dict[str, tuple]:
    """On axis-aligned wedges with one s: the union of the optima's short sets, the stratum, and what is predicted."""
    if not isinstance(landscape, WedgeLandscape) or landscape.oriented != "axes":
        return {}
    found = {name: np.full(len(sizes), np.nan) for name in ("union", "stratum", "predicted", "looked_at")}
    for column, m in enumerate(sizes):
        if m not in centres:
            continue
        optima = spanned[m].optima if m in spanned else centres[m][None]
        found["union"][column] = len(_axes(landscape.nearest(optima)))
        found["looked_at"][column] = spanned[m].looked_at if m in spanned else 1
        if isinstance(landscape.short, int):
            found["predicted"][column] = meeting_short_directions(landscape.dim, landscape.short, m)
        if landscape.axes is not None:
            meet = landscape.containing(centres[m][None], CONTAINS)[0]
            found["stratum"][column] = len(_axes(landscape.axes[meet]))
    return {name: ("m", values) for name, values in found.items()}


def _axes(sets: Tensor) -> Tensor:
    """The different axes in some sets, without their padding."""
    return torch.unique(sets[sets >= 0])


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge the growth toward the middle and with m, and the shrinking with the learning rate where rates were varied.

    A count whose standard error is above half of it is not resolved. Only thresholds take part at which every seed and
    place is: growth is that at the threshold of these where it is least, among those with short directions at the ends
    (m = 1), the slope on the rate that at the lowest of them. Seeds whose optima coincide have no tunnel and no sheet:
    they count as 0.
    """
    dataset = results["short-directions"]
    apart = ~dataset["coincide"]
    along, centres = (_known(dataset, name).where(apart) for name in ("tunnel", "center"))
    ends, middle = along.sel(t=[0.0, 1.0]).mean("t", skipna=False), along.sel(t=0.5)
    growth = _least(middle / ends.where(ends >= LEAST) - 1, apart)
    slopes = _least(_slope(centres, "m"), apart)
    parts: list[Part] = [
        part("count in the middle / at the ends - 1", growth.where(apart, 0.0).values, MIDDLE),
        part("slope of log count on log m", slopes.where(apart, 0.0).values, SIZE),
    ]
    left_out: list[str] = []
    if "rate_count" in dataset:
        shrink = -_slope(_lowest(dataset), "rate")
        parts.append(part("- slope of log count on log rate", shrink.values, SHRINK))
    else:
        reason = "all wedges have the same s" if "predicted" in dataset else "it is not varied here"
        left_out.append(f"the learning rate is left out: {reason}")
    return combine(parts, dataset, left_out=left_out)


def _lowest(dataset: xr.Dataset) -> xr.DataArray:
    """The counts of the comparable rates at the lowest threshold at which all of them are resolved, else NaN."""
    judged = dataset["rate_count"].where(dataset["comparable"])
    known = resolved(judged, dataset["rate_error"])
    complete = (known.notnull() | ~dataset["comparable"]).all(["rate", "seed"]).values
    return known.isel(threshold=int(complete.argmax())).where(bool(complete.any()))


def _known(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """The counts at the thresholds at which those of all seeds and places are resolved; NaN at the others.

    Where there is no point, there is no count to resolve.
    """
    count = dataset[f"{name}_count"]
    lost = count.notnull() & resolved(count, dataset[f"{name}_error"]).isnull()
    return count.where(~lost.any([dim for dim in count.dims if dim != "threshold"]))


def _least(values: xr.DataArray, apart: xr.DataArray) -> xr.DataArray:
    """The least over the thresholds at which every seed with a tunnel has a value, the same for all of them."""
    return values.where((values.notnull() | ~apart).all("seed")).min("threshold", skipna=True)


def _slope(count: xr.DataArray, dimension: str) -> xr.DataArray:
    """The least-squares slope of log count on the log of a coordinate; NaN for counts of none or fewer than two."""
    logs = xr.apply_ufunc(np.log, count.where(count >= LEAST))
    places = xr.apply_ufunc(np.log, count[dimension]).where(logs.notnull())
    away = places - places.mean(dimension)
    squares = np.square(away).sum(dimension)
    return (away * logs).sum(dimension) / squares.where(squares > 0)
