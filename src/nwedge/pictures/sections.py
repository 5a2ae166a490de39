"""Where a picture cuts: charts around or through checkpoints, their grids, and all that in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from nwedge._checks import Space
from nwedge._random import derive
from nwedge.geometry import Chart, Line, Plane, filter_normalised, layer_normalised, plane_through, random
from nwedge.landscape import Landscape
from nwedge.methods.directions import sharpest, steepest
from nwedge.methods.trajectories import trajectory
from nwedge.specs.picture import DRAWN, CutArguments, DirectedArguments, TrajectoryPicture

NETWORK = "network"
AROUND, BEYOND, MARGIN = 1.0, 0.5, 0.25
"""How far pictures go: around one checkpoint, beyond two, and around more of them as a share of their extent."""
NAMES = {
    "filter": "filter-normalised direction",
    "layer": "layer-normalised direction",
    "random": "random direction",
    "gradient": "gradient",
    "hessian": "Hessian's eigenvector",
}
LENGTHS = {
    "filter": "as long as the weights in every filter (Li et al. 2018)",
    "layer": "as long as the weights in every tensor",
    "random": "as long as all weights together",
}


@dataclass(frozen=True, eq=False)
class Section:
    """A chart and the grid on it.

    Attributes:
        chart: displacements from `origin`, or points where that is None.
        origin: shape (dim,).
        coordinates: of each axis, increasing, in float64.
        refined: of a line that is refined the even axis, and the places beside it that are evaluated in any case; None
            refines the grid as it is.
    """

    chart: Chart
    origin: Tensor | None
    coordinates: Sequence[Tensor]
    refined: tuple[Tensor, Tensor] | None = None

    def points(self, coords: Float[Tensor, "batch coords"]) -> Float[Tensor, "batch dim"]:
        """The points at coordinates."""
        found = self.chart.embed(coords)
        return found if self.origin is None else self.origin + found


@dataclass(frozen=True, eq=False)
class Sections:
    """The sections of a picture.

    Attributes:
        draws: by label.
        marks: coordinates of the checkpoints, by name.
        axes: in words.
        through: what the sections go along, a sentence.
        trajectory: of the checkpoints, where they are a run.
    """

    draws: Mapping[str, Section]
    marks: Mapping[str, tuple[float, ...]]
    axes: tuple[str, ...]
    through: str
    trajectory: xr.Dataset | None = field(default=None)


Draw = Callable[[Landscape, Tensor, int, int], Tensor]
"""From a landscape, a point, a count and the number of the draw to directions, shape (count, dim)."""


def sections(
    arguments: CutArguments,
    landscape: Landscape,
    points: Float[Tensor, "checkpoint dim"],
    names: Sequence[str],
    *,
    steps: Sequence[float] | None = None,
    draw: Draw | None = None,
) -> Sections:
    """Where a picture of checkpoints cuts.

    Args:
        arguments: of the picture, with a reach.
        landscape: whose points the checkpoints are.
        points: the checkpoints, shape (checkpoint, dim).
        names: of the checkpoints.
        steps: of a trajectory.
        draw: the directions; None takes those that the arguments ask for.

    Raises:
        ValueError, TypeError: directions that are none, or checkpoints that span no plane.
        FloatingPointError: a gradient or a Hessian that is not finite.
    """
    if isinstance(arguments, TrajectoryPicture):
        return _of_run(arguments, points, names, steps)
    if not isinstance(arguments, DirectedArguments):
        raise TypeError(f"a picture must be a line, a plane or a trajectory; got {type(arguments).__name__}")
    along = draw or (lambda own, point, count, turn: directions(arguments, own, point, count, turn))
    if arguments.kind == "line":
        build = _line if len(points) == 1 else _line_through
    else:
        build = (_plane, _plane_along, _plane_through)[len(points) - 1]
    return build(arguments, landscape, points, names, along)


def directions(
    arguments: DirectedArguments, landscape: Landscape, point: Float[Tensor, " dim"], count: int, turn: int
) -> Float[Tensor, "count dim"]:
    """The directions that are asked for: drawn ones as long as the point, the others of norm 1.

    Raises:
        ValueError, TypeError: a landscape that has none of this kind, or a point at which they have norm 0.
        FloatingPointError: a gradient or a Hessian that is not finite.
    """
    kind, generator = arguments.directions, derive(arguments.seed, "picture", arguments.directions, turn)
    if kind == "gradient":
        slope = steepest(landscape, point)
        return slope / slope.norm()
    if kind == "hessian":
        return sharpest(landscape, point, count, generator).vectors
    if kind == "random":
        return as_long_as_point(landscape, point, count, turn, arguments.seed)
    normalise = {"filter": filter_normalised, "layer": layer_normalised}[kind]
    return normalise(landscape, point, count, generator, others="filters" if arguments.normalise_others else "zero")


def as_long_as_point(
    landscape: Space, point: Float[Tensor, " dim"], count: int, turn: int, seed: int
) -> Float[Tensor, "count dim"]:
    """Random directions of the norm of the point (ValueError where that is 0)."""
    length = point.norm()
    if not length > 0:
        raise ValueError("a random direction is as long as the weights, and these are all 0: it would have norm 0")
    return random(landscape, point, count, derive(seed, "picture", "random", turn)) * length


def _line(
    arguments: DirectedArguments, landscape: Landscape, points: Tensor, names: Sequence[str], along: Draw
) -> Sections:
    axis = _symmetric(_reach(arguments, AROUND), arguments.points)
    draws = {}
    for turn, label in enumerate(_labels(arguments)):
        (u,) = along(landscape, points[0], 1, turn)
        draws[label] = Section(Line(points[0], points[0] + u), None, [axis])
    words = f"{NAMES[arguments.directions]} from {names[0]}"
    return Sections(draws, {names[0]: (0.0,)}, (words,), _told(arguments, names[0]))


def _line_through(
    arguments: DirectedArguments, landscape: Landscape, points: Tensor, names: Sequence[str], along: Draw
) -> Sections:
    a, b = points
    beyond = _reach(arguments, BEYOND)
    even = torch.linspace(-beyond, 1 + beyond, arguments.points, dtype=torch.float64)
    places = even.new_tensor([0.0, 1.0])
    section = Section(Line(a, b), None, [_with(even, places, a.dtype)], (even, places))
    through = (
        f"The straight line through {names[0]} (at 0) and {names[1]} (at 1); both are points of the grid beside its "
        f"{arguments.points} even ones."
    )
    words = (f"from {names[0]} to {names[1]}",)
    return Sections({NETWORK: section}, {names[0]: (0.0,), names[1]: (1.0,)}, words, through)


def _plane(
    arguments: DirectedArguments, landscape: Landscape, points: Tensor, names: Sequence[str], along: Draw
) -> Sections:
    axis = _symmetric(_reach(arguments, AROUND), arguments.points)
    draws = {
        label: Section(Plane(*along(landscape, points[0], 2, turn)), points[0], [axis, axis])
        for turn, label in enumerate(_labels(arguments))
    }
    words = tuple(f"{NAMES[arguments.directions]} {number}" for number in (1, 2))
    return Sections(draws, {names[0]: (0.0, 0.0)}, words, _told(arguments, names[0]))


def _plane_along(
    arguments: DirectedArguments, landscape: Landscape, points: Tensor, names: Sequence[str], along: Draw
) -> Sections:
    a, b = points
    beyond = _reach(arguments, BEYOND)
    first = torch.linspace(-beyond, 1 + beyond, arguments.points, dtype=torch.float64)
    second = _symmetric(0.5 + beyond, arguments.points)
    draws = {}
    for turn, label in enumerate(_labels(arguments)):
        (v,) = along(landscape, a, 1, turn)
        u = b - a
        v = v - (v @ u) / (u @ u) * u
        draws[label] = Section(Plane(u, v), a, [first, second])
    kind = NAMES[arguments.directions]
    words = (f"from {names[0]} to {names[1]}", f"{kind}, orthogonal to that")
    through = (
        f"The straight line through {names[0]} and {names[1]}, and across it: {_told(arguments, names[0])} Of that the "
        "part is taken that is orthogonal to the line."
    )
    return Sections(draws, {names[0]: (0.0, 0.0), names[1]: (1.0, 0.0)}, words, through)


def _plane_through(
    arguments: DirectedArguments, landscape: Landscape, points: Tensor, names: Sequence[str], along: Draw
) -> Sections:
    a, b, c = points
    plane = plane_through(a, b, c)
    places = (points - a).double() @ plane.axes.double().T
    section = Section(plane, a, _around(places, _reach(arguments, MARGIN), arguments.points))
    marks = {name: (float(x), float(y)) for name, (x, y) in zip(names, places.tolist(), strict=True)}
    words = (f"from {names[0]} toward {names[1]}", f"across, on the side of {names[2]}")
    return Sections({NETWORK: section}, marks, words, f"The plane through {', '.join(names[:2])} and {names[2]}.")


def _of_run(arguments: CutArguments, points: Tensor, names: Sequence[str], steps: Sequence[float] | None) -> Sections:
    found = trajectory(points, steps=steps)
    places = torch.from_numpy(found.dataset["position"].values)
    section = Section(found.plane, found.origin, _around(places, _reach(arguments, MARGIN), arguments.points))
    axes = tuple(
        f"principal component {number + 1} ({share:.0%} of the variance)"
        for number, share in enumerate(found.dataset["variance"].values)
    )
    through = (
        f"The first two principal components of {len(names)} checkpoints about the last of them, {names[-1]}, by a "
        "singular value decomposition (Li et al. 2018)."
    )
    dataset = found.dataset.assign_coords(name=("checkpoint", list(names)))
    return Sections({NETWORK: section}, {}, axes, through, dataset)


def _labels(arguments: DirectedArguments) -> list[str]:
    return [NETWORK] if arguments.draws == 1 else [f"draw {turn + 1}" for turn in range(arguments.draws)]


def _reach(arguments: CutArguments, default: float) -> float:
    return default if arguments.reach is None else arguments.reach


def _symmetric(reach: float, count: int) -> Tensor:
    return torch.linspace(-reach, reach, count, dtype=torch.float64)


def _with(axis: Tensor, places: Tensor, dtype: torch.dtype) -> Tensor:
    """An axis with more places on it, in the place of coordinates that equal them in the dtype of the points."""
    near = torch.finfo(dtype).eps * axis.abs().max() * 8
    far = ((axis[:, None] - places).abs() > near).all(1)
    return torch.cat([axis[far], places]).sort().values


def _around(places: Tensor, margin: float, count: int) -> list[Tensor]:
    """Axes that hold all places, with a margin in shares of the larger extent, so that both are drawn to one scale."""
    low, high = places.double().min(0).values.cpu(), places.double().max(0).values.cpu()
    room = margin * float((high - low).max())
    return [
        torch.linspace(float(least) - room, float(most) + room, count, dtype=torch.float64)
        for least, most in zip(low, high, strict=True)
    ]


def _told(arguments: DirectedArguments, name: str) -> str:
    kind = arguments.directions
    if kind not in DRAWN:
        return f"The {NAMES[kind]}{'' if kind == 'gradient' else 's of the largest eigenvalues'} at {name}, of norm 1."
    others = (
        "each bias and parameter of normalisation is a filter"
        if arguments.normalise_others
        else ("biases and parameters of normalisation stay where they are")
    )
    said = "" if kind == "random" else f"; {others}"
    return f"Gaussian directions drawn with the seed {arguments.seed}, {LENGTHS[kind]} at {name}{said}."
