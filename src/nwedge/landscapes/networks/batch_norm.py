"""BatchNorm whose statistics are recomputed at every point from the training data, and differentiated through."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

STATISTICS = ("running_mean", "running_var")
KNOWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class RecomputedBatchNorm(nn.Module):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, with statistics that are given or the batch's own.

    As in training, the batch's own biased variance normalises it, and its unbiased variance is what is remembered.

    Args:
        layer: the BatchNorm layer whose place this one takes; its parameters are shared, under the same names.
    """

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__()
        self.weight: nn.Parameter | None = layer.weight
        self.bias: nn.Parameter | None = layer.bias
        self.eps, self.features = layer.eps, layer.num_features
        self.given: Tensor | None = None
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (examples, features, *) by the given statistics or, where none are given, by the batch's.

        Raises:
            ValueError: a batch without a variance.
        """
        mean, variance = self._of_batch(x) if self.given is None else self.given.chunk(2)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shape = (1, -1, *[1] * (x.ndim - 2))
        y = (x - mean.view(shape)) * scale.view(shape)
        return y if self.bias is None else y + self.bias.view(shape)

    def _of_batch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values = x.numel() // self.features
        if values < 2:
            raise ValueError(
                "batch_norm='recompute' needs at least 2 values per feature and batch to have a variance; got "
                f"{values}: use a larger chunk or batch_size"
            )
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = x.mean(axes), x.var(axes, correction=0)
        self.seen.append(torch.cat([mean, variance * (values / (values - 1))]))
        return mean, variance


def with_recomputed(model: nn.Module) -> nn.Module:
    """The model, changed in place so that its BatchNorm layers take their statistics as an input.

    Raises:
        ValueError: a BatchNorm layer of a kind whose forward pass is not known.
    """
    replaced: dict[int, nn.Module] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, _BatchNorm):
            if type(layer) not in KNOWN:
                raise ValueError(
                    f"layer '{name}' ({type(layer).__name__}) is a BatchNorm of its own kind, whose statistics cannot "
                    "be recomputed: use batch_norm='keep'"
                )
            replaced[id(layer)] = RecomputedBatchNorm(layer)
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if id(child) in replaced:
                parent._modules[name] = replaced[id(child)]
    return replaced.get(id(model), model)


def recomputed_layers(model: nn.Module) -> list[RecomputedBatchNorm]:
    """The layers whose statistics are an input, in the order of the statistics."""
    return [layer for layer in model.modules() if isinstance(layer, RecomputedBatchNorm)]


@contextmanager
def normalised_by(layers: Sequence[RecomputedBatchNorm], statistics: Tensor | None) -> Iterator[None]:
    """Give the layers one point's statistics, shape (statistics,), or None for those of each batch."""
    given = [None] * len(layers) if statistics is None else statistics.split([2 * layer.features for layer in layers])
    for layer, own in zip(layers, given, strict=True):
        layer.given = own
    try:
        yield
    finally:
        for layer in layers:
            layer.given = None
            layer.seen.clear()


def seen_statistics(layers: Sequence[RecomputedBatchNorm], like: Tensor) -> Tensor:
    """Mean and unbiased variance of the batch that each layer has just seen (averaged over its calls), (statistics,).

    A layer that was not called keeps the mean 0 and the variance 1.
    """
    standard = [torch.cat([like.new_zeros(layer.features), like.new_ones(layer.features)]) for layer in layers]
    return torch.cat(
        [torch.stack(layer.seen).mean(0) if layer.seen else own for layer, own in zip(layers, standard, strict=True)]
    )


def keep_statistics(model: nn.Module, statistics: Tensor) -> None:
    """Write recomputed statistics into the BatchNorm layers of an unswapped copy and put these into eval mode."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    for layer, own in zip(layers, statistics.split([2 * layer.num_features for layer in layers]), strict=True):
        mean, variance = own.chunk(2)
        layer.running_mean, layer.running_var = mean.clone(), variance.clone()
        layer.eval()


def running_names(model: nn.Module) -> list[str]:
    """The names of the running statistics of the BatchNorm layers of an unswapped model, in the order of statistics."""
    paths = [path for path, layer in model.named_modules() if isinstance(layer, _BatchNorm)]
    return [f"{path}.{own}" if path else own for path in paths for own in STATISTICS]


def running_statistics(model: nn.Module, state: Mapping[str, Tensor]) -> Tensor:
    """The running statistics of the BatchNorm layers in a state dict, as recomputed ones come, shape (statistics,).

    Args:
        model: an unswapped model; it is not changed.
        state: the statistics by their names in the model; other entries are left out.

    Raises:
        ValueError: statistics that are missing, or of another shape.
    """
    names = running_names(model)
    sizes = [layer.num_features for layer in model.modules() if isinstance(layer, _BatchNorm) for _ in STATISTICS]
    for name, size in zip(names, sizes, strict=True):
        if name not in state:
            raise ValueError(f"the running statistics of every BatchNorm layer are needed; '{name}' is missing")
        if state[name].shape != (size,):
            raise ValueError(f"'{name}' must have shape ({size},); got {tuple(state[name].shape)}")
    return torch.cat([state[name].detach() for name in names])
