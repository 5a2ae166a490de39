"""The shared task that trains sheets, and a sheet as a claim reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
import xarray as xr
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge.geometry import Sheet
from nwedge.landscape import Landscape
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.methods.sheets import m_tunnel
from nwedge.store import Result

COINCIDE = 1e-6
"""Optima closer than this, relative to the distance of their starts, are one optimum."""


@dataclass(frozen=True)
class SpannedOptima:
    """A sheet over m optima.

    Attributes:
        optima: shape (m, dim).
        trained: the sheet trained as a whole; None where two of the optima coincide, so that there is none.
        seeds: of the optima's runs, shape (m,).
        members: which of their seed's runs they are, shape (m,).
        pooled: whether the optima are those of several seeds.
        looked_at: how many candidates were looked at to find m optima that may be taken.
    """

    optima: Float[Tensor, "m dim"]
    trained: Sheet | None
    seeds: tuple[int, ...]
    members: tuple[int, ...]
    pooled: bool
    looked_at: int

    @property
    def m(self) -> int:
        """How many optima."""
        return len(self.optima)


def train(
    landscape: Landscape,
    starts: Float[Tensor, "candidate dim"],
    candidates: Float[Tensor, "candidate dim"],
    *,
    names: Sequence[tuple[int, int]],
    m: int,
    steps: int,
    rate: float,
    samples: int | None,
    distinct: bool = False,
    pooled: bool = False,
    generator: Generator,
) -> Result:
    """Train a sheet over the first m candidates, or with `distinct` over the first m on different wedges.

    The result holds how the optima were chosen and, as weights, the optima and the sheet's vertices; no vertices where
    two optima coincide.

    Args:
        landscape: any landscape.
        starts: where the candidates' training started, shape (candidate, dim).
        candidates: shape (candidate, dim).
        names: the seed and the member of each candidate.
        m: how many optima.
        steps: of the training, as `rate` and `samples` (see `nwedge.m_tunnel`).
        rate: of the training.
        samples: points of the sheet that a step averages over.
        distinct: whether the optima must lie on different wedges, where the landscape knows its wedges by number.
        pooled: whether the candidates are those of several seeds.
        generator: of the training.

    Raises:
        ValueError: fewer than m candidates that may be taken.
    """
    taken = _distinct(landscape, candidates, m) if distinct else list(range(min(m, len(candidates))))
    if len(taken) < m:
        raise ValueError(
            f"a sheet needs {m} optima{' on different wedges' if distinct else ''}; among {len(candidates)} there are "
            f"{len(taken)}: train more"
        )
    optima = candidates[taken]
    weights = {"optima": optima.cpu().numpy()}
    if not _coincide(optima, starts[taken]):
        sheet = m_tunnel(landscape, optima, steps=steps, rate=rate, samples=samples, generator=generator)
        weights["vertices"] = sheet.vertices.cpu().numpy()
    dataset = xr.Dataset(
        {
            "seed_of": ("optimum", [names[index][0] for index in taken]),
            "member_of": ("optimum", [names[index][1] for index in taken]),
            "looked_at": ((), max(taken) + 1, {"meaning": "candidates looked at to find the optima"}),
            "pooled": pooled,
            "coincide": "vertices" not in weights,
        }
    )
    return Result(dataset, weights)


def spanned(result: Result, landscape: Landscape) -> SpannedOptima:
    """A trained sheet, on the landscape's device."""
    optima = torch.from_numpy(result.weights["optima"]).to(landscape.device)
    vertices = result.weights.get("vertices")
    of = result.dataset
    return SpannedOptima(
        optima=optima,
        trained=None if vertices is None else Sheet(optima, torch.from_numpy(vertices).to(landscape.device)),
        seeds=tuple(of["seed_of"].values.tolist()),
        members=tuple(of["member_of"].values.tolist()),
        pooled=bool(of["pooled"]),
        looked_at=int(of["looked_at"]),
    )


def _distinct(landscape: Landscape, candidates: Tensor, m: int) -> list[int]:
    """The first m candidates whose nearest sampled wedges differ; the first m where wedges are not known by number."""
    if not isinstance(landscape, WedgeLandscape) or landscape.wedges is None:
        return list(range(min(m, len(candidates))))
    first: dict[int, int] = {}
    for index, wedge in enumerate(landscape.nearest_wedge(candidates).tolist()):
        first.setdefault(wedge, index)
    return sorted(first.values())[:m]


def _coincide(optima: Tensor, starts: Tensor) -> bool:
    """Whether two optima are one point."""
    return any(
        bool(torch.dist(optima[i], optima[j]) <= COINCIDE * torch.dist(starts[i], starts[j]))
        for i, j in combinations(range(len(optima)), 2)
    )
