"""Training many networks at once, against training them one after the other with torch.optim."""

from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.timing import Goal, Timing, compare
from nwedge import NetworkLandscape, descend
from nwedge._random import derive
from nwedge.landscapes.networks import architectures, data

RUNS, STEPS = 30, 50


def timings() -> Iterator[Timing]:
    """30 digits networks, 50 steps each of SGD with momentum on minibatches of 128."""
    (x, y), _ = data.load("digits")
    landscape = NetworkLandscape(architectures.mlp(64, 10), (x, y))
    start = landscape.initial(RUNS, derive(0))

    def one_by_one() -> None:
        for run in range(RUNS):
            model = architectures.mlp(64, 10)
            trainer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            generator = derive(0, run)
            for _ in range(STEPS):
                batch = torch.randperm(len(x), generator=generator)[:128]
                trainer.zero_grad()
                nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
                trainer.step()

    yield compare(
        f"digits MLP, {RUNS} trainings of {STEPS} steps",
        lambda: descend(landscape, start, lr=0.1, momentum=0.9, steps=STEPS, generator=derive(1)),
        one_by_one,
        rounds=3,
        goal=Goal(faster=3),
    )
