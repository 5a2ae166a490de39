"""m-tunnels: m optima are joined by one low-loss sheet of m - 1 dimensions, up to m = 10."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import pad

from nwedge._random import spawn
from nwedge.claims._ends import training
from nwedge.claims._sampling import on_samples
from nwedge.claims.judging import Part, Threshold, Verdict, combine, part
from nwedge.claims.runs import Runs
from nwedge.claims.sheets import SpannedOptima
from nwedge.geometry import Sheet
from nwedge.landscape import Landscape, Predictive, evaluate
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.sheets import m_tunnel
from nwedge.specs.configs import MTunnelsConfig

LOWER = Threshold(0.5, "a sheet is of interest from where it removes half of the barrier of the flat simplex")

SHEET, FLAT, POINTWISE = "sheet", "flat", "pointwise"
SURFACES = (SHEET, FLAT, POINTWISE)
QUANTILES = (0.05, 0.5, 0.95)


def measure(landscape: Landscape, runs: Runs, config: MTunnelsConfig, generator: Generator) -> xr.Dataset:
    """The losses at uniform random points of the sheets over m optima, and of the flat simplices over the same.

    The excess of a point with barycentric weights w is its loss above sum_i w_i (loss of optimum i), and the barrier of
    a surface its largest excess, as on a path. For each optimum there is also the barrier of the region where its
    weight is largest, since optima that are drawn from a pool are the resampling unit. The pointwise sheet (FJ19)
    stands beside, for some m. Where a seed has no sheet its values are NaN.
    """
    most = max(config.m)
    shape, streams = (len(SURFACES), len(config.m)), spawn(generator, most + 1)
    found: dict[str, np.ndarray] = {}
    ratio_of = np.full((len(config.m), most), np.nan)
    flags = {name: np.zeros(len(config.m), dtype=bool) for name in ("there", "coincide", "pooled")}
    looked_at = np.full(len(config.m), np.nan)
    for column, m in enumerate(config.m):
        spanned = runs.sheets.get(m)
        if spanned is None:
            continue
        flags["there"][column], flags["pooled"][column] = True, spanned.pooled
        flags["coincide"][column], looked_at[column] = spanned.trained is None, spanned.looked_at
        if spanned.trained is None:
            continue
        surfaces = _surfaces(landscape, spanned, spanned.trained, config, streams[m])
        for name, values in _values(landscape, surfaces, config, streams[m], pooled=spanned.pooled).items():
            whole = found.setdefault(name, np.full((*shape, *values.shape[1:]), np.nan))
            whole[: len(values), column] = values
        ratio_of[column, :m] = _ratio(found["barrier_of_optimum"][:, column, :m])
    barrier = found.pop("barrier", np.full(shape, np.nan))
    found.pop("barrier_of_optimum", None)
    quantile = found.pop("loss_quantile", np.full((*shape, len(QUANTILES)), np.nan))
    return xr.Dataset(
        {
            **{name: (("surface", "m"), values) for name, values in found.items()},
            "barrier": (("surface", "m"), barrier, {"meaning": "largest loss above the weighted losses of the optima"}),
            "loss_quantile": (("surface", "m", "quantile"), quantile),
            "ratio": ("m", _ratio(barrier), {"meaning": "1 - barrier of the sheet / of the flat simplex"}),
            "ratio_of_optimum": (("m", "optimum"), ratio_of, {"meaning": "the same, in the region of each optimum"}),
            **{name: ("m", values) for name, values in flags.items()},
            "looked_at": ("m", looked_at, {"meaning": "candidates looked at to find the m optima"}),
            **_centres(landscape, runs, config),
            **training(runs),
        },
        coords={"surface": list(SURFACES), "m": list(config.m), "quantile": list(QUANTILES)},
    )


def _surfaces(
    landscape: Landscape, spanned: SpannedOptima, trained: Sheet, config: MTunnelsConfig, generator: Generator
) -> dict[str, Sheet]:
    """The surfaces over some optima: the trained sheet, the flat simplex and, for some m, the pointwise sheet."""
    surfaces = {SHEET: trained, FLAT: Sheet(spanned.optima)}
    if spanned.m in config.pointwise:
        surfaces[POINTWISE] = m_tunnel(
            landscape,
            spanned.optima,
            method="pointwise",
            steps=config.pointwise_steps,
            rate=config.rate,
            generator=generator,
        )
    return surfaces


def _values(
    landscape: Landscape, surfaces: Mapping[str, Sheet], config: MTunnelsConfig, generator: Generator, *, pooled: bool
) -> dict[str, np.ndarray]:
    """Statistics over random points of each surface, the same places of all, with a leading axis of surfaces."""
    sheet = surfaces[SHEET]
    coords = sheet.coordinates(config.points, generator)
    share = torch.cat([1 - coords.sum(1, keepdim=True), coords], dim=1)
    level = share @ evaluate(landscape, sheet.optima)
    again = config.examples is not None
    rows: dict[str, list[np.ndarray]] = {}
    for surface in surfaces.values():
        points = surface.embed(coords)
        losses = on_samples(landscape, points, config.examples, generator)
        excess = losses - level
        barrier, highest = _highest(landscape, points, excess, level, share, again=again, pooled=pooled)
        own = {
            "loss": losses.mean(),
            "loss_error": losses.std() / len(losses) ** 0.5,
            "loss_max": losses.max(),
            "loss_quantile": losses.quantile(torch.tensor(QUANTILES, dtype=losses.dtype, device=losses.device)),
            "excess": excess.mean(),
            "barrier": barrier,
            "barrier_of_optimum": pad(highest, (0, max(config.m) - len(highest)), value=torch.nan),
        }
        for name, data in _classified(landscape).items():
            own[name] = on_samples(data, points, config.scored or config.examples, generator, _accuracy).mean()
        for name, value in own.items():
            rows.setdefault(name, []).append(value.double().cpu().numpy())
    return {name: np.stack(values) for name, values in rows.items()}


def _classified(landscape: Landscape) -> dict[str, Predictive]:
    """Of classifiers: the held-out data on which accuracies are taken, or all data where none are held out."""
    if not isinstance(landscape, Predictive):
        return {}
    if landscape.held_out is None:
        return {"accuracy": landscape}
    return {"held_out_accuracy": landscape.held_out}


def _accuracy(landscape: Landscape, points: Tensor) -> Tensor:
    assert isinstance(landscape, Predictive)
    return landscape.accuracy(points)


def _highest(
    landscape: Landscape, points: Tensor, excess: Tensor, level: Tensor, share: Tensor, *, again: bool, pooled: bool
) -> tuple[Tensor, Float[Tensor, " optimum"]]:
    """The largest excess, and that in the region of each optimum; NaN in one without a point.

    Where points were seen on examples of their own, the highest is seen `again` on all data: that of each region where
    the optima are the unit, since they come from a pool; else that of the surface, and the regions are left NaN.
    """
    region = share.argmax(1)
    found = excess.new_full((share.shape[1],), torch.nan)
    if again and not pooled:
        top = excess.argmax()
        return evaluate(landscape, points[top][None])[0] - level[top], found
    regions = region.unique()
    tops = torch.stack([torch.where(region == one, excess, -torch.inf).argmax() for one in regions])
    found[regions] = evaluate(landscape, points[tops]) - level[tops] if again else excess[tops]
    return found[regions].max(), found


def _ratio(barrier: Float[np.ndarray, "surface ..."]) -> Float[np.ndarray, "..."]:
    """1 - barrier of the sheet / of the flat simplex; NaN where the flat simplex does not rise."""
    sheet, flat = barrier[SURFACES.index(SHEET)], barrier[SURFACES.index(FLAT)]
    return 1 - sheet / np.where(flat > 0, flat, np.nan)


def _centres(landscape: Landscape, runs: Runs, config: MTunnelsConfig) -> dict[str, tuple[str, np.ndarray]]:
    """The loss at the centre of each sheet and, on wedges, the distance to the nearest one."""
    functions = {"center_loss": lambda points: evaluate(landscape, points)}
    if isinstance(landscape, WedgeLandscape):
        functions["center_distance"] = landscape.distance
    found = {name: np.full(len(config.m), np.nan) for name in functions}
    for column, m in enumerate(config.m):
        spanned = runs.sheets.get(m)
        if spanned is not None and spanned.trained is not None:
            for name, function in functions.items():
                found[name][column] = function(spanned.trained.center[None]).item()
    return {name: ("m", values) for name, values in found.items()}


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge, for each m, how much of the barrier of the flat simplex the sheet removes.

    The unit is the seed or, where the optima are drawn from a pool, the optimum. Sheets over optima that coincide count
    as 0. An m for which there is no sheet at all has no part.
    """
    dataset = results["m-tunnels"]
    parts: list[Part] = []
    for m in dataset["m"].values.tolist():
        own = dataset.sel(m=m)
        if not own["there"].any():
            continue
        if own["pooled"].any():
            values = own["ratio_of_optimum"].transpose("seed", "optimum").values[own["there"].values, :m].ravel()
            parts.append(part(f"m = {m}, optima of a pool: 1 - sheet / flat", values, LOWER, "optimum"))
        else:
            parts.append(part(f"m = {m}: 1 - sheet / flat", own["ratio"].where(~own["coincide"], 0.0).values, LOWER))
    absent = [str(m) for m in dataset["m"].values.tolist() if not dataset["there"].sel(m=m).any()]
    return combine(parts, dataset, left_out=[f"left out, too few optima for m = {', '.join(absent)}"] if absent else [])
