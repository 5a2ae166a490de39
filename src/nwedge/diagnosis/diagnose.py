"""The diagnosis of several checkpoints of one network, in one call."""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_points
from nwedge._random import choose, derive
from nwedge.diagnosis.advice import SINGLE, cautions, recommend
from nwedge.diagnosis.clusters import clusters, predicted_average
from nwedge.diagnosis.diagnosis import Checkpoint, Diagnosis, Measured, Plane, Prediction, Tunnel
from nwedge.diagnosis.options import Options
from nwedge.diagnosis.pairs import angles, lines, sampled_losses
from nwedge.diagnosis.records import Scores, halves, scores
from nwedge.geometry import NoPlaneError, plane_through
from nwedge.landscape import evaluate
from nwedge.landscapes.networks.batch_norm import running_statistics
from nwedge.landscapes.networks.network import NetworkLandscape, PredictiveNetwork
from nwedge.landscapes.restricted import restrict
from nwedge.methods.curvature import short_directions
from nwedge.methods.probes import radial_width
from nwedge.methods.tunnels import barrier, connect

LEVEL = 0.05
"""The highest barrier of a line that counts as low, as a share of the loss of blind guessing, log(classes)."""
WIDTH_LEVEL = 0.2
"""The loss at which the width of a checkpoint is taken, in the same share, above its own."""
DIRECTIONS, EXAMPLES = 16, 500
"""Random directions of a width, and the training examples that widths and curvatures see at most."""
THRESHOLDS, PRODUCTS = (0.01, 0.1, 1.0), 64
"""Curvatures above which directions are short, and the Hessian products that the count of each checkpoint takes."""
SIDE, MARGIN = 25, 0.25
"""Points of a side of the plane through three checkpoints, and how far it goes beyond them, in shares of its extent."""
THREE = 3
"""Checkpoints that a plane takes."""
TUNNELS, STEPS, RATE, ALONG = 3, 300, 0.1, 21
"""The most tunnels that are trained, the steps and the relative rate of each, and the losses along it."""


