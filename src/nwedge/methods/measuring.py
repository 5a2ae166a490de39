"""Several metrics at many coordinates of a chart: on all examples, or losses on as few as a tolerance allows."""

import functools
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._random import derive, draw_seeds
from nwedge.landscape import ELEMENTS_AT_ONCE
from nwedge.landscapes.restricted import RestrictedLandscape, restrict
from nwedge.methods.estimation import Anchors, anchor_rows, estimable, estimate
from nwedge.methods.metrics import Metric

Progress = Callable[[int, int], object]
Keep = Callable[[str, Callable[[], Mapping[str, Tensor]]], Mapping[str, Tensor]]
"""From the name of a part of the numbers and what computes them, tensors by name, to these: kept or computed."""
ERROR, EXAMPLES = "_error", "_examples"
LEAST, REPORTS = 32, 100
"""Points that are evaluated at once at least, where memory allows, and the blocks that larger grids are cut into."""
PARTS = 8
"""Parts in which numbers are kept: who is killed loses no more than an eighth of what was asked for at once."""


class Measurement:
    """Metrics as a function of coordinates.

    Args:
        metrics: what is measured.
        seen: the landscape through the chart.
        tolerance: of losses; None evaluates them on all examples.
        floor: the loss below which the tolerance is relative to the floor.
        generator: of the examples that a tolerance draws, the same for all points.
        keep: by which parts are kept; None computes all at once.

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
        keep: Keep | None = None,
    ) -> None:
        self._seen, self._floor, self._keep = seen, floor, keep
        self._seed, self._calls = draw_seeds(generator, 1)[0], 0
        self._estimated = {metric: tolerance for metric in metrics if metric.estimable and tolerance is not None}
        self._whole = [metric for metric in metrics if metric not in self._estimated]
        self._spent: dict[str, tuple[int, int]] = {}
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
        self._calls += 1
        count = len(coords)
        passes = len(self._estimated) + bool(self._whole)
        found: dict[str, Tensor] = {}
        for turn, (metric, tolerance) in enumerate(self._estimated.items()):
            found |= self._estimate(metric, tolerance, coords, _shifted(progress, turn * count, passes * count))
        if self._whole:
            report = _shifted(progress, len(self._estimated) * count, passes * count)
            size = max(1, min(ELEMENTS_AT_ONCE // self._seen.chart.ambient, max(LEAST, count // REPORTS)))

            def measured(start: int, stop: int) -> dict[str, Tensor]:
                return self._on_all_examples(coords[start:stop], size, _shifted(report, start, count))

            found |= self._in_parts("whole", count, measured, report, coords)
        return found

    def _estimate(
        self, metric: Metric, tolerance: float, coords: Tensor, progress: Progress | None
    ) -> dict[str, Tensor]:
        """A loss on few examples: the anchors first, which all parts share, then part by part."""
        landscape = estimable(restrict(metric.landscape, self._seen.chart, self._seen.origin))
        rows = anchor_rows(landscape, len(coords), derive(self._seed, metric.name, "anchors"))

        def known(start: int, stop: int) -> dict[str, Tensor]:
            return {"losses": landscape.example_losses(coords[rows[start:stop]])}

        losses = self._in_parts(f"{metric.name}-anchors", len(rows), known, None, coords).get("losses")
        anchors = Anchors(rows, coords.new_empty(0, landscape.examples) if losses is None else losses)

        def estimated(start: int, stop: int) -> dict[str, Tensor]:
            one = estimate(
                landscape,
                coords[start:stop],
                tolerance=tolerance,
                floor=self._floor,
                generator=derive(self._seed, metric.name),
                anchors=anchors.seen_from(start, stop),
                progress=_shifted(progress, start, len(coords)),
            )
            columns = (one.losses.double(), one.standard_errors.double(), one.examples)
            return {metric.name + end: own for end, own in zip(("", ERROR, EXAMPLES), columns, strict=True)}

        found = self._in_parts(metric.name, len(coords), estimated, progress, coords)
        if found:
            column = metric.name + EXAMPLES
            spent, whole = self._spent.get(column, (0, 0))
            self._spent[column] = spent + int(found[column].sum()), whole + len(coords) * landscape.examples
        return found

    @property
    def shares(self) -> dict[str, float]:
        """Of all examples, what all points so far took, by the name of the column that counts them."""
        return {column: spent / whole for column, (spent, whole) in self._spent.items()}

    def _in_parts(
        self,
        name: str,
        count: int,
        compute: Callable[[int, int], dict[str, Tensor]],
        progress: Progress | None,
        like: Tensor,
    ) -> dict[str, Tensor]:
        """Columns of so many rows, computed in at most 8 parts as equal as can be where parts are kept."""
        number = min(PARTS, count) if self._keep else min(1, count)
        found: list[dict[str, Tensor]] = []
        for part in range(number):
            start, stop = count * part // number, count * (part + 1) // number
            if self._keep:
                own = self._keep(f"{self._calls}-{name}-{part}", functools.partial(compute, start, stop))
            else:
                own = compute(start, stop)
            found.append({column: values.to(like.device) for column, values in own.items()})
            if progress is not None:
                progress(stop, count)
        return {column: torch.cat([own[column] for own in found]) for column in (found[0] if found else ())}

    def _on_all_examples(self, coords: Tensor, size: int, progress: Progress | None) -> dict[str, Tensor]:
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
