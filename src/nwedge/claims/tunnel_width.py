"""tunnel-width: a higher learning rate, a smaller batch, more L2 and more dropout widen the radial tunnel."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import spawn
from nwedge.claims._ends import training
from nwedge.claims._sampling import sampled
from nwedge.claims._search import at_random
from nwedge.claims.judging import Part, Threshold, Verdict, combine, interval, part
from nwedge.claims.runs import Run, Runs
from nwedge.landscape import Landscape
from nwedge.methods.probes import radial_width
from nwedge.specs.configs import TunnelWidthConfig
from nwedge.specs.tasks import BATCH, DECAY, DROPOUT, RATE, WIDTH

WIDER = Threshold(
    0.02, "FJ19's smallest published effect, dropout, is 5 %; below 2 % across the whole sweep it is of no interest"
)
COLLAPSE = Threshold(0.5, "curves collapse where rescaling removes half of the variance between them")

NAMES = {RATE: "learning rate", BATCH: "batch size", DECAY: "weight decay", DROPOUT: "dropout", WIDTH: "layer width"}
"""The sweeps, and what differs in each."""
OF_NETWORKS = (BATCH, DROPOUT, WIDTH)
"""The sweeps of what a wedge model does not have."""
MATCHED = (RATE, BATCH, DROPOUT)
"""The sweeps whose levels are compared at equal radius and equal loss."""

ANGLES, HALVINGS = 9, 6
"""Of the search for a width: a grid of 10 degrees, and bisections down to 0.16."""
CLEAR = 0.9
"""The largest share of the level at which levels are compared: nearer to it the width hangs on the examples seen."""
PLACES = 20
"""Radii of the common range at which the curves of networks of several widths are compared."""
SHUFFLES = 200
"""Of the levels, in the control."""

Curves = Float[np.ndarray, "level snapshot"]


def measure(landscape: Landscape, runs: Runs, config: TunnelWidthConfig, generator: Generator) -> xr.Dataset:
    """The angular width of the radial tunnel along every run of the sweeps, at one absolute loss level for all.

    Levels are ordered from the weakest to the strongest; the last one is deliberately too strong, but for the width of
    the layers. All runs see the same random directions and, of the same data, the same examples.

    Raises:
        ValueError: runs of no sweep.
    """
    sweeps = {role: _ordered(role, runs) for role in NAMES if runs.of(role)}
    if not sweeps:
        raise ValueError(f"the width of tunnels needs runs of a sweep; got none of {', '.join(NAMES)}")
    start, see, turn = spawn(generator, 3)
    view = sampled(landscape, config.examples, see.clone_state())
    level = config.level * at_random(view, start)[0]
    shape = (len(sweeps), max(map(len, sweeps.values())), config.snapshots)
    found = {name: np.full(shape, np.nan) for name in ("width", "standard_error", "radius", "loss", "step")}
    found |= {name: np.zeros(shape, dtype=int) for name in ("censored", "undefined")}
    value, too_strong = np.full(shape[:2], np.nan), np.zeros(shape[:2], dtype=bool)
    for row, (role, members) in enumerate(sweeps.items()):
        too_strong[row, len(members) - 1] = role != WIDTH
        for column, run in enumerate(members):
            value[row, column] = _value(role, run)
            for name, values in _along(run, level, config, see.clone_state(), turn.clone_state()).items():
                found[name][row, column, config.snapshots - len(values) :] = values
    along = ("sweep", "level", "snapshot")
    units = {"width": {"units": "degrees"}, "standard_error": {"units": "degrees"}}
    return xr.Dataset(
        {
            "loss_level": level,
            "value": (("sweep", "level"), value),
            "too_strong": (("sweep", "level"), too_strong),
            **{name: (along, values, units.get(name, {})) for name, values in found.items()},
            **training(runs),
        },
        coords={"sweep": list(sweeps)},
        attrs={"directions": config.directions},
    )


def _ordered(role: str, runs: Runs) -> list[Run]:
    """The runs of a sweep from the weakest to the strongest, or from the narrowest to the widest."""
    sign = -1 if role == BATCH else 1
    return sorted(runs.of(role), key=lambda run: sign * _value(role, run))


def _value(role: str, run: Run) -> float:
    """What differs between the runs of a sweep."""
    if role in (RATE, DECAY):
        return run.spec.lr if role == RATE else run.spec.weight_decay
    return float(getattr(run.place, {BATCH: "batch_size", DROPOUT: "dropout", WIDTH: "width"}[role]))


def _along(run: Run, level: float, config: TunnelWidthConfig, see: Generator, turn: Generator) -> dict[str, np.ndarray]:
    """The last snapshots of a run: widths in degrees, radii, losses, steps, and how many directions have no width."""
    last = slice(-config.snapshots, None)
    points, loss = run.points[last], run.loss[last]
    radius = points.norm(dim=1)
    turns = radius > 0
    view = sampled(run.landscape, config.examples, see)
    seen = radial_width(
        view, points[turns], level, directions=config.directions, generator=turn, steps=ANGLES, halvings=HALVINGS
    )

    def spread(values: Tensor) -> np.ndarray:
        """One value per snapshot; NaN at the origin, where nothing turns."""
        whole = torch.full((len(turns),), torch.nan, dtype=torch.float64, device=turns.device)
        whole[turns] = values.double()
        return whole.cpu().numpy()

    return {
        "width": spread(seen.mean.rad2deg()),
        "standard_error": spread(seen.standard_error.rad2deg()),
        "radius": radius.double().cpu().numpy(),
        "loss": loss,
        "step": run.step[last].astype(float),
        "censored": np.nan_to_num(spread(seen.censored.sum(1)), nan=0).astype(int),
        "undefined": np.nan_to_num(spread(seen.angles.isnan().sum(1)), nan=config.directions).astype(int),
    }


def trend(role: str, width: Curves, radius: Curves, loss: Curves, loss_level: float) -> float:
    """The relative widening from the weakest to the strongest level: slope over ranks * (levels - 1) / mean width.

    Learning rate, batch size and dropout are compared at equal radius R and loss L: the slope is that of the regression
    of the width on 1, log R, log(l - L) and the rank of the level, over all snapshots whose loss is at most 0.9 of the
    level l at which widths are taken. (The wedge model has sin(width) ~ sqrt(l - L) / R.) Weight decay acts through R,
    so it is compared at equal loss alone, at the end of training: in the place of each width stands the sine that it
    has at loss 0 by the model's sin(width) ~ sqrt(l - L). NaN where a level has no width.

    Args:
        role: of the sweep.
        width: in degrees, shape (level, snapshot), levels in increasing strength.
        radius: of the points.
        loss: of the points.
        loss_level: l.
    """
    if len(width) < 2:
        return np.nan
    rank = np.arange(len(width), dtype=float)[:, None]
    if role in MATCHED:
        known = np.isfinite(width) & (loss <= CLEAR * loss_level)
        if not known.any(1).all():
            return np.nan
        rest = loss_level - np.where(known, loss, 0.0)
        terms = [np.ones_like(width), np.log(radius), np.log(rest), np.broadcast_to(rank, width.shape)]
        design, observed = np.stack([term[known] for term in terms], axis=1), width[known]
    else:
        observed = _at_end(width, loss, loss_level)
        design = np.concatenate([np.ones_like(rank), rank], axis=1)
    if len(observed) < design.shape[1] or not np.isfinite(observed).all():
        return np.nan
    slope = np.linalg.lstsq(design, observed, rcond=None)[0][-1]
    return float(slope * (len(width) - 1) / observed.mean())


def _at_end(width: Curves, loss: Curves, loss_level: float) -> Float[np.ndarray, " level"]:
    """The sines of the widths at the end of training, each brought to loss 0 by sin(width) ~ sqrt(l - L).

    Above 1 where a tunnel is so wide that the law no longer holds: no angle has that sine, but the order is kept.
    """
    left = 1 - loss[:, -1] / loss_level
    return np.sin(np.radians(width[:, -1])) / np.sqrt(np.where(left > 0, left, np.nan))


def collapse(width: Curves, radius: Curves, factors: Float[np.ndarray, " level"]) -> float:
    """1 - variance between the levels' curves width(R / sqrt(factor)) / that between width(R), on the common ranges."""
    before, after = (_between(width, radius / scale) for scale in (1.0, np.sqrt(factors)[:, None]))
    return 1 - after / before if before > 0 else np.nan


