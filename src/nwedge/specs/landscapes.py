"""Landscapes in words; `nwedge.build` makes the real ones."""

from dataclasses import dataclass

from nwedge.specs.canonical import Spec

TORCH = "torch"
BACKENDS = ("tensorflow", "jax")
"""Frameworks other than torch that can compute the wedge model."""


POLICIES = ("keep", "recompute")
"""What is done with the statistics of BatchNorm."""
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
class ModelSpec(LandscapeSpec):
    """What networks have in common: the examples of a minibatch, and how many points are evaluated.

    `strategy` and `chunk` are those of `nwedge.NetworkLandscape`.
    """

    batch_size: int = 128
    strategy: str | None
    chunk: int | None
    dtype: str = "float32"


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(ModelSpec):
    """An architecture of ours on a data set by its name."""

    architecture: str
    data: str
    width: int | float = 1
    dropout: float = 0.0
    examples: int | None = None

    @property
    def judged_by(self) -> tuple[object, ...]:
        """What tells networks apart that may need another strategy."""
        return self.architecture, self.data


@dataclass(frozen=True, kw_only=True)
class OwnNetworkSpec(ModelSpec):
    """A network of the user's: functions of modules, "package.module:function", and what they are called with.

    `network` returns a module, `data` the training and the held-out data, or the training data alone; `loss` and
    `predict` are functions of (model, batch), None for those of a classifier; `code` is a digest of the modules' files,
    so that a task is another one once they change. All else is as in `nwedge.NetworkLandscape`, whose rule chooses
    where `strategy` or `chunk` is None; plans hold what it chose.
    """

    network: str
    data: str
    network_arguments: tuple[tuple[str, int | float | bool | str | None], ...] = ()
    data_arguments: tuple[tuple[str, int | float | bool | str | None], ...] = ()
    loss: str | None = None
    predict: str | None = None
    batch_norm: str = "keep"
    code: str
    strategy: str | None = None
    chunk: int | None = None

    @property
    def judged_by(self) -> tuple[object, ...]:
        """What tells networks of the same functions apart that may need another strategy or chunk."""
        return self.network_arguments, self.data_arguments, self.batch_norm, self.strategy, self.chunk

    @property
    def calls(self) -> str:
        """The network on its data, as they are called."""
        return " on ".join(
            f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments)})"
            for name, arguments in ((self.network, self.network_arguments), (self.data, self.data_arguments))
        )
