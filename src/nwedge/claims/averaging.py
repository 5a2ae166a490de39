"""averaging: averaging weights works within a wedge and fails across wedges."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge.claims._cycles import cyclical_runs, last_ends, stable
from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Runs
from nwedge.landscape import Landscape, Predictive, evaluate
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.ensembling import RunningAverage, angles, running_scores
from nwedge.methods.stability import edge_of_stability
from nwedge.specs.configs import AveragingConfig

BREAK = 0.05
"""The excess, as a share of the loss that there was to train away, from which an average is broken."""
WITHIN = Threshold(1 - BREAK, "averaging works where it costs less than a twentieth of what training removes")
ACROSS = Threshold(BREAK, "averaging fails where it costs more than a twentieth of what training removes")
EDGE = Threshold(0.5, "the rate at which averaging breaks is predicted where it is met within a factor 2")


def measure(landscape: Landscape, runs: Runs, config: AveragingConfig, generator: Generator) -> xr.Dataset:
    """The ends of the last cycles at each maximal rate: alone, their weight average and their prediction average.

    At 1, 2, ... snapshots: the losses of the running weight average and of the snapshots alone (their mean so far), on
    the same examples of the data that the runs were trained on, without the noise of their minibatches; accuracies and
    distances to the nearest wedge, where the landscape knows them.

    excess = (loss of the average of all - mean loss of the snapshots) / first loss, cut to [0, 1]: a share of what
    there was to train away. With it the rate from which averaging breaks, and the edge of stability 2 / lambda at the
    last snapshot of the lowest rate, lambda the largest curvature there plus the weight decay.

    Raises:
        ValueError: fewer than two maximal rates, or fewer cycles than snapshots.
    """
    cycles = cyclical_runs(runs)
    if len(cycles) < 2:
        raise ValueError(f"averages are compared between maximal rates, at least 2; got {len(cycles)}")
    seen = sampled(cycles[0].landscape, config.examples, generator)
    other = landscape.held_out if isinstance(landscape, Predictive) else None
    held_out = sampled(landscape if other is None else other, config.examples, generator)
    points = torch.stack([last_ends(run, config.snapshots) for run in cycles])
    averages = torch.stack([_running(own) for own in points])
    rates = np.array([run.spec.lr for run in cycles])
    loss, alone = _each(seen, averages), _each(seen, points)
    trained = stable(cycles, config.snapshots)
    excess = ((loss[:, -1] - alone.mean(1)) / float(cycles[0].loss[0])).clip(0, 1)
    curvature = 2 / edge_of_stability(seen, points[0, -1]) + cycles[0].spec.weight_decay
    counted = ("rate", "count")
    return xr.Dataset(
        {
            "loss": (counted, loss),
            "single_loss": (counted, _so_far(alone)),
            "snapshot_loss": (("rate", "snapshot"), alone),
            "stable": ("rate", trained),
            "excess": ("rate", excess, {"units": "initial loss", "broken": BREAK}),
            "angle": ("rate", angles(points).mean(1).cpu().numpy(), {"units": "degrees"}),
            "lambda": curvature,
            "edge": 2 / curvature if curvature > 0 else np.inf,
            "breaks": breaks(rates[trained], excess[trained]),
            **{name: (counted, values) for name, values in _accuracies(seen, held_out, points).items()},
            **_wedges(landscape, points, averages),
            **training(cycles[:1]),
        },
        coords={"rate": rates, "count": np.arange(1, config.snapshots + 1)},
    )


def breaks(rates: Float[np.ndarray, " rate"], excess: Float[np.ndarray, " rate"]) -> float:
    """The rate at which the excess first reaches `BREAK`, interpolated in the logarithm of the rate.

    Args:
        rates: the stable ones in increasing order.
        excess: of the average of all snapshots at each.

    Returns:
        The rate; NaN where the excess reaches `BREAK` at no stable rate, or at the lowest one already.
    """
    broken = np.flatnonzero(excess >= BREAK)
    if len(broken) == 0 or broken[0] == 0:
        return np.nan
    pair = slice(broken[0] - 1, broken[0] + 1)
    return float(np.exp(np.interp(BREAK, excess[pair], np.log(rates[pair]))))


def _running(points: Float[Tensor, "count dim"]) -> Float[Tensor, "count dim"]:
    """The average of the first point, of the first two, ..., of all."""
    average, found = RunningAverage(), []
    for point in points:
        average.update(point)
        found.append(average.average)
    return torch.stack(found)


def _each(landscape: Landscape, points: Float[Tensor, "rate count dim"]) -> Float[np.ndarray, "rate count"]:
    """The loss of each point."""
    return evaluate(landscape, points.flatten(0, 1)).view(points.shape[:2]).double().cpu().numpy()


def _so_far(values: Float[np.ndarray, "rate count"]) -> Float[np.ndarray, "rate count"]:
    """The mean of the first value, of the first two, ..., of all."""
    return values.cumsum(1) / np.arange(1, values.shape[1] + 1)


def _accuracies(seen: Landscape, held_out: Landscape, points: Tensor) -> dict[str, np.ndarray]:
    """Of classifiers: accuracies of weight average, prediction ensemble and snapshots, on seen and held-out data."""
    if not isinstance(held_out, Predictive) or not isinstance(seen, Predictive):
        return {}
    found: dict[str, np.ndarray] = {}
    for prefix, view in (("", seen), ("held_out_", held_out)):
        scores = [running_scores(view, own) for own in points]
        averages, ensembles, single = (
            np.array([[float(getattr(one, what).accuracy.mean()) for one in row] for row in scores])
            for what in ("average", "ensemble", "single")
        )
        found[f"{prefix}accuracy"] = averages
        found[f"{prefix}ensemble_accuracy"] = ensembles
        found[f"{prefix}single_accuracy"] = single
    return found


def _wedges(landscape: Landscape, points: Tensor, averages: Tensor) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Of wedge models: distances to the nearest wedge, and on how many wedges the snapshots of each rate sit."""
    if not isinstance(landscape, WedgeLandscape):
        return {}

    def distances(of: Tensor) -> np.ndarray:
        return landscape.distance(of.flatten(0, 1)).view(of.shape[:2]).double().cpu().numpy()

    counted = ("rate", "count")
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "distance": (counted, distances(averages)),
        "single_distance": (counted, _so_far(distances(points))),
    }
    if landscape.wedges is not None:
        nearest = [landscape.nearest_wedge(own) for own in points]
        found["wedges"] = (("rate",), np.array([len(one.unique()) for one in nearest]))
    return found


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge that averaging works at the lowest rate, that it breaks, and that it does so at the edge of stability.

    It breaks if it does at the highest stable rate; seeds without a stable rate above the lowest have no such rate.
    Where averages never break, the rate at which they do is undefined.
    """
    dataset = results["averaging"].sortby("rate")
    above = dataset.isel(rate=slice(1, None))
    highest = above["rate"].where(above["stable"]).max("rate")
    broken, edge = dataset["breaks"].values, dataset["edge"].values
    parts = [
        part("1 - excess of the average at the lowest rate", 1 - dataset["excess"].isel(rate=0).values, WITHIN),
        part(
            "excess of the average at the highest stable rate",
            above["excess"].where(above["rate"] == highest).max("rate").values,
            ACROSS,
        ),
        part(
            "the rate at which averaging breaks and the edge of stability, smaller / larger",
            np.minimum(broken, edge) / np.maximum(broken, edge),
            EDGE,
        ),
    ]
    return combine(parts, dataset)
