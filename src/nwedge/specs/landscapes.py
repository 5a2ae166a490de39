"""Landscapes in words; `nwedge.build` makes the real ones."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec

TORCH = "torch"
BACKENDS = ("tensorflow", "jax")
"""Frameworks other than torch that can compute the wedge model."""


STRATEGIES = ("stacked", "vmap", "loop")
"""How a network is evaluated at many points: by products of their stacked weights, vectorised, or one after another."""


@dataclass(frozen=True, kw_only=True)
class LandscapeSpec(Spec):
    """What every landscape has: the name of its row in the verdict table, a dtype and a device."""

    name: str
    dtype: str = "float64"
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class WedgeSpec(LandscapeSpec):
    """The arguments of `WedgeLandscape`; `wedges=None` is the complete family."""

    dim: int
    short: int | tuple[int, ...]
    wedges: int | None = None
    oriented: str = "axes"
    thickness: float = 0.0
    profile: str = "squared"
    width: float = 1.0
    noise: float = 0.0
    scale: float = 1.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ForeignWedgeSpec(WedgeSpec):
    """A wedge model that another framework computes, one of `BACKENDS`."""

    backend: str


@dataclass(frozen=True, kw_only=True)
class ControlSpec(LandscapeSpec):
    """A control landscape by its kind: bowl, isolated, horseshoe, groove or ball."""

    kind: str
    dim: int
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(LandscapeSpec):
    """An architecture on a data set; `strategy` and `chunk` say how it is evaluated (see landscapes/networks)."""

    architecture: str
    data: str
    width: int | float = 1
    dropout: float = 0.0
    examples: int | None = None
    batch_size: int = 128
    strategy: str
    chunk: int
    dtype: str = "float32"
