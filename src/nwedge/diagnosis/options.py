"""What can be done with several checkpoints: the weights or the predictions of each option on the held-out data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nwedge._random import derive
from nwedge.diagnosis.advice import ALIGNED, AVERAGE, ENSEMBLE, SINGLE, SOUP, TUNNEL
from nwedge.diagnosis.records import Record
from nwedge.landscapes.networks.network import PredictiveNetwork
from nwedge.methods.alignment import align, alignable
from nwedge.methods.ensembling import RunningAverage, differing, predicted_classes
from nwedge.methods.sheets import m_tunnel

STARTS = 3
"""Of each alignment."""
SHEET, STEPS, SAMPLES = 5, 300, 8
"""The most optima that an m-tunnel spans, the steps of its training, and the points of the sheet in each."""


@dataclass(frozen=True, eq=False)
class Option:
    """An option: what it predicts, what it costs, and its weights where it has one set of them.

    Attributes:
        record: of its predictions on the held-out data.
        passes: through the network for one prediction.
        point: its weights, shape (dim,); None where it has several.
        members: the checkpoints that take part, by their place.
    """

    record: Record
    passes: int
    point: Float[Tensor, " dim"] | None
    members: tuple[int, ...]


class Options:
    """The options for points of a network.

    Args:
        landscape: a network with held-out data and labels.
        points: the checkpoints, shape (points, dim), at least one.
        choosing: the held-out examples on which choices are made.
        seed: of alignments and sheets.

    Attributes:
        singles: the record of each point.
        classes: how many are predicted.
        disagreement: the share of examples on which two points predict different classes, shape (points, points).
        order: the points by their rank on the choosing half, the best first.
    """

    def __init__(
        self,
        landscape: PredictiveNetwork,
        points: Float[Tensor, "points dim"],
        choosing: Int[np.ndarray, " some"],
        seed: int,
    ) -> None:
        self._landscape, self._points, self._choosing, self._seed = landscape, points, choosing, seed
        self._labels = landscape.held_out.labels.cpu().numpy()
        self._every = tuple(range(len(points)))
        together = RunningAverage()
        self.singles: list[Record] = []
        predicted: list[Tensor] = []
        for point in points:
            probabilities = self._predict(point)
            together.update(probabilities)
            predicted.append(predicted_classes(probabilities))
            self.singles.append(self._record(probabilities))
        self._together = self._record(together.average)
        self.classes = together.average.shape[1]
        self.disagreement = differing(torch.stack(predicted)).cpu().numpy()
        self.order = sorted(self._every, key=lambda one: self.singles[one].on(choosing).rank, reverse=True)
        """The points from the most to the least accurate on the choosing half."""

    def all(self, aligned: Float[Tensor, "points dim"] | None) -> dict[str, Option]:
        """Every option that there is, by its name.

        Args:
            aligned: the points aligned to the most accurate one; None where there are none.
        """
        count = len(self._points)
        found = {SINGLE: self._single()}
        if count == 1:
            return found
        found[AVERAGE] = self._average(self._points, self._every)
        if aligned is not None:
            found[ALIGNED] = self._average(aligned, self._every)
        found[SOUP] = self._soup()
        found[ENSEMBLE] = Option(self._together, count, None, self._every)
        found[TUNNEL] = self._tunnel()
        return found

    def aligned(self) -> Float[Tensor, "points dim"] | None:
        """Every point with its hidden units in the order closest to the best point's; None where that is not known."""
        if len(self._points) < 2 or not alignable(self._landscape):
            return None
        best = self.order[0]
        rows = [
            point
            if place == best
            else align(
                self._landscape,
                self._points[best],
                point,
                starts=STARTS,
                generator=derive(self._seed, "alignment", place),
            )
            for place, point in enumerate(self._points)
        ]
        return torch.stack(rows)

    def not_aligned(self) -> str:
        """Why `aligned` gives nothing for several points, in one sentence."""
        try:
            why = f"no hidden units can change places: {self._landscape.permutations}"
        except ValueError as error:
            why = str(error)
        return f"nothing is aligned, since {'; '.join(why.splitlines())}"

    def _single(self) -> Option:
        best = self.order[0]
        return Option(self.singles[best], 1, self._points[best], (best,))

    def _average(self, points: Tensor, members: Sequence[int]) -> Option:
        point = points[list(members)].mean(0)
        return Option(self._record(self._predict(point)), 1, point, tuple(members))

    def _soup(self) -> Option:
        """The greedy soup: from the most accurate on, each point stays if the average is then no less accurate.

        Wortsman et al. 2022, arXiv 2203.05482, recipe 1, by the accuracy on the choosing half.
        """
        soup = self._single()
        for one in self.order[1:]:
            larger = self._average(self._points, (*soup.members, one))
            if larger.record.on(self._choosing).accuracy >= soup.record.on(self._choosing).accuracy:
                soup = larger
        return soup

    def _tunnel(self) -> Option:
        """The mean prediction at random points of a sheet through the most accurate points, as many as there are."""
        members = tuple(self.order[:SHEET])
        generator = derive(self._seed, "m-tunnel")
        sheet = m_tunnel(
            self._landscape, self._points[list(members)], steps=STEPS, samples=SAMPLES, generator=generator
        )
        together = RunningAverage()
        for point in sheet.sample(len(self._points), generator):
            together.update(self._predict(point))
        return Option(self._record(together.average), len(self._points), None, members)

    def _predict(self, point: Tensor) -> Tensor:
        return self._landscape.held_out.predict(point[None])[0]

    def _record(self, probabilities: Tensor) -> Record:
        return Record.of(probabilities.double().cpu().numpy(), self._labels)
