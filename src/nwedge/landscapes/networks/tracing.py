"""One pass of a network, watched operation by operation: which axes of its weights belong together."""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from nwedge.landscapes.networks.axes import Axes
from nwedge.landscapes.networks.axis_calls import Call, Labels, Operand, Rule, unknown
from nwedge.landscapes.networks.axis_rules import operation_name, rule_of
from nwedge.landscapes.networks.axis_views import VIEWS
from nwedge.landscapes.networks.functional import Function, Shell, slots

INPUT = "they belong to the inputs of the network"
OUTPUT = "they are outputs of the network"
CONSTANT = "they meet a tensor that is no weight"
Tensors = Mapping[str, Tensor]
"""Parameters and buffers by name."""
PLAIN = (Tensor, int, float, bool, str, type(None))


def called(model: nn.Module, batch: Any) -> Any:
    """The model, called with a tensor, with a tuple or list of arguments, or with a mapping of them by name."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple | list) else model(batch)


@dataclass(frozen=True)
class Recorded:
    """Functions of a model and a batch, and what comes out of the model whenever they call it."""

    functions: tuple[Function, ...]

    def __call__(self, model: nn.Module, batch: Any) -> tuple[list[Any], list[Any]]:
        """The outputs of the model, and the values of the functions."""
        outputs: list[Any] = []
        hook = model.register_forward_hook(lambda model, given, output: outputs.append(output))
        try:
            return outputs, [function(model, batch) for function in self.functions]
        finally:
            hook.remove()


@dataclass(frozen=True)
class Pass:
    """What a network computes on a few examples, as a function of its weights.

    Attributes:
        model: a model that nobody else changes.
        batch: the examples.
        function: function(model, batch), nested tensors.
    """

    model: nn.Module
    batch: Any
    function: Function = called

    def exact(self) -> "Pass":
        """A copy on the CPU in float64."""

        def moved(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            return leaf.detach().to("cpu", torch.float64 if leaf.is_floating_point() else leaf.dtype, copy=True)

        model = copy.deepcopy(self.model).to("cpu", torch.float64).requires_grad_(False)
        return Pass(model, pytree.tree_map(moved, self.batch), self.function)

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The model's parameters and buffers by name, tied ones once."""
        return {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}

    def outputs(self, tensors: Tensors) -> list[Tensor]:
        """What comes out with these parameters and buffers.

        Raises:
            TypeError: something that holds no tensors that can be found.
        """
        places = {f"model.{place}": tensors[name] for place, name in slots(self.model, buffers=True).items()}
        with torch.no_grad(), _plain_attention():
            result = functional_call(Shell(self.model), places, (self.function, self.batch), tie_weights=False)
        leaves = pytree.tree_leaves(result)
        strange = [type(leaf).__name__ for leaf in leaves if not isinstance(leaf, PLAIN)]
        if strange:
            raise TypeError(f"a pass must return tensors in tuples, lists or dicts; got {strange[0]}")
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


@dataclass(frozen=True)
class Result:
    """A tensor that an operation returned.

    Attributes:
        labels: its axes.
        view: whether it shows once more what was there before.
    """

    labels: Labels
    view: bool


@dataclass(frozen=True)
class Trace:
    """What was seen of a pass.

    Attributes:
        book: of the axes.
        weights: the axes of each parameter and buffer that takes part, by name.
        results: all that operations returned, in their order; None for what does not depend on the inputs, or is not
            floating.
    """

    book: Axes
    weights: dict[str, Labels]
    results: list[Result | None]


def traced(watched: Pass) -> Trace:
    """Watch a pass. The inputs and the outputs keep their order.

    Raises:
        TypeError: a pass that returns something else than nested tensors.
    """
    mode = _Labelling()
    for leaf in pytree.tree_leaves(watched.batch):
        if isinstance(leaf, Tensor):
            mode.introduce(leaf, INPUT)
    weights = {name: mode.introduce(tensor) for name, tensor in watched.tensors.items()}
    with mode:
        outputs = watched.outputs(watched.tensors)
    for output in outputs:
        for axis in mode.labels_of(output):
            mode.book.freeze(axis, OUTPUT, foremost=True)
    used = {name: labels for name, labels in weights.items() if watched.tensors[name] in mode.used}
    return Trace(mode.book, used, mode.results)


