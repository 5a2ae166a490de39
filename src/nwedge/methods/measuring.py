"""Several metrics at many coordinates of a chart: on all examples, or losses on as few as a tolerance allows."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import derive, draw_seeds
from nwedge.landscape import ELEMENTS_AT_ONCE
from nwedge.landscapes.restricted import RestrictedLandscape, restrict
from nwedge.methods.estimation import estimate
from nwedge.methods.metrics import Metric

Progress = Callable[[int, int], object]
ERROR, EXAMPLES = "_error", "_examples"
LEAST, REPORTS = 32, 100
"""Points that are evaluated at once at least, where memory allows, and the blocks that larger grids are cut into."""


class Measurement:
    """Metrics as a function of coordinates.

    Args:
        metrics: what is measured.
        seen: the landscape through the chart.
        tolerance: of losses; None evaluates them on all examples.
        floor: the loss below which the tolerance is relative to the floor.
        generator: of the examples that a tolerance draws, the same for all points.

    Attributes:
        columns: for each column of the result its words and its units, by name.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        seen: RestrictedLandscape,
        tolerance: float | None,
        floor: float,
        generator: Generator,
    ) -> None:
        self._seen, self._floor = seen, floor
        self._seed = draw_seeds(generator, 1)[0]
        self._estimated = {metric: tolerance for metric in metrics if metric.estimable and tolerance is not None}
        self._whole = [metric for metric in metrics if metric not in self._estimated]
        self.columns = {metric.name: (metric.long_name, metric.units) for metric in metrics}
        for metric in self._estimated:
            self.columns[metric.name + ERROR] = (f"standard error of the {metric.long_name}", metric.units)
            self.columns[metric.name + EXAMPLES] = (f"examples of the {metric.long_name}", "1")

    def __call__(self, coords: Float[Tensor, "point coords"], progress: Progress | None = None) -> dict[str, Tensor]:
        """The columns by name, each of shape (point,).

        Args:
            coords: shape (point, coords).
            progress: called with the number of points that are done and of all; a point that is seen by several
                passes (one for each loss that is estimated, one for all else) counts as often.
        """
        count = len(coords)
        passes = len(self._estimated) + bool(self._whole)
        found: dict[str, Tensor] = {}
        for turn, (metric, tolerance) in enumerate(self._estimated.items()):
            one = estimate(
                restrict(metric.landscape, self._seen.chart, self._seen.origin),
                coords,
                tolerance=tolerance,
                floor=self._floor,
                generator=derive(self._seed, metric.name),
                progress=_shifted(progress, turn * count, passes * count),
            )
            columns = (one.losses.double(), one.standard_errors.double(), one.examples)
            found |= {metric.name + end: own for end, own in zip(("", ERROR, EXAMPLES), columns, strict=True)}
        report = _shifted(progress, len(self._estimated) * count, passes * count)
        return found | self._on_all_examples(coords, report)

    def _on_all_examples(self, coords: Tensor, progress: Progress | None) -> dict[str, Tensor]:
        if not self._whole:
            return {}
        size = max(1, min(ELEMENTS_AT_ONCE // self._seen.chart.ambient, max(LEAST, len(coords) // REPORTS)))
        parts: dict[str, list[Tensor]] = {metric.name: [] for metric in self._whole}
        done = 0
        for part in coords.split(size):
            points = self._seen.embed(part)
            for metric in self._whole:
                parts[metric.name].append(metric(points))
            done += len(part)
            if progress is not None:
                progress(done, len(coords))
        return {name: torch.cat(values) for name, values in parts.items()}


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """The progress of one pass as part of several."""
    return None if progress is None else lambda done, _: progress(before + done, total)
