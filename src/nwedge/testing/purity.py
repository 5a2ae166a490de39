"""Laws of purity: nothing but the result changes."""

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nwedge.landscape import evaluate, gradient
from nwedge.testing.case import Case
from nwedge.testing.derivatives import LossAlone, is_attached


def losses_change_nothing(case: Case) -> None:
    """`initial` and `loss` leave points, modules and global state as they are."""
    _changes_nothing(case, "initial", lambda: case.landscape.initial(2, case.generator("pure")))
    with torch.no_grad():
        _changes_nothing(case, "loss", lambda: case.landscape.loss(case.points))


def derivatives_change_nothing(case: Case) -> None:
    """Gradients and Hessian-vector products leave points, modules and global state as they are."""
    landscape, points = case.landscape, case.points
    if hasattr(landscape, "gradient"):
        _changes_nothing(case, "gradient", lambda: landscape.gradient(points))
    if hasattr(landscape, "loss_and_gradient"):
        _changes_nothing(case, "loss_and_gradient", lambda: landscape.loss_and_gradient(points))
    if hasattr(landscape, "hvp"):
        _changes_nothing(case, "hvp", lambda: landscape.hvp(points, torch.ones_like(points)))
    if is_attached(case):
        _changes_nothing(case, "differentiating the loss", lambda: gradient(LossAlone(landscape), points))


def minibatches_change_nothing(case: Case) -> None:
    """Views, their losses and their gradients leave points, modules, global state and the loss as they are."""
    before = evaluate(case.landscape, case.points)
    for name, act in (("loss", evaluate), ("gradient", gradient)):
        _changes_nothing(case, f"minibatch and its {name}", lambda act=act: act(_view(case), case.points))
    after = evaluate(case.landscape, case.points)
    case.require_equal(before, after, "purity", "minibatches to leave the loss as it is")


def predictions_change_nothing(case: Case) -> None:
    """`predict` and `accuracy` leave points, modules and global state as they are."""
    for name in ("predict", "accuracy"):
        if hasattr(case.landscape, name):
            _changes_nothing(case, name, lambda name=name: getattr(case.landscape, name)(case.points))


def untouched_state(landscape: Any) -> dict[str, Any]:
    """Everything that is not the landscape's to change: global state, and the modules that it holds."""
    state: dict[str, Any] = {
        "torch's global random state": _digest(torch.get_rng_state()),
        "NumPy's global random state": repr(np.random.get_state()),  # noqa: NPY002 - to see that nobody uses it
        "Python's global random state": random.getstate(),
        "torch's default dtype": torch.get_default_dtype(),
    }
    if landscape.device.type == "cuda":
        state["CUDA's global random state"] = _digest(torch.cuda.get_rng_state(landscape.device))
    for name, module in _modules(landscape):
        parameters = list(module.parameters())
        state |= {
            f"the tensors of `{name}`": {key: _digest(value) for key, value in module.state_dict().items()},
            f"the training mode of `{name}`": [part.training for part in module.modules()],
            f"the gradients in `{name}`": [part.grad is not None and _digest(part.grad) for part in parameters],
            f"requires_grad in `{name}`": [part.requires_grad for part in parameters],
        }
    return state


def _view(case: Case) -> Any:
    return case.landscape.minibatch(case.generator("pure"))


def _changes_nothing(case: Case, name: str, act: Callable[[], Any]) -> None:
    points, enabled = case.points.clone(), torch.is_grad_enabled()
    act()
    case.require(torch.equal(case.points, points), "purity", f"{name} to leave the points as they are", "other points")
    expected = f"{name} to leave torch's gradient mode as it is"
    case.require(torch.is_grad_enabled() == enabled, "purity", expected, "a change")
    after = untouched_state(case.landscape)
    for what, value in case.untouched.items():
        case.require(after.get(what) == value, "purity", f"{name} to leave {what} as it is", "a change")


def _modules(owner: Any, depth: int = 2) -> Iterator[tuple[str, nn.Module]]:
    """The modules that an object holds as attributes, or that its attributes hold, by name."""
    for name, value in vars(owner).items() if hasattr(owner, "__dict__") else ():
        if isinstance(value, nn.Module):
            yield name, value
        elif depth > 1 and not isinstance(value, Tensor | type):
            yield from ((f"{name}.{inner}", module) for inner, module in _modules(value, depth - 1))


def _digest(tensor: Tensor) -> str:
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(content.numpy().tobytes()).hexdigest()