def watch_pair(watched: Pass, own: Tensors, others: Tensors, see: Callable[[int, Tensor, Tensor], None]) -> None:
    """Repeat a pass with two sets of weights in step, and see each result, by its number, of both.

    Buffers that are not given are those of the pass.
    """
    own, others = {**watched.tensors, **own}, {**watched.tensors, **others}
    mode = _InStep(see)
    for name, tensor in own.items():
        mode.others[tensor] = others[name]
    with mode:
        watched.outputs(own)


class _Mode(TorchDispatchMode):
    """A mode that does not load torch's compiler, which would take a second, to hide from it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class _Labelling(_Mode):
    """Labels the axes of every tensor of a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Axes()
        self.results: list[Result | None] = []
        self.used = WeakTensorKeyDictionary()
        self._labels = WeakTensorKeyDictionary()
        self._varying = WeakTensorKeyDictionary()

    def introduce(self, tensor: Tensor, why: str | None = None) -> Labels:
        """Label a tensor that no operation made; with a reason, it is an input, and frozen."""
        labels = tuple(self.book.fresh(size, why) for size in tensor.shape)
        self._labels[tensor] = labels
        if why == INPUT:
            self._varying[tensor] = True
        return labels

    def labels_of(self, tensor: Tensor) -> Labels:
        """The axes of a tensor; one that is no weight, and not the same everywhere, is frozen."""
        if tensor not in self._labels:
            uniform = tensor.numel() < 2 or bool((tensor == tensor.flatten()[0]).all())
            self.introduce(tensor, None if uniform else CONSTANT)
        return self._labels[tensor]

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if (apart := _apart(operation)) is not None:
            with self:
                return apart(*args, **kwargs)
        given = pytree.tree_map_only(Tensor, self._operand, _by_name(operation, args, kwargs))
        result = operation(*args, **kwargs)
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        call = Call(self.book, operation_name(operation), given, tuple(tuple(one.shape) for one in outputs))
        found = self._apply(call, rule_of(operation) or unknown)
        varying = any(one in self._varying for one in inputs)
        for tensor in inputs:
            self.used[tensor] = True
        for tensor, labels in zip(outputs, found, strict=True):
            self._labels[tensor] = labels
            if varying:
                self._varying[tensor] = True
            seen = varying and tensor.is_floating_point()
            self.results.append(Result(labels, call.name in VIEWS) if seen else None)
        return result

    def _operand(self, tensor: Tensor) -> Operand:
        return Operand(tuple(tensor.shape), self.labels_of(tensor), tensor.dtype)

    def _apply(self, call: Call, rule: Rule) -> list[Labels]:
        if any(0 in operand.shape for operand in call.operands):
            return unknown(call)
        found = rule(call)
        sizes = [tuple(map(self.book.size, labels)) for labels in found]
        return found if sizes == list(call.shapes) else unknown(call)


class _InStep(_Mode):
    """Repeats every operation of a pass with the tensors of another network of the same kind."""

    def __init__(self, see: Callable[[int, Tensor, Tensor], None]) -> None:
        super().__init__()
        self.others = WeakTensorKeyDictionary()
        self._see, self._seen = see, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if (apart := _apart(operation)) is not None:
            with self:
                return apart(*args, **kwargs)
        args_there, kwargs_there = pytree.tree_map_only(Tensor, self._other, (args, kwargs))
        result, there = operation(*args, **kwargs), operation(*args_there, **kwargs_there)
        for own, other in zip(_tensors(result), _tensors(there), strict=True):
            self.others[own] = other
            self._see(self._seen, own, other)
            self._seen += 1
        return result

    def _other(self, tensor: Tensor) -> Tensor:
        if tensor not in self.others:
            self.others[tensor] = tensor.clone()  # what both networks see: each may change its own
        return self.others[tensor]


def _apart(operation: Any) -> Callable[..., Any] | None:
    """How torch takes an operation without a rule apart, if it does."""
    return None if rule_of(operation) else _decompositions().get(operation)


@functools.cache
def _decompositions() -> Mapping[Any, Callable[..., Any]]:
    from torch._decomp import core_aten_decompositions  # takes a while, and is seldom needed

    return dict(core_aten_decompositions().items())


def _by_name(operation: Any, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by the names of the operation's schema, with their defaults."""
    defaults = {one.name: one.default_value for one in operation._schema.arguments}
    return {**defaults, **dict(zip(defaults, args, strict=False)), **kwargs}


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused kernels of whole transformer layers, which hide what they do."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
