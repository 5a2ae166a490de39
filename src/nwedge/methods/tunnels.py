"""Tunnels: low-loss paths between two optima, and the barrier on them."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_positive
from nwedge._random import normal
from nwedge.geometry import Bezier, Hyperplane, Path, VertexChart
from nwedge.geometry.charts import check_same_space
from nwedge.landscape import ELEMENTS_AT_ONCE, Landscape, evaluate
from nwedge.landscapes.spanned import SpannedLandscape
from nwedge.methods.descent import Schedule, descend

C = TypeVar("C", bound=VertexChart)

METHODS = ("sheet", "pointwise", "bezier")


@dataclass(frozen=True)
class Tunnel:
    """A path between two optima and what the loss does on it and on the straight line.

    Attributes:
        method: how it was found.
        path: the path; `path.embed(t)` gives its points, `path.length()` its length.
        t: positions in [0, 1], shape (points,).
        losses: the loss at these positions of the path, shape (points,).
        line_losses: the loss at these positions of the straight line, shape (points,).
    """

    method: str
    path: Path | Bezier
    t: Float[Tensor, " points"]
    losses: Float[Tensor, " points"]
    line_losses: Float[Tensor, " points"]

    @property
    def barrier(self) -> float:
        """The barrier of the path."""
        return barrier(self.losses[None]).item()

    @property
    def line_barrier(self) -> float:
        """The barrier of the straight line."""
        return barrier(self.line_losses[None]).item()


def barrier(losses: Float[Tensor, "batch points"]) -> Float[Tensor, " batch"]:
    """The barriers max over t of [loss(t) - linear interpolation of the two end losses], shape (batch,).

    `losses` are taken at even positions, both ends included, shape (batch, points); a NaN gives a NaN.
    """
    return excess(losses).max(dim=1).values


def excess(losses: Float[Tensor, "batch points"]) -> Float[Tensor, "batch points"]:
    """The losses above the linear interpolation of the two end losses, shape (batch, points)."""
    t = torch.linspace(0, 1, losses.shape[1], dtype=losses.dtype, device=losses.device)
    return losses - torch.lerp(losses[:, :1], losses[:, -1:], t)


def tunnel(
    landscape: Landscape,
    a: Float[Tensor, " dim"],
    b: Float[Tensor, " dim"],
    *,
    method: str = "sheet",
    bends: int | None = None,
    steps: int = 1000,
    rate: float = 0.05,
    schedule: str | Schedule | None = "cosine",
    samples: int = 8,
    points: int = 121,
    generator: Generator,
) -> Tunnel:
    """Find a low-loss path between two optima by `connect`, and take the losses on it and on the straight line.

    Args:
        landscape: any landscape.
        a: the first optimum, shape (dim,).
        b: the second optimum, shape (dim,).
        method: "sheet", "pointwise" or "bezier"; see `connect`.
        bends: free vertices; None takes 1, and 9 for "pointwise".
        steps: of the training.
        rate: of the training, relative to the root mean square of b - a.
        schedule: of the rate; see `connect`.
        samples: positions on the path that a step of "sheet" or "bezier" averages over.
        points: even positions at which the losses are taken.
        generator: of the minibatches and positions.

    Raises:
        ValueError: fewer than 3 points, or what `connect` refuses.
    """
    check_integer("points", points, 3)
    path = connect(
        landscape,
        a,
        b,
        method=method,
        bends=bends,
        steps=steps,
        rate=rate,
        schedule=schedule,
        samples=samples,
        generator=generator,
    )
    t = torch.linspace(0, 1, points, dtype=a.dtype, device=a.device)
    return Tunnel(
        method=method,
        path=path,
        t=t,
        losses=evaluate(landscape, path.embed(t[:, None])),
        line_losses=evaluate(landscape, Path.straight(a, b, 0).embed(t[:, None])),
    )


def connect(
    landscape: Landscape,
    a: Float[Tensor, " dim"],
    b: Float[Tensor, " dim"],
    *,
    method: str,
    bends: int | None = None,
    steps: int,
    rate: float,
    schedule: str | Schedule | None = "cosine",
    samples: int,
    generator: Generator,
) -> Path | Bezier:
    """Train a path between two optima, starting from the straight line.

    Methods:
        "sheet": all bends of a polygonal chain trained together on the mean loss over the chain; with one bend this
            is the barycentric sheet of two optima.
        "bezier": the same for the inner control points of a Bezier curve (Garipov et al. 2018, arXiv 1802.10026).
        "pointwise": each bend trained alone inside the hyperplane normal to b - a (FJ19, arXiv 1906.04724).

    Each is trained by Adam. The learning rate is `rate` times the root mean square of b - a, so the same value serves
    landscapes of any scale. It follows `schedule`, as `nwedge.descend` takes it: "cosine" ends at 0, so that the path
    comes to rest; "constant" gets lower with few steps, where the rate is low enough. The other arguments are those of
    `tunnel`.

    Raises:
        ValueError: an unknown method, numbers out of range, points that differ in shape or are not finite, or optima
            that coincide.
    """
    check_choice("method", method, METHODS)
    check_same_space({"a": a, "b": b})
    check_positive("rate", rate)
    check_integer("samples", samples, 1)
    for name, end in (("a", a), ("b", b)):
        if not bool(end.isfinite().all()):
            raise ValueError(f"the optimum {name} must be finite; it holds NaN or infinity: load its weights anew")
    if torch.equal(a, b):
        raise ValueError("the two optima coincide: a tunnel needs two different points")
    if bends is None:
        bends = 9 if method == "pointwise" else 1
    check_integer("bends", bends, 1)
    lr = rate * (b - a).square().mean().sqrt().item()
    if method == "pointwise":
        return _pointwise(landscape, Path.straight(a, b, bends), steps, lr, schedule, generator)
    chart = (Path if method == "sheet" else Bezier).straight(a, b, bends)
    return span(landscape, chart, steps=steps, lr=lr, schedule=schedule, samples=samples, generator=generator)


def span(
    landscape: Landscape,
    chart: C,
    *,
    steps: int,
    lr: float,
    schedule: str | Schedule | None = "cosine",
    samples: int,
    generator: Generator,
) -> C:
    """The chart with its free vertices trained together on the mean loss over it, by Adam."""
    spanned = SpannedLandscape(landscape, chart, samples=samples)
    found = descend(
        spanned, spanned.start[None], optimizer="adam", lr=lr, steps=steps, schedule=schedule, generator=generator
    )
    return spanned.chart_at(found.points[0])


def random_bends(
    landscape: Landscape,
    a: Float[Tensor, " dim"],
    b: Float[Tensor, " dim"],
    *,
    length: float,
    count: int,
    points: int,
    generator: Generator,
) -> Float[Tensor, " count"]:
    """The barriers of `count` one-bend paths of a given length in random directions normal to b - a, shape (count,).

    The bend lies at (a + b) / 2 + h u with u uniform on the unit sphere normal to b - a and
    h = sqrt(length^2 - |b - a|^2) / 2.

    Args:
        landscape: any landscape.
        a: the first optimum, shape (dim,).
        b: the second optimum, shape (dim,).
        length: of each path, at least |b - a|.
        count: of paths.
        points: even positions along each path.
        generator: of the directions.

    Raises:
        ValueError: a length below |b - a|.
    """
    straight = (b - a).norm().item()
    if length < straight * (1 - 1e-6):
        raise ValueError(f"a path between points {straight:.4g} apart is at least that long; got length {length:.4g}")
    height = max(0.0, length**2 - straight**2) ** 0.5 / 2
    axis = (b - a) / straight
    weights = Path.straight(a, b, 1).weights(torch.linspace(0, 1, points, dtype=a.dtype, device=a.device)[:, None])
    block = max(1, ELEMENTS_AT_ONCE // (points * landscape.dim))
    barriers = []
    for first in range(0, count, block):
        size = min(block, count - first)
        draws = normal((size, landscape.dim), generator, dtype=a.dtype, device=a.device)
        draws = draws - (draws @ axis)[:, None] * axis
        bends = (a + b) / 2 + height * draws / draws.norm(dim=1, keepdim=True)
        vertices = torch.stack([a.expand(size, -1), bends, b.expand(size, -1)], dim=1)
        barriers.append(barrier(evaluate(landscape, (weights @ vertices).flatten(0, 1)).view(size, points)))
    return torch.cat(barriers)


def _pointwise(
    landscape: Landscape, path: Path, steps: int, lr: float, schedule: str | Schedule | None, generator: Generator
) -> Path:
    a, start, b = path.vertices[0], path.vertices[1:-1], path.vertices[-1]
    found = descend(
        landscape,
        start,
        optimizer="adam",
        lr=lr,
        steps=steps,
        schedule=schedule,
        constraint=Hyperplane(start, b - a),
        generator=generator,
    )
    return Path(torch.cat([a[None], found.points, b[None]]))
