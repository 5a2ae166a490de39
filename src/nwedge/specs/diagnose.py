"""The arguments of `nwedge diagnose`, in words."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nwedge.specs.execution import check_device, check_known
from nwedge.specs.landscapes import POLICIES
from nwedge.specs.references import check_reference, named


@dataclass(frozen=True, kw_only=True)
class Diagnose:
    """Say which checkpoints share a wedge, and whether to average or to ensemble them; draw the report."""

    checkpoints: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="CKPT"), tyro.conf.Positional]
    """Files or folders: safetensors, PyTorch state dicts, Lightning checkpoints, folders of Hugging Face's."""
    network: str
    """A function that returns your torch.nn.Module, as package.module:function; looked for in this directory, too."""
    data: str
    """A function that returns (training data, held-out data), each what NetworkLandscape takes."""
    loss: str | None = None
    """A function of (model, batch) that returns the mean loss; by default the cross-entropy of (x, y)."""
    predict: str | None = None
    """A function of (model, batch) that returns probabilities; needed beside --loss."""
    key: str | None = None
    """Under which files that hold several state dicts have the one that is meant, such as state_dict_ema."""
    plane: tuple[Path, Path, Path] | None = None
    """Three of the checkpoints, through which a plane is drawn; by default of the best of different clusters."""
    out: Path = Path("diagnosis")
    """The directory of report.html, diagnosis.json, the figures and the chosen model, model.safetensors."""
    batch_norm: str | None = None
    """BatchNorm's statistics: recompute them at every point, the default, or keep those of your module."""
    level: float | None = None
    """The highest barrier, in nats, of a line that joins two checkpoints; by default log(classes) / 20."""
    seed: int = 0
    """Of the halves of the held-out data, the samples of examples, and the tunnels."""
    device: str = "cpu"
    """Where the network lives: cpu, cuda or cuda:N."""
    threads: int | None = None
    """Threads that torch computes with; by default as many as it likes."""

    def __post_init__(self) -> None:
        """Refuse no checkpoints, names that are no functions, and numbers that cannot be (ValueError)."""
        if not self.checkpoints:
            raise ValueError("nwedge diagnose needs the path of at least one checkpoint; got none")
        for name, reference in named(self).items():
            check_reference(f"--{name}", reference)
        if self.loss is not None and self.predict is None:
            raise ValueError("--loss and --predict go together: a network with a loss of its own must say its classes")
        if self.predict is not None and self.loss is None:
            raise ValueError("--predict needs --loss: without one the loss is the cross-entropy of softmax(model(x))")
        if self.plane is not None and len(set(self.plane) & set(self.checkpoints)) < len(self.plane):
            given = " ".join(map(str, self.plane))
            raise ValueError(f"--plane must be three different ones of the checkpoints; got {given}")
        if self.seed < 0:
            raise ValueError(f"--seed must be at least 0; got {self.seed}")
        if self.batch_norm is not None:
            check_known("--batch-norm", (self.batch_norm,), POLICIES)
        if self.level is not None and not 0 <= self.level < math.inf:
            raise ValueError(f"--level must be finite and at least 0; got {self.level:g}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"--threads must be at least 1; got {self.threads}")
        check_device(self.device)
