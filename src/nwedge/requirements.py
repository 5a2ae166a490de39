"""What tasks need of this machine, checked before any of them runs."""

import dataclasses
import importlib.util
from collections.abc import Sequence
from typing import Any

from nwedge.specs.execution import LOCAL, RAY, Execution
from nwedge.specs.landscapes import ForeignWedgeSpec, NetworkSpec, OwnNetworkSpec
from nwedge.specs.presets import Rule
from nwedge.specs.tasks import TaskSpec
from nwedge.sweep.work import one_line


def check(arguments: Execution, tasks: Sequence[TaskSpec]) -> Rule:
    """Refuse what this machine cannot do, and say how networks of the user's are evaluated by the rule.

    Raises:
        ValueError: it lacks the device, Ray, a data set, a framework or a module of the user's, or a network of the
            user's is no landscape.
    """
    if arguments.engine == LOCAL:
        check_device(arguments.device, "use cpu")
    elif arguments.autotune:
        check_device(arguments.device, "leave out --autotune, which times networks here, not on the Ray cluster")
    check_engine(arguments.engine)
    check_backends(tasks)
    check_data(tasks)
    return check_own(tasks)


def check_device(device: str, advice: str) -> None:
    """Refuse a device that this machine lacks (ValueError, with the advice)."""
    if device == "cpu":
        return
    import torch

    count = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= count:
        raise ValueError(f"--device {device} is not on this machine, where torch sees {count} CUDA devices: {advice}")


def check_engine(engine: str) -> None:
    """Refuse Ray where it is not installed (ValueError)."""
    if engine == RAY and importlib.util.find_spec("ray") is None:
        raise ValueError("--engine ray needs Ray, which is not installed: pip install 'nwedge[ray]'")


def check_backends(tasks: Sequence[TaskSpec]) -> None:
    """Refuse a framework that is not installed (ValueError)."""
    for backend in {task.landscape.backend for task in tasks if isinstance(task.landscape, ForeignWedgeSpec)}:
        if importlib.util.find_spec(backend) is None:
            raise ValueError(f"--toy-backend {backend} is not installed: pip install 'nwedge[{backend}]'")


def check_data(tasks: Sequence[TaskSpec]) -> None:
    """Refuse tasks whose data are neither on this machine nor to be had (ValueError)."""
    names = {task.landscape.data for task in tasks if isinstance(task.landscape, NetworkSpec)}
    if names:
        from nwedge.landscapes.networks import data

        for name in sorted(names):
            data.locate(name)


def check_own(tasks: Sequence[TaskSpec]) -> Rule:
    """Refuse networks of the user's that are no landscapes (ValueError): each is made once with all its arguments.

    Returns:
        How each is evaluated.
    """
    own = [task.landscape for task in tasks if isinstance(task.landscape, OwnNetworkSpec)]
    different, rule = {spec.judged_by: spec for spec in own}, {}
    if different:
        from nwedge.build import build
        from nwedge.landscapes.networks.strategy import CHUNK, place

        for key, spec in different.items():
            try:
                network: Any = build(dataclasses.replace(spec, device="cpu"))
            except Exception as error:  # the functions are the user's: they may raise anything
                refused = isinstance(error, ValueError | TypeError)
                raise ValueError(f"{spec.calls}: {error if refused else one_line(error)}") from error
            rule[key] = network.strategy, spec.chunk or CHUNK[place(spec.device)][network.strategy]
    return rule
