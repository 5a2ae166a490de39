"""Any network on any data, as a landscape over its weights."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nwedge._checks import check_choice, check_indices, check_integer, check_point, check_points, check_same_shape
from nwedge._random import choose, draw_seeds, moved, partition
from nwedge.landscape import differentiated
from nwedge.landscapes.networks.batch_norm import keep_statistics, with_recomputed
from nwedge.landscapes.networks.classification import (
    accuracy_of,
    checked_loss,
    checked_predictions,
    checked_probabilities,
    class_probabilities,
    classification_loss,
    cross_entropies,
)
from nwedge.landscapes.networks.curvature import hessian_products
from nwedge.landscapes.networks.determinism import check_modes
from nwedge.landscapes.networks.example_losses import OneByOne
from nwedge.landscapes.networks.examples import Drawn, labels_of
from nwedge.landscapes.networks.filters import Filters, find_filters
from nwedge.landscapes.networks.functional import Function, Network
from nwedge.landscapes.networks.initial import draw_initial
from nwedge.landscapes.networks.minibatch import Minibatch
from nwedge.landscapes.networks.permutations import Permutations, find_permutations
from nwedge.landscapes.networks.strategy import VECTORS
from nwedge.landscapes.networks.tracing import Pass, Recorded
from nwedge.landscapes.networks.trial import choose_evaluation
from nwedge.landscapes.networks.tried import EVERY, PROBED, hold_tried
from nwedge.landscapes.networks.weights import check_model, place, private, read_weights
from nwedge.specs.landscapes import POLICIES, STRATEGIES


class NetworkLandscape:
    """The mean loss of a network over its training examples, L(P) = mean_i loss(model at P, example i).

    A point is the flat concatenation of `model.named_parameters()`, tied weights once; buffers are no part of it. The
    model is copied and never changed. Data are held in memory on the device.

    Args:
        model: any module, in the mode in which it is to be evaluated.
        train: (x, y), any tensors with a common first axis in tuples, lists or dicts, a Dataset or a DataLoader.
        held_out: the held-out data, of the same structure.
        loss: loss(model, batch) -> mean over the batch; None: the cross-entropy of model(x) and y for batches (x, y).
        predict: predict(model, batch) -> probabilities (examples, classes); None: softmax(model(x)) with the default
            loss, and with another `loss` the landscape does not predict.
        batch_norm: "keep" normalises by the running statistics of the given model at every point. "recompute"
            normalises by s(P), the average over chunks of the training examples of the mean and the unbiased variance
            that each layer sees there (as in `torch.optim.swa_utils.update_bn`), and differentiates through it.
        batch_size: examples that `minibatch` draws; at most all of them are drawn.
        chunk: examples evaluated at once; None takes 512 for "stacked", 2048 for "vmap", 256 for "loop", on a GPU more.
            At most 128, 32 or 8 such evaluations of a point (GPU: 32, 32, 4) are kept for a backward pass, not redone.
        strategy: "stacked" multiplies by the stacked weights of 32 points and knows chains of dense layers with the
            default loss; "vmap" vectorises any model over 32 points; "loop" takes one point after another; None takes
            the first of them that works for models of dense layers alone, and "loop" for all others.
        dtype: of points, floating data and losses; None takes the parameters'.
        device: of points and data; None takes the parameters'.

    Attributes:
        dim: how many weights.
        dtype: of points and losses.
        device: of points and data.
        units: of the loss: "nats" for the default, "1" for another.
        examples: how many training examples.
        parameter_shapes: the shape of each parameter by name, in the order of the point.

    Raises:
        ValueError, TypeError: a model that is random or changes in a pass (the layer is named), data that are empty, of
            unequal lengths, of an unknown kind, shuffled or hold NaN, a loss that is no scalar, labels that are no
            classes, or a strategy that cannot work.
    """

    def __new__(cls, *arguments: Any, **options: Any) -> "NetworkLandscape":
        """A `PredictiveNetwork` where predictions are known: with the default loss, or with `predict`."""
        predicts = options.get("loss") is None or options.get("predict") is not None
        return object.__new__(PredictiveNetwork if predicts else cls)

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        """A copy is of the same kind."""
        return (), {"loss": self._loss}

    def __init__(
        self,
        model: nn.Module,
        train: Any,
        held_out: Any = None,
        *,
        loss: Function | None = None,
        predict: Function | None = None,
        batch_norm: str = "keep",
        batch_size: int = 128,
        chunk: int | None = None,
        strategy: str | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        check_choice("batch_norm", batch_norm, POLICIES)
        check_choice("strategy", strategy, (None, *STRATEGIES))
        check_integer("batch_size", batch_size, 1)
        if chunk is not None:
            check_integer("chunk", chunk, 1)
        check_model(model)
        self._given = private(model)
        self.dtype, self.device = place(self._given, dtype, device)
        own = copy.deepcopy(self._given).to(self.device, self.dtype).requires_grad_(False)
        if batch_norm == "recompute":
            own = with_recomputed(own)
        check_modes(own)

        self._loss = checked_loss(loss) if loss else classification_loss
        self._predict = checked_predictions(predict) if predict else class_probabilities
        held = functools.partial(hold_tried, model=own, loss=self._loss if loss else None)
        self._training = self._examples = held("training", train)
        self._held_out = None if held_out is None else held("held-out", held_out)
        self._batch_size = batch_size
        self.units = "1" if loss else "nats"
        self._own = {name for name, given in (("loss", loss), ("predict", predict)) if given is not None}
        self._evaluate_with(own, strategy, chunk)

    def _evaluate_with(self, own: nn.Module, strategy: str | None, chunk: int | None) -> None:
        """Evaluate points with a model that nobody else holds."""
        self._network = Network(own)
        self.dim = self._network.dim
        functions = [self._loss, self._predict] if "predict" in self._own else [self._loss]
        few = self._training.batch(EVERY, slice(PROBED))
        point = self._network.flatten(dict(own.named_parameters()))
        self._evaluation = choose_evaluation(own, self._network, functions, point, few, strategy, chunk)
        self._each = OneByOne(self._evaluation, self._loss, point, few) if "loss" in self._own else cross_entropies

    @property
    def strategy(self) -> str:
        """How points are evaluated: "stacked", "vmap" or "loop"."""
        return self._evaluation.strategy

    @property
    def chunk(self) -> int:
        """Examples evaluated at once."""
        return self._evaluation.chunk

    @property
    def vectors_at_once(self) -> int:
        """Vectors that may share a backward pass on a kept graph: 1 for "loop", else 32."""
        return VECTORS[self.strategy]

    @property
    def model(self) -> nn.Module:
        """A copy of the given model."""
        return copy.deepcopy(self._given)

    @property
    def recomputes(self) -> bool:
        """Whether there are BatchNorm layers whose statistics are recomputed at every point."""
        return bool(self._network.batch_norms)

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self._examples.count

    @property
    def batch_size(self) -> int:
        """Examples that a minibatch draws: never more than there are."""
        return min(self._batch_size, self.examples)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by name, in the order of the point."""
        return dict(self._network.shapes)

    @property
    def held_out(self) -> "NetworkLandscape | Any":  # not `| None`, so that it is Predictive to a type checker
        """The same network on the held-out data, or None where none were given.

        Recomputed BatchNorm statistics are those of the training data. The held-out data of this one are its own.
        """
        if self._held_out is None:
            return None
        other = copy.copy(self)
        other._examples = self._held_out
        return other

    def take(self, indices: Int[Tensor, " count"], *, alone: bool = False) -> "NetworkLandscape":
        """The same network on some of its examples.

        Recomputed BatchNorm statistics stay those of all training data or, with `alone`, are those of these examples.

        Raises:
            ValueError, TypeError: indices that are none, or not of examples.
        """
        check_indices(indices, self.examples)
        other = copy.copy(self)
        other._examples = self._examples.take(indices.to(self.device))
        other._training = other._examples if alone else self._training
        return other

    def with_buffers(self, buffers: Mapping[str, Tensor]) -> "NetworkLandscape":
        """The same network on the same examples with other values of some buffers, by their names in a state dict.

        Raises:
            RuntimeError: a name or a shape that the model does not have.
        """
        other = copy.copy(self)
        other._given = copy.deepcopy(self._given)
        other._given.load_state_dict({**other._given.state_dict(), **buffers})
        own = copy.deepcopy(other._given).to(self.device, self.dtype).requires_grad_(False)
        other._evaluate_with(with_recomputed(own) if self.recomputes else own, self.strategy, self.chunk)
        other.__dict__.pop("permutations", None)
        return other

    def example_losses(
        self, points: Float[Tensor, "batch dim"], statistics: Float[Tensor, "batch statistics"] | None = None
    ) -> Float[Tensor, "batch examples"]:
        """The loss of every example, shape (batch, examples), without a graph; their mean is `loss`.

        A `loss` of the user's is taken of batches of one. Recomputed BatchNorm first takes a pass over the training
        data, unless `statistics` are given (`running_statistics`).

        Raises:
            ValueError, TypeError: points that do not belong to the landscape, or a `loss` that is not the mean over the
                batch.
        """
        check_points(self, points)
        return self._of_examples(self._each, points, statistics)

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The mean loss over all examples, shape (batch,), with dropout off; twice differentiable.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape.
        """
        check_points(self, points)
        return self._evaluation.mean(self._loss, points, self._statistics(points), self._examples)

    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The losses and their gradients, detached, shapes (batch,) and (batch, dim); errors as `loss`."""
        check_points(self, points)
        if self._network.batch_norms:  # whose statistics depend on the points
            return differentiated(self.loss, points)
        return self._evaluation.mean_and_gradient(self._loss, points, self._statistics(points), self._examples)

    def hvp(
        self, points: Float[Tensor, "batch dim"], vectors: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch dim"]:
        """The Hessian-vector products H(P) v, shape (batch, dim), one chunk of examples in memory at a time.

        Raises:
            ValueError, TypeError: points or vectors that do not belong to the landscape.
        """
        check_points(self, points)
        check_same_shape(points, vectors)
        return hessian_products(self._evaluation, self._loss, points, vectors, self._examples, self._training)

    @property
    def hessian_sum(self) -> Callable[..., Callable[[Tensor], Tensor]] | None:
        """From points to products of vectors with the sum of their Hessians, where "stacked" knows it; else None."""
        return self._evaluation.hessian_sum(self._loss, self._examples)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> Minibatch:
        """A view on `batch_size` examples drawn without replacement, with dropout on (`unbiased` is then False).

        With batch_norm="recompute" it takes the statistics of the batch, as in training (`unbiased` is then False).

        Args:
            generator: one: all points see the same examples. A sequence: row i sees what its own generator drew.
        """
        indices = moved(choose(self.examples, self.batch_size, generator), self.device)  # for all rows at once
        generators = [generator] if isinstance(generator, Generator) else generator
        seeds = [draw_seeds(one, 1)[0] for one in generators] if self._network.dropouts else []
        return self._view(indices, seeds)

    def epoch(self, generator: Generator) -> list[Minibatch]:
        """Views on a random partition of the examples into batches of equal size; the mean of their losses is `loss`.

        The size is the largest divisor of the number of examples up to `batch_size` and a tenth of that number.
        """
        batches = moved(partition(self.examples, self.batch_size, generator), self.device)
        seeds = draw_seeds(generator, len(batches)) if self._network.dropouts else []
        return [self._view(indices, seeds[batch : batch + 1]) for batch, indices in enumerate(batches)]

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` fresh initialisations, shape (count, dim), drawn by the layers' own `reset_parameters`.

        Parameters of layers without that method keep the given model's values. They are drawn on the CPU in the given
        model's dtype, so that twins of another dtype or device start at the same points.

        Raises:
            ValueError: no layer has that method, or a layer is parametrized.
        """
        check_integer("count", count, 1)
        return draw_initial(self._given, count, generator).to(self.device, self.dtype)

    def point(self, weights: nn.Module | Mapping[str, Any]) -> Float[Tensor, " dim"]:
        """The point of a module or state dict with the parameters of the model, shape (dim,).

        Buffers, BatchNorm's running statistics among them, are no part of a point: points of several trainings are
        compared fairly with batch_norm="recompute" alone.

        Raises:
            TypeError: neither a module nor a state dict.
            ValueError: missing or unexpected names, other shapes, NaN or infinity.
        """
        own = read_weights(self._given, weights)
        return self._network.flatten({name: weight.to(self.device, self.dtype) for name, weight in own.items()})

    def module(self, point: Float[Tensor, " dim"]) -> nn.Module:
        """A copy of the model with the weights of a point and, with "recompute", its BatchNorm statistics.

        Raises:
            ValueError, TypeError: a point that does not belong to the landscape.
        """
        check_point(self, point)
        module = copy.deepcopy(self._given).to(self.device, self.dtype)
        with torch.no_grad():
            for parameter, weight in zip(module.parameters(), self._network.unflatten(point).values(), strict=True):
                parameter.copy_(weight)
            if self._network.batch_norms:
                keep_statistics(module, self._statistics(point[None])[0])
        return module

    @functools.cached_property
    def permutations(self) -> Permutations:
        """The groups of units that can change places at every point, found on a few examples (`find_permutations`).

        Running statistics that are kept are the same at all points, so that what they belong to keeps its order.

        Raises:
            ValueError: a model that cannot be followed.
        """
        return find_permutations(self.pass_of(PROBED), statistics=False)

    @property
    def filters(self) -> Filters:
        """The filter that each weight of a point belongs to (`find_filters`)."""
        return find_filters(self._given, self.device)

    def pass_of(self, count: int) -> Pass:
        """A pass through the model, and through its loss and predictions, on the first `count` training examples."""
        functions = (self._loss, self._predict) if isinstance(self, PredictiveNetwork) else (self._loss,)
        return Pass(self._network.shell.model, self._training.batch(EVERY, slice(count)), Recorded(functions))

    def _statistics(self, points: Tensor) -> Tensor:
        return self._evaluation.statistics(self._loss, points, self._training)

    def _of_examples(self, function: Function, points: Tensor, statistics: Tensor | None = None) -> Tensor:
        """A function that has a value for each example, at all points, shape (batch, examples, *), without a graph."""
        with torch.no_grad():
            own = self._statistics(points) if statistics is None else statistics
            return self._evaluation.each(function, points, own, self._examples)

    def _view(self, indices: Tensor, seeds: list[int]) -> Minibatch:
        return Minibatch(self, self._evaluation, self._loss, Drawn(self._examples, indices), seeds)


class PredictiveNetwork(NetworkLandscape):
    """A network that classifies: what `NetworkLandscape` gives with the default loss, or with `predict`."""

    @property
    def held_out(self) -> "PredictiveNetwork | Any":
        """The same network on the held-out data, or None, as of any network."""
        return super().held_out

    @property
    def labels(self) -> Int[Tensor, " examples"]:
        """The labels of the examples: the last element of (x, y), or "labels", "label" or "y" of a dict.

        Raises:
            ValueError: data without integer labels.
        """
        return labels_of(self._examples.batch(EVERY, EVERY))

    def predict(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch examples classes"]:
        """The probability of each class for each example, shape (batch, examples, classes), without a graph.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape, or a predict= that is missing or wrong.
        """
        check_points(self, points)
        found = self._of_examples(self._predict, points)
        return checked_probabilities(found) if "predict" in self._own else found

    def accuracy(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The share of examples whose most probable class is the label, shape (batch,); NaN where a probability is.

        Raises:
            ValueError, TypeError: points that do not belong to the landscape, or data without labels or predictions.
        """
        check_points(self, points)
        with torch.no_grad():
            right = accuracy_of(self._predict)
            return self._evaluation.mean(right, points, self._statistics(points), self._examples)