def _between(width: Curves, radius: Curves) -> float:
    """The variance between levels, averaged over the radii that all of them reach; NaN where there are none."""
    curves = []
    for values, radii in zip(width, radius, strict=True):
        known = np.flatnonzero(np.isfinite(values))
        order = known[np.argsort(radii[known])]
        curves.append((radii[order], values[order]))
    if not all(len(radii) for radii, _ in curves):
        return np.nan
    low, high = max(radii[0] for radii, _ in curves), min(radii[-1] for radii, _ in curves)
    if not low < high:
        return np.nan
    places = np.linspace(low, high, PLACES)
    return float(np.var([np.interp(places, *curve) for curve in curves], axis=0, ddof=1).mean())


def _sensible(dataset: xr.Dataset, role: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]]:
    """For each seed width, radius, loss and value of the levels of a sweep, without the one that is too strong."""
    found = []
    for seed in range(dataset.sizes["seed"]):
        own = dataset.isel(seed=seed).sel(sweep=role)
        keep = np.isfinite(own["value"].values) & ~own["too_strong"].values
        curves = [own[name].transpose("level", "snapshot").values[keep] for name in ("width", "radius", "loss")]
        found.append((*curves, own["value"].values[keep], float(own["loss_level"])))
    return found


def _beyond(dataset: xr.Dataset) -> list[str]:
    """For each sweep a sentence on its too strong end: how much narrower the tunnel is there at the end of training."""
    sentences = []
    for role in dataset["sweep"].values:
        own = dataset.sel(sweep=role)
        if not own["too_strong"].any():
            continue
        last = own["width"].isel(snapshot=-1).transpose("seed", "level").values
        end = int(own["too_strong"].isel(seed=0).values.argmax())
        change = last[:, end] - last[:, end - 1]
        lost = int(np.isnan(change).sum())
        if lost:
            sentences.append(f"{NAMES[role]}, too strong: no width in {lost} of {len(change)} seeds")
            continue
        low, high = interval(change)
        sentences.append(
            f"{NAMES[role]}, too strong against strongest: {change.mean():.3g} [{low:.3g}, {high:.3g}] degrees"
        )
    return sentences


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge the widening across each sweep, and whether networks of several widths collapse onto one curve.

    A part exists where its sweep was trained. What happens at the too strong ends is told, not judged.
    """
    dataset = results["tunnel-width"]
    parts: list[Part] = []
    for role in dataset["sweep"].values:
        seeds = _sensible(dataset, role)
        if role == WIDTH:
            values = [collapse(width, radius, value) for width, radius, _, value, _ in seeds]
            parts.append(part("layer width: variance that R / sqrt(factor) removes", np.array(values), COLLAPSE))
        else:
            values = [trend(role, width, radius, loss, level) for width, radius, loss, _, level in seeds]
            parts.append(part(f"{NAMES[role]}: relative widening", np.array(values), WIDER))
    judged = combine(parts, dataset, left_out=_absent(dataset))
    return dataclasses.replace(judged, sentence="; ".join([judged.sentence, *_beyond(dataset)]))


def _absent(dataset: xr.Dataset) -> list[str]:
    """A sentence on the sweeps that were not trained, and why."""
    absent = [name for role, name in NAMES.items() if role not in dataset["sweep"]]
    reason = "not varied here" if set(OF_NETWORKS) & set(dataset["sweep"].values) else "in the model only L2 acts"
    return [f"left out, {reason}: {', '.join(absent)}"] if absent else []


def permuted_verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge the same trends with the levels shuffled within each seed: none may be left.

    The resampling unit is the shuffle, of 200 from a fixed seed; its value is the mean trend over all seeds.
    """
    dataset = results["tunnel-width"]
    rng = np.random.default_rng(0)
    parts: list[Part] = []
    for role in dataset["sweep"].values:
        if role == WIDTH:
            continue
        seeds = _sensible(dataset, role)
        values = [np.mean([_shuffled(role, own, rng) for own in seeds]) for _ in range(SHUFFLES)]
        parts.append(part(f"{NAMES[role]}, levels shuffled: relative widening", np.array(values), WIDER))
    return combine(parts, dataset)


def _shuffled(role: str, own: tuple, rng: np.random.Generator) -> float:
    width, radius, loss, _, level = own
    order = rng.permutation(len(width))
    return trend(role, width[order], radius[order], loss[order], level)


DERIVED = {"control-permuted": permuted_verdict}
