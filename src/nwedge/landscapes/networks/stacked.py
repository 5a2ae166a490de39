"""Chains of dense layers at many points at once: the weights of the points stacked, features before examples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from nwedge.landscapes.networks.random_state import forked

PIECEWISE_LINEAR = frozenset({nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh, nn.Softshrink, nn.Hardshrink})
"""Layers that act on each number alone and have no second derivative but 0."""
ELEMENTWISE = PIECEWISE_LINEAR.union(
    {nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Hardswish},
    {nn.Softplus, nn.Softsign, nn.Tanhshrink},
)
"""Layers that act on each number alone."""
IN_PLACE: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.ReLU: torch.relu_,
    nn.Tanh: torch.tanh_,
    nn.Sigmoid: torch.sigmoid_,
}
"""Those that need no new memory: their gradient follows from their values."""


@dataclass(frozen=True)
class Dense:
    """A dense layer and what acts on each of its numbers, with dropout off.

    Attributes:
        weight: the name of its weight.
        bias: that of its bias; None where it has none.
        activation: what follows up to the next dense layer; None for nothing.
    """

    weight: str
    bias: str | None
    activation: nn.Module | None


class Stacked:
    """The logits of a chain of dense layers at a block of points, h <- W h + b for each layer and all points at once.

    Examples come last, so that every matrix product has as many columns as there are examples. Without a graph, the
    first layers of all points, which see the same examples, are one product.

    Args:
        model: an `nn.Sequential`, nested at will, of `nn.Linear`, layers that act on each number alone, `nn.Dropout`
            and, first, `nn.Flatten`.

    Raises:
        ValueError: a model with another layer, which is named.
    """

    def __init__(self, model: nn.Module) -> None:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        chain = list(_chain(model))
        self._flattens = bool(chain) and _flattens(chain[0])
        self._layers: list[tuple[nn.Module, str | None, str | None]] = []
        for layer in chain[self._flattens :]:
            kind = type(layer)
            if isinstance(layer, nn.Linear) and kind is nn.Linear:
                self._layers.append((layer, names[id(layer.weight)], names.get(id(layer.bias))))
            elif kind in ELEMENTWISE or kind is nn.Dropout:
                self._layers.append((layer, None, None))
            else:
                raise ValueError(f"a chain of dense layers has no {kind.__name__} there")

    def __call__(
        self, weights: Mapping[str, Tensor], inputs: Tensor, *, per_row: bool, seeds: Sequence[int] | None = None
    ) -> Tensor:
        """The logits, shape (rows, classes, examples).

        Args:
            weights: the parameters of the points by name, each of shape (rows, *).
            inputs: shape (examples, *), or (rows, examples, *) where every point has its own.
            per_row: whether every point has its own examples.
            seeds: of the dropout masks, one per row; None turns dropout off.
        """
        hidden = (inputs.flatten(1 + per_row) if self._flattens else inputs).mT
        masks = iter([] if seeds is None else self._masks(hidden, seeds))
        fresh = False  # whether nobody else needs the numbers of this layer
        for layer, weight, bias in self._layers:
            if weight is not None:
                hidden = _dense(weights[weight], None if bias is None else weights[bias], hidden)
                fresh = True
            elif type(layer) is nn.Dropout:
                hidden = hidden * next(masks) if seeds is not None else hidden
            else:
                hidden = IN_PLACE.get(type(layer), layer)(hidden) if fresh else layer(hidden)
                fresh = fresh and not torch.is_grad_enabled()
        return hidden

    @property
    def dense(self) -> list[Dense]:
        """The dense layers, first to last."""
        return [
            Dense(weight, bias, _together(self._layers[place + 1 :]))
            for place, (_, weight, bias) in enumerate(self._layers)
            if weight is not None
        ]

    def inputs(self, inputs: Tensor) -> Tensor:
        """What the first dense layer sees of inputs (examples, *), shape (features, examples)."""
        before = _together(self._layers)
        hidden = (inputs.flatten(1) if self._flattens else inputs).mT
        return hidden if before is None else before(hidden)

    def _masks(self, hidden: Tensor, seeds: Sequence[int]) -> list[Tensor]:
        """What the dropout layers multiply by, each of shape (rows, features, examples).

        A row's are what the layers draw one after the other, from its seed, for the row alone.
        """
        features, examples = hidden.shape[-2:]
        drops: list[tuple[float, int]] = []
        for layer, _, _ in self._layers:
            if isinstance(layer, nn.Linear):
                features = layer.out_features
            elif isinstance(layer, nn.Dropout):
                drops.append((layer.p, features))
        rows: list[list[Tensor]] = []
        for seed in seeds:
            with forked(seed, hidden.device):
                rows.append([dropout(hidden.new_ones(examples, size), share).mT for share, size in drops])
        return [torch.stack(masks) for masks in zip(*rows, strict=True)]


def bends(activation: nn.Module) -> bool:
    """Whether the activation of a dense layer has a second derivative, by the types of its layers."""
    return any(type(layer) not in PIECEWISE_LINEAR for layer in _chain(activation))


def _together(layers: Sequence[tuple[nn.Module, str | None, str | None]]) -> nn.Module | None:
    """What the layers before the first dense one make of each number, with dropout off; None where there are none."""
    acting = [layer for layer, _, _ in takewhile(lambda one: one[1] is None, layers) if type(layer) is not nn.Dropout]
    return nn.Sequential(*acting) if acting else None


def _flattens(layer: nn.Module) -> bool:
    return type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1)


def _chain(layer: nn.Module) -> Iterator[nn.Module]:
    """The layers of a nested chain, in order."""
    if type(layer) is nn.Sequential:
        for part in layer:
            yield from _chain(part)
    else:
        yield layer


def _dense(weight: Tensor, bias: Tensor | None, hidden: Tensor) -> Tensor:
    """W h + b for weights (rows, out, in) and h (in, examples), the same for all rows, or (rows, in, examples)."""
    rows, out, size = weight.shape
    if hidden.ndim == 3 or torch.is_grad_enabled():  # with a graph, a view of one product cannot be changed in place
        hidden = hidden.expand(rows, -1, -1)
        return torch.bmm(weight, hidden) if bias is None else torch.baddbmm(bias[..., None], weight, hidden)
    weight = weight.reshape(rows * out, size)
    product = weight @ hidden if bias is None else torch.addmm(bias.reshape(-1, 1), weight, hidden)
    return product.view(rows, out, -1)
