"""The digits network: trained in one group, walled off on the line, joined by tunnels on every pair."""

import torch

from nwedge._random import derive
from nwedge.build import build
from nwedge.claims._task import execute
from nwedge.landscape import evaluate
from nwedge.methods.tunnels import tunnel
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import GroupSpec

PAIRS = 5
REPLICATION = Replicate(claims=("tunnels",), landscapes=("network",), seeds=PAIRS)


def test_the_line_is_at_least_thirty_times_as_high_as_the_tunnel_on_each_of_five_pairs() -> None:
    (group,) = (task for task in REPLICATION.tasks() if isinstance(task, GroupSpec))
    landscape = build(group.landscape)
    optima = torch.from_numpy(execute(group, {}).weights["points"][:, -1])
    assert (evaluate(landscape, optima) < 0.01).all()
    assert (landscape.held_out.accuracy(optima) > 0.95).all()
    for seed, (a, b) in enumerate(optima.view(PAIRS, -1, landscape.dim)[:, :2]):
        found = tunnel(landscape, a, b, generator=derive(seed, "pair"))
        assert found.line_barrier > 0.1
        assert found.line_barrier >= 30 * found.barrier
