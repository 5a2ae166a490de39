"""two-halves: a tunnel's deviations agree within each half and are orthogonal across the halves."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import spawn
from nwedge.claims._ends import Ends, ends, training
from nwedge.claims.judging import Threshold, Verdict, combine, part
from nwedge.claims.runs import Run
from nwedge.geometry import Bezier, Path
from nwedge.landscape import Landscape, Predictive
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.tunnels import connect
from nwedge.specs.configs import TwoHalvesConfig

AGREE = Threshold(0.5, "directions agree from a mean cosine of one half: most of each lies along the others")
ORTHOGONAL = Threshold(0.5, "directions are orthogonal from a mean absolute cosine below one half")

STRAIGHT = 1e-6
"""A path that deviates less than this, relative to |b - a|, does not bend."""

PATHS = ("pointwise", "sheet")


def measure(landscape: Landscape, runs: Sequence[Run], config: TwoHalvesConfig, generator: Generator) -> xr.Dataset:
    """Cosines between the deviations from the straight line, taken normal to it, at even places of each half.

    Two paths: the pointwise tunnel, whose vertices are the places, and a whole path with at least 3 free vertices
    (with one, its deviations would be parallel by construction). The middle belongs to neither half.
    """
    pair = ends(runs)
    places = 2 * config.places
    t = torch.arange(1, places + 1, dtype=landscape.dtype, device=landscape.device)[:, None] / (places + 1)
    cosine, size, changed = (np.full(shape, np.nan) for shape in ((2, places, places), (2, places), (2, places)))
    if not pair.coincide:
        for row, path in enumerate(_paths(landscape, pair, config, generator)):
            points = path.embed(t)
            deviation = _normal_part(points - pair.a, pair.b - pair.a)
            norms = deviation.norm(dim=1)
            unit = deviation / norms[:, None]
            cosine[row] = (unit @ unit.T).cpu().numpy()
            size[row] = norms.cpu().numpy() / pair.separation
            changed[row] = _changed(landscape, pair.a[None], points)
    straight = size.max(axis=1) < STRAIGHT
    cosine[straight] = np.nan  # of rounding errors
    within, across = _halves(cosine)
    return xr.Dataset(
        {
            "cosine": (("path", "place", "other"), cosine),
            "deviation": (("path", "place"), size, {"units": "|b - a|"}),
            "changed": (("path", "place"), changed),
            "within": ("path", within),
            "across": ("path", across),
            "straight": ("path", straight, {"meaning": "whether the path deviates by less than 1e-6 |b - a|"}),
            "separation": pair.separation,
            "coincide": pair.coincide,
            **training(runs),
        },
        coords={"path": list(PATHS), "t": ("place", t[:, 0].cpu().numpy())},
    )


def _paths(landscape: Landscape, pair: Ends, config: TwoHalvesConfig, generator: Generator) -> list[Path | Bezier]:
    bends = {"pointwise": 2 * config.places, "sheet": config.bends}
    steps = {"pointwise": config.pointwise_steps, "sheet": config.steps}
    return [
        connect(
            landscape,
            pair.a,
            pair.b,
            method=method,
            bends=bends[method],
            steps=steps[method],
            rate=config.rate,
            samples=config.samples,
            generator=stream,
        )
        for method, stream in zip(PATHS, spawn(generator, len(PATHS)), strict=True)
    ]


def _normal_part(vectors: Float[Tensor, "place dim"], axis: Float[Tensor, " dim"]) -> Float[Tensor, "place dim"]:
    unit = axis / axis.norm()
    return vectors - (vectors @ unit)[:, None] * unit


def _halves(cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean cosine of different places of one half, and the mean absolute cosine across, shapes (path,)."""
    half = cosine.shape[1] // 2
    first, second = cosine[:, :half, :half], cosine[:, half:, half:]
    pairs = ~np.eye(half, dtype=bool)
    within = (first[:, pairs].mean(axis=1) + second[:, pairs].mean(axis=1)) / 2
    return within, np.abs(cosine[:, :half, half:]).mean(axis=(1, 2))


def _changed(landscape: Landscape, end: Tensor, points: Tensor) -> np.ndarray:
    """How much of the function at the first end has changed: labels (held-out ones if there are any), or short axes."""
    if isinstance(landscape, Predictive):
        seen = landscape.held_out or landscape
        labels = seen.predict(points).argmax(dim=2)
        changed = (labels != seen.predict(end).argmax(dim=2)).double().mean(dim=1)
    elif isinstance(landscape, WedgeLandscape) and landscape.oriented == "axes":
        first = landscape.nearest(end)
        kept = torch.isin(landscape.nearest(points), first[first >= 0]).sum(dim=1)
        changed = 1 - kept / (first >= 0).sum()
    else:
        changed = torch.full((len(points),), torch.nan)
    return changed.cpu().numpy()


def verdict(results: Mapping[str, xr.Dataset]) -> Verdict:
    """Judge, for each path, the mean cosine within the halves and 1 - the mean absolute cosine across.

    Optima that coincide and paths that do not bend show no halves: their seeds count as 0.
    """
    dataset = results["two-halves"]
    defined = ~(dataset["straight"] | dataset["coincide"])
    parts = []
    for path in PATHS:
        for name, values, threshold in (
            ("agree within", dataset["within"], AGREE),
            ("orthogonal across", 1 - dataset["across"], ORTHOGONAL),
        ):
            parts.append(part(f"{path}: {name}", values.where(defined, 0.0).sel(path=path).values, threshold))
    return combine(parts, dataset)
