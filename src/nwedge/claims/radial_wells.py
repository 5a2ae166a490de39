"""radial-wells: random probes from an optimum see a round well, and miss the long directions that are there."""

import math
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
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Runs
from nwedge.landscape import Landscape, evaluate
from nwedge.landscapes.profiles import profile_loss
from nwedge.landscapes.theory import probe_loss
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.long_directions import long_directions
from nwedge.methods.probes import extent, extent_cap, mean_extent, probe, radial_width, random_directions
from nwedge.specs.configs import RadialWellsConfig

ROUND = Threshold(0.5, "a well is round where the rise differs between directions by less than half of its mean")
MONOTONE = Threshold(0.9, "a rise is monotone where its falls take back less than a tenth of it")
HIDDEN = Threshold(3.0, "a long direction is missed where it is three times as long as the longest random one")

SCOUTS = 64
"""Directions along which the distance is sought at which the mean loss crosses the level."""
SPAN, BEYOND = 32.0, 3
"""The probes reach from the crossing / 32 to so many places beyond it."""
PARABOLA = 0.25
"""The slope of the probes is fitted up to this share of the crossing distance."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RADII = tuple(round(0.2 * step, 1) for step in range(1, 11))
"""At which the radial tunnel is looked at, in units of |P|."""
HALVINGS = 6
"""Bisections of each angle by which it is rotated at each radius."""
SAME = 1e-5
"""Distances that differ by a smaller share are the same."""


def measure(landscape: Landscape, runs: Runs, config: RadialWellsConfig, generator: Generator) -> xr.Dataset:
    """The losses of random probes from the first optimum, and how far it stays below the level where it is long.

    The distances of the probes are geometric, and the same shares in all seeds of the crossing distance, that at which
    the mean loss over directions crosses the level. Everything is seen on one sample of the data.
    """
    see, start, scout, look, find, turn = spawn(generator, 6)
    view, point = sampled(landscape, config.examples, see), runs[0].optimum
    radius = float(point.norm())
    level = config.level * at_random(view, start)[0]
    start_loss = float(evaluate(view, point[None]))
    crossing = mean_extent(view, point, random_directions(point, SCOUTS, scout), level)
    share = shares(config.distances)
    distances = share * (crossing if math.isfinite(crossing) else extent_cap(point))
    twin = look.clone_state()
    seen = _array(probe(view, point, torch.tensor(distances), directions=config.directions, generator=look))
    directions = random_directions(point, config.directions, twin)
    reach = _random_extents(view, point, directions, level, crossings(seen, distances, start_loss, level))
    known = long_directions(view, point, config.long, threshold=config.threshold, radius=config.radius, generator=find)
    along, capped = extent(view, point, known.directions, level)
    mean = seen.mean(0)
    at_crossing = share == 1 if math.isfinite(crossing) else share < 0
    return xr.Dataset(
        {
            "level": level,
            "start_loss": start_loss,
            "radius": radius,
            "crossing": crossing,
            "probe_distance": ("distance", distances),
            "relative_distance": ("distance", distances / radius, {"units": "|P|"}),
            "probe_loss": ("distance", mean),
            "probe_rms": ("distance", np.sqrt(np.square(seen).mean(0))),
            "probe_quantile": (("quantile", "distance"), np.quantile(seen, QUANTILES, axis=0)),
            "probe_spread": _mean(seen[:, at_crossing].std(0, ddof=1) / (mean - start_loss)[at_crossing]),
            "probe_slope": slope(mean - start_loss, distances, share),
            "rise_monotone": float(monotony(seen, start_loss).mean()),
            "extent_random": ("direction", reach / radius, {"units": "|P|"}),
            "extent_long": ("long", _padded(_array(along), config.long) / radius, {"units": "|P|"}),
            "capped_random": int((reach > (1 - SAME) * extent_cap(point)).sum()),
            "capped_long": int(capped.sum()),
            "known_short": ((), known.short, {"meaning": "short directions that the long ones are normal to"}),
            "more_short": ((), known.capped, {"meaning": "whether there are more than were sought"}),
            "all_short": known.short >= view.dim,
            **_law(view, point, directions, distances),
            **_tunnel(view, point, level, config.turns, turn),
            **training(runs),
        },
        coords={"distance": share, "quantile": list(QUANTILES), "turned_radius": list(RADII)},
    )


def shares(count: int) -> Float[np.ndarray, " distance"]:
    """The distances of the probes as shares of the crossing distance: geometric, 1 among them, the last beyond it."""
    last = count - 1 - BEYOND
    if last < 1:
        raise ValueError(f"probes need at least {BEYOND + 2} distances; got {count}")
    return SPAN ** (np.arange(count) / last - 1)


def monotony(losses: Float[np.ndarray, "direction distance"], start_loss: float) -> Float[np.ndarray, " direction"]:
    """1 - the largest fall below the running maximum / the total rise, for each direction; NaN without a rise."""
    curves = np.concatenate([np.full((len(losses), 1), start_loss), losses], axis=1)
    highest = np.maximum.accumulate(curves, axis=1)
    rise = highest[:, -1] - start_loss
    return 1 - (highest - curves).max(1) / np.where(rise > 0, rise, np.nan)


def slope(
    rise: Float[np.ndarray, " distance"],
    distances: Float[np.ndarray, " distance"],
    share: Float[np.ndarray, " distance"],
) -> float:
    """The c of the least-squares fit rise = c a^2 to the near distances a: tr H / 2D of a smooth landscape."""
    near = share <= PARABOLA * (1 + SAME)
    squares = distances[near] ** 2
    return float(squares @ rise[near] / (squares @ squares))


def crossings(
    losses: Float[np.ndarray, "direction distance"],
    distances: Float[np.ndarray, " distance"],
    start_loss: float,
    level: float,
) -> Float[np.ndarray, " direction"]:
    """Where each probe first exceeds the level, linear in a^2 between neighbours; infinite beyond the last distance.

    NaN where the start is above the level or a loss before the crossing is NaN.
    """
    curves = np.concatenate([np.full((len(losses), 1), start_loss), losses], axis=1)
    squares = np.concatenate([[0.0], distances**2])
    outside = ~(curves <= level)
    first = outside.argmax(1)
    rows, before = np.arange(len(curves)), np.maximum(first - 1, 0)
    low, high = curves[rows, before], curves[rows, first]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.sqrt(squares[before] + (level - low) / (high - low) * (squares[first] - squares[before]))
    found = np.where(outside.any(1), found, np.inf)
    return found if start_loss <= level else np.full(len(losses), np.nan)


def _random_extents(
    landscape: Landscape, point: Tensor, directions: Tensor, level: float, found: np.ndarray
) -> np.ndarray:
    """The extents along random directions: those that the probes crossed, the others followed to the cap."""
    beyond = np.isinf(found)
    if beyond.any():
        rest = directions[torch.from_numpy(beyond).to(directions.device)]
        found[beyond] = _array(extent(landscape, point, rest, level)[0])
    return found


def _law(landscape: Landscape, point: Tensor, directions: Tensor, distances: np.ndarray) -> dict[str, tuple]:
    """On wedges: distances to the nearest one, the law's, and the share of probes that keep theirs; all else: nothing.

    The law is of root mean squares of the distance to the nearest wedge, whatever the loss profile; `law_loss` is the
    loss at that distance.
    """
    if not isinstance(landscape, WedgeLandscape):
        return {}
    basis = landscape.short_basis(point[None])[0]
    found, kept = [], []
    for distance in distances.tolist():
        points = point + distance * directions
        away = landscape.distance(points)
        home = ((points @ basis.T).norm(dim=1) - landscape.thickness).clamp(min=0)
        found.append(float(away.square().mean().sqrt()))
        kept.append(float((home <= away * (1 + SAME)).double().mean()))
    short = int((basis.norm(dim=1) > 0).sum())
    start = float(landscape.distance(point[None]))
    law = np.asarray(probe_loss(landscape.dim, short, start, torch.tensor(distances)))
    return {
        "wedge_distance": ("distance", found, {"meaning": "root mean square over directions"}),
        "law": ("distance", law),
        "law_loss": ("distance", _array(profile_loss(torch.tensor(law**2), landscape.profile, 0.0, landscape.width))),
        "departure": ("distance", np.asarray(found) / law),
        "kept": ("distance", kept, {"meaning": "share of probes whose nearest wedge is that of the optimum"}),
    }


def _tunnel(landscape: Landscape, point: Tensor, level: float, turns: int, generator: Generator) -> dict[str, tuple]:
    """The median angular width of the radial tunnel at several radii: infinite where most directions do not cross."""
    radii = torch.tensor(RADII, dtype=point.dtype, device=point.device)
    width = radial_width(
        landscape, radii[:, None] * point, level, directions=turns, generator=generator, halvings=HALVINGS
    )
    median = width.angles.median(1).values.rad2deg()
    return {"turned_angle": ("turned_radius", _array(median), {"units": "degrees"})}


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([values, np.full(length - len(values), np.nan)])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _array(values: Tensor) -> np.ndarray:
    return values.detach().double().cpu().numpy()


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge whether the well is round, its rise monotone, and long directions hidden from random ones.

    Where every direction is short there is no long one, and the ratio of the extents is 1. Where there are more short
    directions than were sought no direction is known to be long, and the ratio is undefined.
    """
    dataset = results["radial-wells"]
    longest = dataset["extent_random"].max("direction", skipna=False)
    ratio = dataset["extent_long"].median("long", skipna=False) / longest
    known = ~dataset["more_short"].astype(bool)
    parts = [
        part(name, values.values, threshold)
        for name, values, threshold in (
            ("round: 1 - spread of the rise / its mean", 1 - dataset["probe_spread"], ROUND),
            ("monotone: 1 - largest fall / rise", dataset["rise_monotone"], MONOTONE),
            ("hidden: long extent / longest random one", ratio.where(~dataset["all_short"], 1.0).where(known), HIDDEN),
        )
    ]
    return combine(parts, dataset)
