"""What the commands on checkpoints of a user's own network have in common, in words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nwedge.specs.execution import check_device, check_known
from nwedge.specs.landscapes import POLICIES
from nwedge.specs.references import check_reference, named


@dataclass(frozen=True, kw_only=True)
class OwnCheckpoints:
    """Checkpoint files, and the functions that make their network and its data."""

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
    batch_norm: str | None = None
    """BatchNorm's statistics: recompute them at every point, the default, or keep those of your module."""
    seed: int = 0
    """Of everything that is drawn."""
    device: str = "cpu"
    """Where the network lives: cpu, cuda or cuda:N."""
    threads: int | None = None
    """Threads that torch computes with; by default as many as it likes."""

    def __post_init__(self) -> None:
        """Refuse no checkpoints, names that are no functions, and numbers that cannot be (ValueError)."""
        if not self.checkpoints:
            raise ValueError("at least one checkpoint is needed: give the path of a file or folder")
        for what, reference in named(self).items():
            check_reference(f"--{what}", reference)
        if self.predict is not None and self.loss is None:
            raise ValueError("--predict needs --loss: without one the loss is the cross-entropy of softmax(model(x))")
        if self.seed < 0:
            raise ValueError(f"--seed must be at least 0; got {self.seed}")
        if self.batch_norm is not None:
            check_known("--batch-norm", (self.batch_norm,), POLICIES)
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"--threads must be at least 1; got {self.threads}")
        check_device(self.device)
