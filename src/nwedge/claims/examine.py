"""A claim of the poster on a landscape of one's own, in one call."""

import math
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_choice, check_integer
from nwedge._random import derive
from nwedge.claims import runs, sheets
from nwedge.claims._task import claim_module
from nwedge.claims.judging import Verdict
from nwedge.landscape import Landscape, evaluate
from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS, Claim
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.subjects import Sheets, keep
from nwedge.specs.tasks import OPTIMA, RunSpec, TrainSpec


def examine(
    landscape: Landscape,
    claim: str,
    *,
    optima: Float[Tensor, "seeds members dim"] | None = None,
    lr: float | None = None,
    steps: int | None = None,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    schedule: str = "constant",
    seeds: int = 5,
    config: Spec | None = None,
) -> Verdict:
    """Train independent runs on a landscape, as many a seed as the claim reads, measure it on them, and judge it.

    It is what `nwedge replicate` does, on one landscape and without files. Losses should have their infimum near 0: a
    run counts as trained where its last loss is at most a quarter of its first.

    Args:
        landscape: any landscape that passes `check_landscape`.
        claim: the id of a claim, such as "tunnels"; `nwedge claims` lists them.
        optima: the results of your own training, in place of the settings of one: independent ones for each of the
            seeds, so that `optima[0]` holds the points that seed 0 spans a tunnel or sheet over. Their training is
            taken to have begun at points that `landscape.initial` draws.
        lr: the learning rate; this and the other settings of the training are those of `descend`.
        steps: of the training.
        optimizer: "sgd" or "adam".
        momentum: of SGD.
        weight_decay: the coefficient of the L2 penalty's gradient.
        schedule: "constant" or "cosine".
        seeds: independent repetitions, at least 2: the unit of the interval.
        config: the settings of the claim; None takes its defaults.

    Returns:
        The verdict: outcome, statistic, interval, threshold, sentence and parts.

    Raises:
        ValueError, TypeError: an unknown claim, one that needs sweeps or other claims, settings of another claim,
            neither optima nor lr and steps, optima for a claim that needs the training itself, too few of them, or what
            `descend` refuses.
    """
    check_choice("claim", claim, [one.id for one in CLAIMS])
    check_integer("seeds", seeds, 2)
    chosen = find_claim(claim)
    config = chosen.config() if config is None else config
    if not isinstance(config, chosen.config):
        raise TypeError(f"config must be a {chosen.config.__name__} for {claim!r}; got a {type(config).__name__}")
    if chosen.needs or OPTIMA not in chosen.reads:
        raise ValueError(f"the claim {claim!r} needs more than runs at one rate: only `nwedge replicate` measures it")
    members = max(chosen.reads[OPTIMA], *_sizes(config)) if chosen.sheets else chosen.reads[OPTIMA]
    if optima is None:
        if lr is None or steps is None:
            raise ValueError(
                "a landscape is examined at optima: give lr= and steps= to train some, or optima= of yours"
            )
        how = TrainSpec(optimizer=optimizer, steps=steps, momentum=momentum, schedule=schedule, keep=keep(steps))
        by_seed = _trained(landscape, how, RunSpec(lr=lr, weight_decay=weight_decay, seed=0, member=0), seeds, members)
    else:
        by_seed = _given(landscape, chosen, optima, members)
    measured = []
    for seed, own in enumerate(by_seed):
        spanned = [_sheet(landscape, own, m) for m in _sizes(config)] if chosen.sheets else []
        read = runs.Runs(own, spanned)
        measured.append(claim_module(claim).measure(landscape, read, config, derive(seed, claim)))
    results = xr.concat(measured, dim=xr.DataArray(range(len(by_seed)), dims="seed", name="seed"), join="exact")
    return claim_module(claim).verdict({claim: results})


def _trained(landscape: Landscape, how: TrainSpec, spec: RunSpec, seeds: int, members: int) -> list[list[runs.Run]]:
    """The runs of each seed, trained all at once."""
    plan = [replace(spec, seed=seed, member=member) for seed in range(seeds) for member in range(members)]
    group = runs.train(landscape, how, plan)
    every = [runs.run(row, group, landscape, run) for row, run in enumerate(plan)]
    return [every[seed * members :][:members] for seed in range(seeds)]


def _given(landscape: Landscape, claim: Claim, optima: Tensor, members: int) -> list[list[runs.Run]]:
    """The runs that end at given optima, of each seed."""
    if claim.trajectory:
        raise ValueError(f"the claim {claim.id!r} is about the way to an optimum: give lr= and steps=, not optima=")
    shape = (2, members, landscape.dim)
    if optima.ndim != 3 or len(optima) < shape[0] or optima.shape[1] < members or optima.shape[2] != landscape.dim:
        raise ValueError(
            f"optima must have shape (seeds, members, {landscape.dim}) with at least 2 seeds and, for {claim.id!r}, "
            f"{members} members; got {tuple(optima.shape)}"
        )
    by_seed = []
    for seed, ends in enumerate(optima.detach()):
        starts = torch.cat([landscape.initial(1, derive(seed, "start", member)) for member in range(len(ends))])
        points = torch.stack([starts, ends], dim=1)
        losses = torch.stack([evaluate(landscape, starts), evaluate(landscape, ends)], dim=1).cpu().numpy()
        specs = [RunSpec(lr=math.nan, seed=seed, member=member) for member in range(len(ends))]
        kept = [(points[spec.member], np.array([0, 1]), losses[spec.member]) for spec in specs]
        by_seed.append([runs.Run(*one, landscape, spec) for one, spec in zip(kept, specs, strict=True)])
    return by_seed


def _sizes(config: Spec) -> tuple[int, ...]:
    """The numbers of optima of the sheets that a claim reads."""
    m = getattr(config, "m", ())
    return (m,) if isinstance(m, int) else m


def _sheet(landscape: Landscape, own: list[runs.Run], m: int) -> sheets.SpannedOptima:
    how = Sheets((m,))
    result = sheets.train(
        landscape,
        torch.stack([run.start for run in own]),
        torch.stack([run.optimum for run in own]),
        names=[(run.spec.seed, run.spec.member) for run in own],
        m=m,
        steps=how.steps,
        rate=how.rate,
        samples=how.samples_of(m),
        generator=derive(own[0].spec.seed, "sheet", m),
    )
    return sheets.spanned(result, landscape)
