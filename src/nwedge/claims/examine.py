"""A claim of the poster on a landscape of one's own, in one call."""

import xarray as xr

from nwedge._checks import check_choice, check_integer
from nwedge._random import derive
from nwedge.claims import runs
from nwedge.claims._task import claim_module
from nwedge.claims.judging import Verdict
from nwedge.landscape import Landscape
from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.presets import MEMBERS, keep
from nwedge.specs.tasks import RunSpec, TrainSpec


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
    """Train independent runs on a landscape, two for each seed, measure a claim on them, and judge it.

    It is what `nwedge replicate` does, on one landscape and without files.

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
        ValueError, TypeError: an unknown claim, settings of another claim, or what `descend` refuses.
    """
    check_choice("claim", claim, [one.id for one in CLAIMS])
    check_integer("seeds", seeds, 2)
    kind = find_claim(claim).config
    config = kind() if config is None else config
    if not isinstance(config, kind):
        raise TypeError(f"config must be a {kind.__name__} for the claim {claim!r}; got a {type(config).__name__}")
    how = TrainSpec(optimizer=optimizer, steps=steps, momentum=momentum, schedule=schedule, keep=keep(steps))
    plan = [
        RunSpec(lr=lr, weight_decay=weight_decay, seed=seed, member=member)
        for seed in range(seeds)
        for member in range(MEMBERS)
    ]
    group = runs.train(landscape, how, plan)
    measured = []
    for seed in range(seeds):
        own = [runs.run(row, group, landscape) for row, run in enumerate(plan) if run.seed == seed]
        measured.append(claim_module(claim).measure(landscape, own, config, derive(seed, claim)))
    results = xr.concat(measured, dim=xr.DataArray(range(seeds), dims="seed", name="seed"), join="exact")
    return claim_module(claim).verdict({claim: results})
