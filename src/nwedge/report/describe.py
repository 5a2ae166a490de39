"""Specs in sentences: what a landscape is, how it was trained on, which command was given."""

import dataclasses
import functools
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from nwedge.plan import Plan
from nwedge.report import words
from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import (
    ControlSpec,
    ForeignWedgeSpec,
    LandscapeSpec,
    NetworkSpec,
    OwnNetworkSpec,
    WedgeSpec,
)
from nwedge.specs.tasks import ClaimSpec, TaskSpec

PROFILES = {
    "squared": "the squared distance to the nearest wedge",
    "distance": "the distance to the nearest wedge",
    "saturating": "1 - exp(-d²/2w²) of the distance d to the nearest wedge",
}
CONTROLS = {
    "bowl": "a convex bowl that is short in every direction",
    "isolated": "the squared distance to the nearest of several random points",
    "horseshoe": "a bent valley: descent goes round, the straight line goes over the hill",
    "groove": "a groove with a single short direction",
    "ball": "a flat ball with round walls",
}


PLACED, REPEATED = "claim", {"vary"}
"""The argument that is no flag, and flags that are given once for each of their values."""


def landscapes(tasks: Iterable[TaskSpec]) -> dict[str, str]:
    """One sentence per landscape name that claims are measured on."""
    specs: dict[str, list[LandscapeSpec]] = {}
    for task in tasks:
        if isinstance(task, ClaimSpec):
            specs.setdefault(task.landscape.name, []).append(task.landscape)
    return {name: _landscape(members) for name, members in specs.items()}


def _landscape(specs: Sequence[LandscapeSpec]) -> str:
    first = specs[0]
    anew = "; drawn anew for each seed" if len({spec.id for spec in specs}) > 1 else ""
    return f"{sentence(first)}; {first.dtype} on {first.device}{anew}."


def fields(spec: Spec) -> str:
    """Every field of a spec with its value, less those that all landscapes have."""
    return ", ".join(f"{name} {value}" for name, value in values(spec).items())


def values(spec: Spec) -> dict[str, str]:
    """The fields of a spec in words, less those that all landscapes have; those of an inner spec bear its name, too."""
    common = {field.name for field in dataclasses.fields(LandscapeSpec)}
    found: dict[str, str] = {}
    for field in dataclasses.fields(spec):
        if field.name not in common:
            name, given = field.name.replace("_", " "), getattr(spec, field.name)
            inner = values(given) if isinstance(given, Spec) else None
            found |= {name: value(name, given)} if inner is None else {f"{name} {key}": inner[key] for key in inner}
    return found


def value(name: str, given: Any) -> str:
    """The value of a field in words; no number of examples stands for all."""
    if given is None:
        return "all" if name.endswith("examples") else "none"
    if isinstance(given, tuple):
        return f"({', '.join(value(name, one) for one in given)})" if given else "none"
    return f"{given:,}" if isinstance(given, int) and not isinstance(given, bool) else str(given)


@functools.singledispatch
def sentence(spec: Spec) -> str:
    """What a landscape is; a spec without words of its own is listed field by field."""
    return f"{type(spec).__name__}: {fields(spec)}"


@sentence.register
def _wedges(spec: WedgeSpec) -> str:
    family = (
        "the complete family, one wedge for every choice of the short axes"
        if spec.wedges is None
        else f"{words.count(spec.wedges, 'wedge')}, each with its own random short "
        + ("axes" if spec.oriented == "axes" else "subspace")
    )
    short = spec.short if isinstance(spec.short, int) else f"{min(spec.short)} to {max(spec.short)}"
    options = [
        f"{name} {value:g}"
        for name, value, plain in (
            ("thickness", spec.thickness, 0.0),
            ("width w", spec.width, spec.width if spec.profile != "saturating" else None),
            ("noise", spec.noise, 0.0),
            ("scale of the starts", spec.scale, 1.0),
        )
        if value != plain
    ]
    what = f"The wedge model in {spec.dim:,} dimensions, {short} of them short: {family}"
    backend = [f"computed by {spec.backend}"] if isinstance(spec, ForeignWedgeSpec) else []
    return "; ".join([what, f"the loss is {PROFILES.get(spec.profile, spec.profile)}", *options, *backend])


@sentence.register
def _control(spec: ControlSpec) -> str:
    what = CONTROLS.get(spec.kind, spec.kind)
    return f"{what[0].upper()}{what[1:]}, in {spec.dim:,} dimensions"


@sentence.register
def _own_network(spec: OwnNetworkSpec) -> str:
    functions = [f"{what} {name}" for what, name in (("loss", spec.loss), ("predictions", spec.predict)) if name]
    how = f"evaluated by {spec.strategy}, {spec.chunk:,} examples at a time" if spec.chunk else "evaluated by rule"
    statistics = ["BatchNorm recomputed at every point"] if spec.batch_norm == "recompute" else []
    return "; ".join(
        [
            spec.calls,
            f"minibatches of {spec.batch_size}",
            *functions,
            *statistics,
            f"the loss is {how}",
        ]
    )


@sentence.register
def _network(spec: NetworkSpec) -> str:
    data = spec.data if spec.examples is None else f"{spec.examples:,} examples of {spec.data}"
    dropout = f"dropout {spec.dropout:g}" if spec.dropout else "no dropout"
    return (
        f"The architecture {spec.architecture} (width factor {spec.width}, {dropout}) on {data}, minibatches of "
        f"{spec.batch_size}; the loss is evaluated by {spec.strategy}, {spec.chunk:,} examples at a time"
    )


def command(plan: Plan) -> str:
    """The command line that the stored arguments stand for, without its directory."""
    given = dict(plan.arguments)
    parts = ["nwedge", plan.command, *([given.pop(PLACED)] if PLACED in given else [])]
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is None or value is False or value in ((), []):
            continue
        if value is True:
            parts.append(flag)
        elif name in REPEATED:
            parts += [text for one in value for text in (flag, one)]
        else:
            parts += [flag, *map(str, value if isinstance(value, list | tuple) else [value])]
    return shlex.join(parts)
