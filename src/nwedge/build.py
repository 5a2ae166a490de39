"""From a spec to a landscape: the one place that knows every kind."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import torch

from nwedge.landscape import Landscape
from nwedge.landscapes import controls
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs import references
from nwedge.specs.landscapes import (
    ControlSpec,
    ForeignWedgeSpec,
    LandscapeSpec,
    ModelSpec,
    NetworkSpec,
    OwnNetworkSpec,
    WedgeSpec,
)

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
        ValueError: arguments that the landscape refuses, a data set that is not to be had, or a module of the user's
            that is not the one of which the spec was made.
    """
    raise TypeError(f"no landscape is known for a {type(spec).__name__}; known: WedgeSpec, ControlSpec, ModelSpec")


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
    from nwedge.landscapes.networks import architectures, data, sources
    from nwedge.landscapes.networks.network import NetworkLandscape

    every, held_out = sources.load(_source(spec))
    train = data.first(every, spec.examples)
    model = architectures.ARCHITECTURES[spec.architecture](train, width=spec.width, dropout=spec.dropout)
    return NetworkLandscape(model, train, held_out, **_model(spec))


@build.register
def _(spec: OwnNetworkSpec) -> Landscape:
    from nwedge.landscapes.networks.own import own_network

    references.check_code(references.named(spec).values(), spec.code)
    return own_network(
        spec.network,
        _source(spec),
        arguments=dict(spec.network_arguments),
        loss=spec.loss,
        predict=spec.predict,
        batch_norm=spec.batch_norm,
        **_model(spec),
    )


def data_of(specs: Iterable[LandscapeSpec]) -> Any:
    """The data of all networks among the landscapes, for `provide` in another process.

    Raises:
        ValueError, TypeError: data that are not to be had.
    """
    from nwedge.landscapes.networks import sources

    return sources.collect(
        dict.fromkeys(_source(spec) for spec in specs if isinstance(spec, NetworkSpec | OwnNetworkSpec))
    )


def provide(data: Any) -> None:
    """Take what `data_of` gave in place of the files and functions that the data came from."""
    from nwedge.landscapes.networks import sources

    sources.provide(data)


def _source(spec: NetworkSpec | OwnNetworkSpec) -> Any:
    return spec.data, spec.data_arguments if isinstance(spec, OwnNetworkSpec) else ()


def _model(spec: ModelSpec) -> dict[str, Any]:
    """The arguments of any network."""
    return {"batch_size": spec.batch_size, "strategy": spec.strategy, "chunk": spec.chunk, **_place(spec)}


def _wedges(spec: WedgeSpec) -> dict[str, Any]:
    """The arguments of a wedge model of any framework."""
    given = {field.name: getattr(spec, field.name) for field in dataclasses.fields(WedgeSpec)}
    del given["name"]
    return given | _place(spec)


def _place(spec: LandscapeSpec) -> dict[str, Any]:
    return {"dtype": DTYPES[spec.dtype], "device": spec.device}
