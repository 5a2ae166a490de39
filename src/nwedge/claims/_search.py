"""The search for the dimension from which random planes reach a level of the loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from jaxtyping import Float
from torch import Generator

from nwedge._random import derive, draw_seeds, one_per_row
from nwedge.landscape import Landscape, evaluate
from nwedge.methods.sections import largest, section
from nwedge.methods.thresholds import find_threshold, most_visited
from nwedge.specs.configs import SectionsConfig

DRAWS = 64
"""Initial points over which their loss is averaged: its standard error is then a few percent at most."""


@dataclass(frozen=True)
class Found:
    """The dimension from which planes succeed.

    Attributes:
        value: half of the planes succeed there. Where every plane succeeds from d = 1 on it is 1; where none succeeds
            and d = D was tried it is D, since the whole space holds the optimum; NaN where it is unknown.
        low: the lower end of its 95 % interval, NaN if unknown.
        high: the upper end.
        censored: whether `value` is a bound, or unknown, rather than a crossing that was seen.
        d: the dimension of each plane, shape (size,), the rest NaN.
        success: 0 or 1, in the same way.
        loss: that each plane reached, in the same way.
    """

    value: float
    low: float
    high: float
    censored: bool
    d: Float[np.ndarray, " size"]
    success: Float[np.ndarray, " size"]
    loss: Float[np.ndarray, " size"]


class Search:
    """Random planes of a landscape, trained once for each dimension that a search asks for, whatever the level.

    Args:
        landscape: any landscape.
        judge: on which the losses reached are taken: the landscape, or it on fewer examples.
        config: how planes are trained.
        seed: of the planes: those of a dimension depend on it and on the dimension alone.
        factor: by which fresh initial points are multiplied to give the planes' origins.
    """

    def __init__(
        self, landscape: Landscape, judge: Landscape, config: SectionsConfig, seed: int, *, factor: float = 1.0
    ) -> None:
        self.landscape, self.judge, self.config, self.seed, self.factor = landscape, judge, config, seed, factor
        self.most = min(largest(landscape, config.kind), config.most or landscape.dim)
        self.losses, self.frugal_losses = cache(self._losses), cache(self._frugal_losses)

    def find(self, level: float, guess: float = 1.0) -> Found:
        """The threshold at an absolute level of the loss; a NaN loss is no success.

        Args:
            level: of the loss.
            guess: the dimension at which the search starts.
        """
        reached = partial(self.frugal_losses, level) if self.config.frugal else self.losses
        found = find_threshold(
            lambda d: reached(d) <= level,
            1,
            self.most,
            guess=1 if np.isnan(guess) else min(self.most, max(1, round(guess))),
            resolution=self.config.resolution,
        )
        loss = np.concatenate([reached(d) for d in np.unique(found.d).tolist()])
        planes = [self._padded(values) for values in (found.d, found.success, loss)]
        if found.value is not None and found.interval is not None:
            return Found(found.value, *found.interval, False, *planes)
        bound = np.nan
        if found.success.all() and found.d.min() == 1:
            bound = 1.0
        elif not found.success.any() and found.d.max() == self.landscape.dim:
            bound = float(self.landscape.dim)
        return Found(bound, bound, bound, True, *planes)

    def _losses(self, d: int) -> Float[np.ndarray, " planes"]:
        """The loss that each plane of dimension d reaches at its best rate."""
        return self._reached(d, range(self.config.planes), self.config.rates)

    def _frugal_losses(self, level: float, d: int) -> Float[np.ndarray, " planes"]:
        """The same, but a plane is left at the first rate at which it reaches the level."""
        found = np.full(self.config.planes, np.nan)
        for rate in self.config.rates:
            todo = np.flatnonzero(~(found <= level))
            if len(todo):
                found[todo] = np.fmin(found[todo], self._reached(d, todo.tolist(), (rate,)))
        return found

    def _reached(self, d: int, planes: Sequence[int], rates: Sequence[float]) -> Float[np.ndarray, " planes"]:
        """The loss that some planes of dimension d reach at the best of some rates."""
        config, names = self.config, ("planes", d)
        origins = self.factor * self.landscape.initial(config.planes, derive(self.seed, "origins", *names))
        seeds = draw_seeds(derive(self.seed, "directions", *names), config.planes)
        streams = one_per_row(derive(self.seed, "minibatches", *names), config.planes)
        found = section(
            self.landscape,
            origins[list(planes)],
            d,
            kind=config.kind,
            seeds=[seeds[plane] for plane in planes],
            lr=rates,
            steps=config.steps,
            judge=self.judge,
            generator=[streams[plane] for plane in planes],
        )
        return found.losses.double().cpu().numpy()

    def _padded(self, values: np.ndarray) -> np.ndarray:
        """One number per plane, in an array of the same size for every seed."""
        size = most_visited(self.most) * self.config.planes
        return np.pad(values.astype(float), (0, size - len(values)), constant_values=np.nan)


def at_random(landscape: Landscape, generator: Generator) -> tuple[float, float]:
    """The mean loss of fresh initial points, and their mean distance from the origin."""
    points = landscape.initial(DRAWS, generator)
    return evaluate(landscape, points).mean().item(), points.norm(dim=1).mean().item()
