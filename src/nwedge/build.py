"""From a spec to a landscape: the one place that knows every kind."""

import dataclasses
import functools
from typing import Any

import torch

from nwedge.landscape import Landscape
from nwedge.landscapes import controls
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs.landscapes import ControlSpec, ForeignWedgeSpec, LandscapeSpec, NetworkSpec, WedgeSpec

DTYPES = {"float32": torch.float32, "float64": torch.float64}

CONTROLS = {
    "bowl": controls.QuadraticBowl,
    "isolated": controls.IsolatedMinima,
    "horseshoe": controls.Horseshoe,
    "groove": controls.Groove,
    "ball": controls.FlatBall,
}
SEEDED = {"bowl", "isolated", "groove"}
"""Controls that are drawn at random."""


@functools.singledispatch
def build(spec: LandscapeSpec) -> Landscape:
    """The landscape that a spec describes.

    Raises:
        TypeError: a spec of an unknown kind.
        ValueError: arguments that the landscape refuses, or a data set that is not to be had.
    """
    raise TypeError(f"no landscape is known for a {type(spec).__name__}; known: WedgeSpec, ControlSpec, NetworkSpec")


@build.register
def _(spec: WedgeSpec) -> Landscape:
    arguments = _wedges(spec)
    return WedgeLandscape(arguments.pop("dim"), arguments.pop("short"), **arguments)


@build.register
def _(spec: ForeignWedgeSpec) -> Landscape:
    if spec.backend == "tensorflow":
        from nwedge.adapters.tensorflow import TensorFlowWedges as Wedges
    else:
        from nwedge.adapters.jax import JaxWedges as Wedges
    arguments = _wedges(spec)
    return Wedges(arguments.pop("dim"), arguments.pop("short"), **arguments)


@build.register
def _(spec: ControlSpec) -> Landscape:
    drawn = {"seed": spec.seed} if spec.kind in SEEDED else {}
    return CONTROLS[spec.kind](spec.dim, **drawn, **_place(spec))


@build.register
def _(spec: NetworkSpec) -> Landscape:
    from nwedge.landscapes.networks import architectures, data
    from nwedge.landscapes.networks.network import NetworkLandscape

    every, held_out = _data(spec.data)
    train = data.first(every, spec.examples)
    model = architectures.ARCHITECTURES[spec.architecture](train, width=spec.width, dropout=spec.dropout)
    return NetworkLandscape(
        model,
        train,
        held_out,
        batch_size=spec.batch_size,
        strategy=spec.strategy,
        chunk=spec.chunk,
        **_place(spec),
    )


@functools.lru_cache(maxsize=1)
def _data(name: str) -> Any:
    """A data set, which networks of several sizes share in memory."""
    from nwedge.landscapes.networks import data

    return data.load(name)


def _wedges(spec: WedgeSpec) -> dict[str, Any]:
    """The arguments of a wedge model of any framework."""
    given = {field.name: getattr(spec, field.name) for field in dataclasses.fields(WedgeSpec)}
    del given["name"]
    return given | _place(spec)


def _place(spec: LandscapeSpec) -> dict[str, Any]:
    return {"dtype": DTYPES[spec.dtype], "device": spec.device}
