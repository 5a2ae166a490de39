"""A claim of the poster on a landscape of one's own, in one call."""

import math

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
from nwedge.specs.tasks import RunSpec, TrainSpec

SHEET_STEPS = Sheets.steps
"""Of the training of a sheet, where no other number is given: those of the presets."""


def examine(
    landscape: Landscape,
    claim: str,
    *,
    lr: float,
    steps: int,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    schedule: str = "constant",
    seeds: int = 5,
    config: Spec | None = None,
    sheet_steps: int = SHEET_STEPS,
) -> Verdict:
    """Train independent runs on a landscape, as many a seed as the claim reads, measure it on them, and judge it.

    It is what `nwedge replicate` does, on one landscape and without files. Losses should have their infimum near 0: a
    run counts as trained where its last loss is at most a quarter of its first.

    Args:
        landscape: any landscape that passes `check_landscape`.
        claim: the id of a claim, such as "tunnels"; `nwedge claims` lists them.
        lr: the learning rate; this and the other settings of the training are those of `descend`.
        steps: of the training.
        optimizer: "sgd" or "adam".
        momentum: of SGD.
        weight_decay: the coefficient of the L2 penalty's gradient.
        schedule: "constant" or "cosine".
        seeds: independent repetitions, at least 2: the unit of the interval.
        config: the settings of the claim; None takes its defaults.
        sheet_steps: of the training of each sheet that the claim reads.

    Returns:
        The verdict: outcome, statistic, interval, threshold, sentence and parts.

    Raises:
        ValueError, TypeError: an unknown claim, one that needs sweeps or other claims, settings of another claim, or
            what `descend` refuses.
    """
    check_integer("seeds", seeds, 2)
    chosen, config = _chosen(claim, config)
    members = chosen.members(config)
    how = TrainSpec(optimizer=optimizer, steps=steps, momentum=momentum, schedule=schedule, keep=keep(steps))
    plan = [
        RunSpec(lr=lr, weight_decay=weight_decay, seed=seed, member=member)
        for seed in range(seeds)
        for member in range(members)
    ]
    group = runs.train(landscape, how, plan)
    trained = [runs.run(row, group, landscape, run) for row, run in enumerate(plan)]
    by_seed = [trained[seed * members :][:members] for seed in range(seeds)]
    return _judged(landscape, chosen, config, by_seed, sheet_steps)


def examine_optima(
    landscape: Landscape,
    claim: str,
    optima: Float[Tensor, "seeds members dim"],
    *,
    config: Spec | None = None,
    sheet_steps: int = SHEET_STEPS,
) -> Verdict:
    """Measure a claim at optima that you trained yourself, in whatever framework, and judge it.

    Their training is taken to have begun at points that `landscape.initial` draws, and they count as trained where the
    loss is at most a quarter of the loss there.

    Args:
        landscape: any landscape that passes `check_landscape`.
        claim: the id of a claim that reads optima, not the way to them.
        optima: independent ones for each of at least two seeds, the unit of the interval; of each seed the first are
            taken, as many as the claim reads.
        config: the settings of the claim; None takes its defaults.
        sheet_steps: of the training of each sheet that the claim reads.

    Returns:
        The verdict: outcome, statistic, interval, threshold, sentence and parts.

    Raises:
        ValueError, TypeError: an unknown claim, one that needs sweeps, other claims or the training itself, settings of
            another claim, too few optima, or points that do not belong to the landscape.
    """
    chosen, config = _chosen(claim, config)
    if chosen.trajectory:
        raise ValueError(f"the claim {claim!r} is about the way to an optimum: train with `examine`")
    members = chosen.members(config)
    shape = tuple(optima.shape)
    if len(shape) != 3 or shape[0] < 2 or shape[1] < members or shape[2] != landscape.dim:
        raise ValueError(
            f"optima must have shape (seeds, members, {landscape.dim}) with at least 2 seeds and, for {claim!r}, "
            f"{members} members; got {shape}"
        )
    by_seed = [_ending(landscape, ends, seed) for seed, ends in enumerate(optima.detach()[:, :members])]
    return _judged(landscape, chosen, config, by_seed, sheet_steps)


def _chosen(claim: str, config: Spec | None) -> tuple[Claim, Spec]:
    """A claim that reads runs at one rate, and its settings."""
    check_choice("claim", claim, [one.id for one in CLAIMS])
    chosen = find_claim(claim)
    config = chosen.config() if config is None else config
    if not isinstance(config, chosen.config):
        raise TypeError(f"config must be a {chosen.config.__name__} for {claim!r}; got a {type(config).__name__}")
    if not chosen.alone:
        raise ValueError(f"the claim {claim!r} needs more than runs at one rate: only `nwedge replicate` measures it")
    return chosen, config


def _ending(landscape: Landscape, ends: Float[Tensor, "members dim"], seed: int) -> list[runs.Run]:
    """The runs of a seed that end at given points."""
    specs = [RunSpec(lr=math.nan, seed=seed, member=member) for member in range(len(ends))]
    starts = torch.cat([landscape.initial(1, derive(seed, "start", spec.member)) for spec in specs])
    losses = torch.stack([evaluate(landscape, starts), evaluate(landscape, ends)], dim=1).cpu().numpy()
    points = torch.stack([starts, ends], dim=1)
    step = np.array([0, 1])
    return [runs.Run(points[row], step, losses[row], landscape, spec) for row, spec in enumerate(specs)]


def _judged(
    landscape: Landscape, claim: Claim, config: Spec, by_seed: list[list[runs.Run]], sheet_steps: int
) -> Verdict:
    """Measure a claim on the runs of each seed, and judge it."""
    check_integer("sheet_steps", sheet_steps, 0)
    module, measured = claim_module(claim.id), []
    for seed, own in enumerate(by_seed):
        spanned = [_sheet(landscape, own, m, sheet_steps) for m in claim.sizes(config)]
        measured.append(module.measure(landscape, runs.Runs(own, spanned), config, derive(seed, claim.id)))
    results = xr.concat(measured, dim=xr.DataArray(range(len(by_seed)), dims="seed", name="seed"), join="exact")
    return module.verdict({claim.id: results})


def _sheet(landscape: Landscape, own: list[runs.Run], m: int, steps: int) -> sheets.SpannedOptima:
    how = Sheets((m,))
    result = sheets.train(
        landscape,
        torch.stack([run.start for run in own]),
        torch.stack([run.optimum for run in own]),
        names=[(run.spec.seed, run.spec.member) for run in own],
        m=m,
        steps=steps,
        rate=how.rate,
        samples=how.samples_of(m),
        generator=derive(own[0].spec.seed, "sheet", m),
    )
    return sheets.spanned(result, landscape)
