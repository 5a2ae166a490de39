"""A network landscape seen on some of its examples, as in a step of training."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_points
from nwedge.landscape import Landscape
from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.landscapes.networks.examples import Drawn
from nwedge.landscapes.networks.functional import Function
from nwedge.landscapes.networks.strategy import VECTORS


class Minibatch:
    """The mean loss on drawn examples, as a step of training sees it.

    Dropout is on, and recomputed BatchNorm takes the statistics of the batch: where there is either, `unbiased` is
    False. The examples and the random state of dropout are drawn once, so two calls agree.

    Args:
        landscape: whose examples they are.
        evaluation: how its network is evaluated.
        loss: its loss on a batch.
        drawn: the examples, the same for all points or others for each.
        seeds: of dropout: empty without dropout, one for all points or one for each, as with the examples.
    """

    def __init__(
        self, landscape: Landscape, evaluation: Evaluation, loss: Function, drawn: Drawn, seeds: list[int]
    ) -> None:
        self.dim, self.dtype, self.device = landscape.dim, landscape.dtype, landscape.device
        self.vectors_at_once = VECTORS[evaluation.strategy]
        self.unbiased = not seeds and not evaluation.network.batch_norms
        self._landscape, self._evaluation, self._loss, self._drawn, self._seeds = (
            landscape,
            evaluation,
            loss,
            drawn,
            seeds,
        )

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The mean loss on the drawn examples, shape (batch,).

        Raises:
            ValueError, TypeError: points that do not belong to the landscape, or another number of them than of
                generators.
        """
        check_points(self, points)
        rows = len(points)
        if self._drawn.per_row and rows != len(self._drawn.indices):
            raise ValueError(
                f"this minibatch was drawn for {len(self._drawn.indices)} points, one generator each; got {rows}: "
                "pass a single generator to show all points the same draw"
            )
        seeds = self._seeds if self._drawn.per_row else self._seeds * rows
        return self._evaluation.mean(
            self._loss, points, None, self._drawn, seeds=seeds or None, whole=not self.unbiased
        )

    @property
    def hessian_sum(self) -> Callable[..., Callable[[Tensor], Tensor]] | None:
        """As that of the landscape; None with dropout."""
        return None if self._seeds else self._evaluation.hessian_sum(self._loss, self._drawn)

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` initial points of the landscape, shape (count, dim)."""
        return self._landscape.initial(count, generator)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Minibatch":
        """The view itself, which is deterministic."""
        return self