def diagnose(
    landscape: NetworkLandscape,
    points: Float[Tensor, "points dim"],
    *,
    names: Sequence[str] | None = None,
    statistics: Sequence[Mapping[str, Tensor]] | None = None,
    level: float | None = None,
    plane: Sequence[str] | None = None,
    seed: int = 0,
) -> Diagnosis:
    """What several checkpoints of one network are to each other, and whether to average or to ensemble them.

    Choices are made on one half of the held-out data and scored on the other (halves stratified by class). See
    `nwedge.diagnosis.advice` for the rule, `nwedge.diagnosis.clusters` for what is predicted of the average before it
    is evaluated. A checkpoint that overflows on the training data is left out, and a warning tells so.

    Args:
        landscape: a network with held-out data and class labels.
        points: the checkpoints, all different, at least one.
        names: of the checkpoints; None numbers them.
        statistics: the running statistics of BatchNorm of each checkpoint, by their names in the model: with them it is
            shown what a plain average of state dicts does. None where there are none.
        level: the highest barrier, in nats, of a line that counts as low; None takes log(classes) / 20.
        plane: the names of three points through which a plane is drawn; None takes the most accurate of different
            clusters.
        seed: of the halves, the samples of examples, and what is trained.

    Raises:
        TypeError: a landscape that is no network, that does not predict classes, or of half precision.
        ValueError: no held-out data, no points, equal points, names of another number, no point that does not overflow,
            statistics that are missing or of another shape, or a plane through others than these points.
    """
    landscape = _checked(landscape, points)
    names = [str(place) for place in range(len(points))] if names is None else list(names)
    if len(names) != len(points):
        raise ValueError(f"names must be {len(points)}, one for each point; got {len(names)}")
    running = _running(landscape, points, statistics)
    losses, norms = evaluate(landscape, points), points.norm(dim=1)
    finite = (losses.isfinite() & norms.isfinite()).tolist()
    warnings = [
        f"{name} overflows, with a training loss of {loss:g} at weights of norm {norm:g}: it is left out"
        for name, loss, norm, kept in zip(names, losses.tolist(), norms.tolist(), finite, strict=True)
        if not kept
    ]
    if not any(finite):
        raise ValueError(f"no checkpoint has a finite training loss: {warnings[0]}")
    names, points, losses = list(itertools.compress(names, finite)), points[finite], losses[finite]
    running = None if running is None else running[finite]
    if plane is not None and not len(plane) == len(set(plane) & set(names)) == THREE:
        raise ValueError(f"plane must be the names of three different points; got {', '.join(plane)}")
    held_out = landscape.held_out
    labels = held_out.labels.cpu().numpy()
    choosing, scoring = halves(labels, seed)
    options = Options(landscape, points, choosing, seed)
    blind = math.log(max(2, options.classes))
    level = LEVEL * blind if level is None else level

    pairs = lines(landscape, points, blind=blind, seed=seed)
    together = clusters(pairs.barriers, level)
    predicted = predicted_average(pairs.losses, pairs.middles, together)
    best = options.order[0]
    aligned = options.aligned()
    found = options.all(aligned)
    choices = {name: one.record.on(choosing) for name, one in found.items() if len(one.members) > 1 or name == SINGLE}
    apart = _walled_off(together, options.order)
    three = list(map(names.index, plane or ())) or list(dict.fromkeys([best, *apart, *options.order]))[:THREE]
    drawn = _plane(landscape, points, names, three, seed)
    advice = recommend(choices, seed)
    warnings += [options.not_aligned()] if aligned is None and len(points) > 1 else []
    warnings += [ON_A_LINE] if drawn is None and len(points) >= THREE else []
    warnings += cautions(advice, pairs.barriers, level, len(choosing))
    return Diagnosis(
        checkpoints=[
            _checkpoint(landscape, point, name, loss, scores(options.singles[place].on(scoring), seed), blind, seed)
            for place, (point, name, loss) in enumerate(zip(points, names, losses.tolist(), strict=True))
        ],
        barriers=pairs.barriers,
        barrier_errors=pairs.errors,
        level=level,
        aligned_barriers=None
        if aligned is None
        else lines(landscape, aligned, blind=blind, seed=seed, hub=best).barriers[best],
        angles=angles(points),
        disagreement=options.disagreement,
        clusters=[[names[place] for place in members] for members in together],
        tunnels=[
            _tunnel(landscape, points, names, (best, other), pairs.barriers[best, other], blind, seed)
            for other in apart[:TUNNELS]
        ],
        options={
            name: Measured(scores(one.record.on(scoring), seed), one.passes, [names[place] for place in one.members])
            for name, one in found.items()
        },
        recommendation=advice,
        prediction=Prediction(predicted, evaluate(landscape, points.mean(0)[None]).item())
        if len(points) >= THREE
        else None,
        plane=drawn,
        averaged_statistics=None
        if running is None
        else lines(landscape, points, blind=blind, seed=seed, statistics=running).barriers,
        warnings=warnings,
        seed=seed,
        points={name: one.point for name, one in found.items() if one.point is not None},
    )


ON_A_LINE = "the three checkpoints of the plane lie on one line, so that no plane is drawn"


def _checked(landscape: NetworkLandscape, points: Tensor) -> PredictiveNetwork:
    if not isinstance(landscape, NetworkLandscape):
        raise TypeError(f"landscape must be a nwedge.NetworkLandscape; got {type(landscape).__name__}")
    if not isinstance(landscape, PredictiveNetwork):
        raise TypeError("the landscape must predict classes: give predict= beside a loss of its own")
    if landscape.held_out is None:
        raise ValueError("the landscape must have held-out data, on which options are chosen and scored")
    if landscape.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"the landscape must be of float32 or float64; got {landscape.dtype}: build model.float()")
    check_points(landscape, points)
    if not len(points):
        raise ValueError("points must be at least one checkpoint; got none")
    for place, point in enumerate(points):
        same = [other for other in range(place) if torch.equal(points[other], point)]
        if same:
            raise ValueError(f"points {same[0]} and {place} are equal: give each checkpoint once")
    return landscape


