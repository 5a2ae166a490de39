"""A claim of the poster on a landscape of one's own, in one call."""

import torch
import xarray as xr

from nwedge._checks import check_choice, check_integer
from nwedge._random import derive
from nwedge.claims import runs, sheets
from nwedge.claims._task import claim_module
from nwedge.claims.judging import Verdict
from nwedge.landscape import Landscape
from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.subjects import Sheets, keep
from nwedge.specs.tasks import OPTIMA, RunSpec, TrainSpec


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

    Returns:
        The verdict: outcome, statistic, interval, threshold, sentence and parts.

    Raises:
        ValueError, TypeError: an unknown claim, one that needs sweeps or other claims, settings of another claim, or
            what `descend` refuses.
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
    how = TrainSpec(optimizer=optimizer, steps=steps, momentum=momentum, schedule=schedule, keep=keep(steps))
    plan = [
        RunSpec(lr=lr, weight_decay=weight_decay, seed=seed, member=member)
        for seed in range(seeds)
        for member in range(members)
    ]
    group = runs.train(landscape, how, plan)
    measured = []
    for seed in range(seeds):
        own = [runs.run(row, group, landscape, run) for row, run in enumerate(plan) if run.seed == seed]
        spanned = [_sheet(landscape, own, m) for m in _sizes(config)] if chosen.sheets else []
        read = runs.Runs(own, spanned)
        measured.append(claim_module(claim).measure(landscape, read, config, derive(seed, claim)))
    results = xr.concat(measured, dim=xr.DataArray(range(seeds), dims="seed", name="seed"), join="exact")
    return claim_module(claim).verdict({claim: results})


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
