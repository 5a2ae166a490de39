"""tunnels: optima are walled off on the straight line and joined by a low-loss tunnel that chance does not find."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import spawn
from nwedge.claims._ends import Ends, ends, training
from nwedge.claims._sampling import sampled
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Run
from nwedge.geometry import Bezier, Path
from nwedge.landscape import Landscape, Predictive, evaluate
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.alignment import align, alignable
from nwedge.methods.tunnels import METHODS, barrier, connect, excess, random_bends
from nwedge.specs.configs import TunnelsConfig

WALL = Threshold(0.05, "a wall of a twentieth of the loss that training removes is the smallest of interest")
TUNNEL = Threshold(0.5, "a tunnel is of interest from where it removes half of the wall")
CHANCE = Threshold(0.5, "a tunnel is hard to hit from where it is half as high as the best of the random bends")

LINE, ALIGNED = "line", "aligned"
PATHS = (LINE, *METHODS, ALIGNED)
ZERO = 1e-3
"""Coordinates below this (in units of the toy's scale) count as zeroed."""


def measure(landscape: Landscape, runs: Sequence[Run], config: TunnelsConfig, generator: Generator) -> xr.Dataset:
    """The loss on the straight line, on three kinds of tunnel and on random bends of the whole-path tunnel's length.

    Where hidden units can be matched, "aligned" is the straight line to the second optimum with its units in the order
    closest to the first's: what is left of the wall there lies between different solutions, not between copies of one.
    Where the two optima coincide only the line is measured, and the rest is NaN.
    """
    pair = ends(runs)
    find, chance = spawn(generator, 2)
    match, draw = spawn(generator, 2)
    see, hold = spawn(generator, 2)
    view = sampled(landscape, config.path_examples, see)
    curves = {LINE: Path(torch.stack([pair.a, pair.b]))}
    bends = torch.full((config.bends,), torch.nan)
    if not pair.coincide:
        curves |= _tunnels(landscape, pair, config, find)
        bends = _random_bends(landscape, pair, curves["sheet"].length(), config, chance, draw)
        if alignable(landscape):
            curves[ALIGNED] = Path(torch.stack([pair.a, align(landscape, pair.a, pair.b, generator=match)]))
    t = torch.linspace(0, 1, config.points, dtype=landscape.dtype, device=landscape.device)[:, None]
    along = {
        name: torch.stack(
            [
                function(curves[path].embed(t)) if path in curves else torch.full_like(t[:, 0], torch.nan)
                for path in PATHS
            ]
        )
        for name, function in _functions(view, _held_out(landscape, config, hold)).items()
    }
    return xr.Dataset(
        {
            **{name: (("path", "t"), values.cpu().numpy()) for name, values in along.items()},
            "barrier": ("path", _barriers(landscape, view, pair, curves, t, along["loss"]).cpu().numpy()),
            "bend_barrier": ("bend", bends.cpu().numpy()),
            "length": (
                "path",
                [
                    curves[path].length() / pair.separation if path in curves and not pair.coincide else np.nan
                    for path in PATHS
                ],
                {"units": "|b - a|"},
            ),
            "separation": pair.separation,
            "coincide": pair.coincide,
            **training(runs),
            **_zeroed(landscape, curves),
        },
        coords={"path": list(PATHS), "t": t[:, 0].cpu().numpy()},
    )


def _tunnels(landscape: Landscape, pair: Ends, config: TunnelsConfig, generator: Generator) -> dict[str, Path | Bezier]:
    """The tunnel of each method."""

    def found(method: str, stream: Generator) -> Path | Bezier:
        pointwise = method == "pointwise"
        return connect(
            landscape,
            pair.a,
            pair.b,
            method=method,
            bends=config.interior if pointwise else 1,
            steps=config.pointwise_steps if pointwise else config.steps,
            rate=config.rate,
            samples=config.samples,
            generator=stream,
        )

    streams = spawn(generator, len(METHODS))
    return {method: found(method, stream) for method, stream in zip(METHODS, streams, strict=True)}


def _random_bends(
    landscape: Landscape, pair: Ends, length: float, config: TunnelsConfig, directions: Generator, examples: Generator
) -> Tensor:
    """The barriers of random bends, each on examples of its own where all of them would cost too much."""

    def barriers(view: Landscape, count: int) -> Tensor:
        return random_bends(
            view, pair.a, pair.b, length=length, count=count, points=config.bend_points, generator=directions
        )

    if sampled(landscape, config.examples, examples) is landscape:
        return barriers(landscape, config.bends)
    return torch.cat([barriers(sampled(landscape, config.examples, examples), 1) for _ in range(config.bends)])


def _held_out(landscape: Landscape, config: TunnelsConfig, generator: Generator) -> Landscape:
    """The data that paths are classified on beside those of training: held-out ones or, without any, all."""
    data = landscape.held_out if isinstance(landscape, Predictive) else None
    return sampled(data or landscape, config.path_examples, generator)


def _barriers(
    landscape: Landscape,
    view: Landscape,
    pair: Ends,
    curves: Mapping[str, Path | Bezier],
    t: Tensor,
    losses: Tensor,
) -> Float[Tensor, " path"]:
    """The barrier of each path; where losses were seen on some of the data, its highest point is seen again on all.

    All paths have one loss at their ends: the aligned line ends at a copy of the second optimum.
    """
    if view is landscape:
        return barrier(losses)
    known = [row for row, path in enumerate(PATHS) if path in curves]
    tops = excess(losses[known]).argmax(1)
    points = [curves[PATHS[row]].embed(t[[top]]) for row, top in zip(known, tops.tolist(), strict=True)]
    first, last, *highest = evaluate(landscape, torch.cat([torch.stack([pair.a, pair.b]), *points]))
    found = torch.full_like(losses[:, 0], torch.nan)
    found[known] = torch.stack(highest) - torch.lerp(first, last, t[tops, 0])
    return found


def _functions(landscape: Landscape, held_out: Landscape) -> dict[str, Callable[[Tensor], Tensor]]:
    """What is taken along each path: the loss, and what else the landscape can say of a point."""
    functions: dict[str, Callable[[Tensor], Tensor]] = {"loss": lambda points: evaluate(landscape, points)}
    if isinstance(landscape, Predictive) and isinstance(held_out, Predictive):
        functions |= {
            "accuracy": landscape.accuracy,
            "held_out_loss": lambda points: evaluate(held_out, points),
            "held_out_accuracy": held_out.accuracy,
        }
    if isinstance(landscape, WedgeLandscape):
        functions["distance"] = landscape.distance
    return functions


def _zeroed(landscape: Landscape, curves: Mapping[str, Path | Bezier]) -> dict[str, tuple[str, list[float]]]:
    """For axis-aligned wedges, how many coordinates are zero at the middle of each path."""
    if not isinstance(landscape, WedgeLandscape) or landscape.oriented != "axes":
        return {}
    middle = torch.full((1, 1), 0.5, dtype=landscape.dtype, device=landscape.device)

    def count(path: str) -> float:
        if path not in curves:
            return np.nan
        return float((curves[path].embed(middle).abs() < ZERO * landscape.scale).sum())

    return {"zeroed": ("path", [count(path) for path in PATHS])}


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge the wall on the line, the whole-path tunnel against the line, and against the best of the random bends.

    The drop of training, the unit of the wall, is taken on the examples on which its kept points were judged.
    Optima that coincide have no wall and no tunnel: their seeds count as 0 in each part.
    """
    dataset = results["tunnels"]
    line, sheet = (dataset["barrier"].sel(path=path) for path in (LINE, "sheet"))
    drop = (dataset["initial_loss"] - dataset["final_loss"]).mean("run", skipna=False)
    best = dataset["bend_barrier"].min("bend", skipna=False)
    parts = [
        part(name, ratio.where(~dataset["coincide"], 0.0).values, threshold)
        for name, ratio, threshold in (
            ("wall on the line / drop of training", line / drop.where(drop > 0), WALL),
            ("1 - tunnel / line", 1 - sheet / line.where(line > 0), TUNNEL),
            ("1 - tunnel / best random bend", 1 - sheet / best.where(best > 0), CHANCE),
        )
    ]
    return combine(parts, dataset)