def _running(
    landscape: PredictiveNetwork, points: Tensor, statistics: Sequence[Mapping[str, Tensor]] | None
) -> Tensor | None:
    """The running statistics of each point, shape (points, statistics), where they can be given to the network."""
    if statistics is None or not landscape.recomputes:
        return None
    if len(statistics) != len(points):
        raise ValueError(f"statistics must be {len(points)}, one for each point; got {len(statistics)}")
    model = landscape.model
    return torch.stack([running_statistics(model, own).to(points) for own in statistics])


def _checkpoint(
    landscape: PredictiveNetwork, point: Tensor, name: str, loss: float, held_out: Scores, blind: float, seed: int
) -> Checkpoint:
    few = _few(landscape, seed)
    width = radial_width(
        few, point[None], loss + WIDTH_LEVEL * blind, directions=DIRECTIONS, generator=derive(seed, "width", name)
    )
    counts = short_directions(
        few,
        point,
        THRESHOLDS,
        method="exact" if landscape.dim <= PRODUCTS else "lanczos",
        products=PRODUCTS,
        generator=derive(seed, "curvature", name),
    )
    return Checkpoint(
        name=name,
        train_loss=loss,
        train_accuracy=landscape.accuracy(point[None]).item(),
        held_out=held_out,
        width=math.degrees(width.angles.clamp(max=math.pi / 2).mean().item()),
        short={
            f"{threshold:g}": (count.item(), error.item())
            for threshold, count, error in zip(THRESHOLDS, counts.counts, counts.standard_errors, strict=True)
        },
    )


def _walled_off(together: Sequence[Sequence[int]], order: Sequence[int]) -> list[int]:
    """The most accurate point of each cluster but the best point's own."""
    (home,) = [members for members in together if order[0] in members]
    return [next(place for place in order if place in members) for members in together if members is not home]


def _plane(
    landscape: PredictiveNetwork, points: Tensor, names: Sequence[str], three: Sequence[int], seed: int
) -> Plane | None:
    """The loss on an orthogonal grid around three points, some way beyond them; None if they span no plane."""
    if len(three) < THREE:
        return None
    a, b, c = (points[place] for place in three)
    try:
        axes = plane_through(a, b, c)
    except NoPlaneError:
        return None
    corners = torch.stack([a - a, b - a, c - a]) @ axes.axes.T
    low, high = corners.min(0).values, corners.max(0).values
    margin = MARGIN * (high - low)
    x, y = (torch.linspace(float(s), float(e), SIDE).to(a) for s, e in zip(low - margin, high + margin, strict=True))
    grid = torch.stack([x.repeat(SIDE), y.repeat_interleave(SIDE)], 1)
    losses = evaluate(restrict(_few(landscape, seed), axes, a), grid).view(SIDE, SIDE)
    found = (tensor.double().cpu().numpy() for tensor in (corners, x, y, losses))
    return Plane([names[place] for place in three], *found)


def _few(landscape: PredictiveNetwork, seed: int) -> NetworkLandscape:
    """The network on some of its training examples, of which recomputed BatchNorm statistics are, too."""
    few = choose(landscape.examples, min(EXAMPLES, landscape.examples), derive(seed, "few"))
    return landscape.take(few, alone=True)


def _tunnel(
    landscape: PredictiveNetwork,
    points: Tensor,
    names: Sequence[str],
    ends: tuple[int, int],
    line: float,
    blind: float,
    seed: int,
) -> Tunnel:
    a, b = (points[place] for place in ends)
    generator = derive(seed, "tunnel", *ends)
    path = connect(landscape, a, b, method="bezier", steps=STEPS, rate=RATE, samples=1, generator=generator)
    t = torch.linspace(0, 1, ALONG, dtype=a.dtype, device=a.device)[:, None]
    losses, _ = sampled_losses(landscape, path, t, blind, seed)
    return Tunnel((names[ends[0]], names[ends[1]]), float(line), barrier(losses[None]).item())
