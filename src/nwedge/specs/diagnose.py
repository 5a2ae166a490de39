"""The arguments of `nwedge diagnose`, in words."""

import math
from dataclasses import dataclass
from pathlib import Path

from nwedge.specs.own import OwnCheckpoints


@dataclass(frozen=True, kw_only=True)
class Diagnose(OwnCheckpoints):
    """Say which checkpoints share a wedge, and whether to average or to ensemble them; draw the report."""

    plane: tuple[Path, Path, Path] | None = None
    """Three of the checkpoints, through which a plane is drawn; by default of the best of different clusters."""
    out: Path = Path("diagnosis")
    """The directory of report.html, diagnosis.json, the figures and the chosen model, model.safetensors."""
    level: float | None = None
    """The highest barrier, in nats, of a line that joins two checkpoints; by default log(classes) / 20."""
    seed: int = 0
    """Of the halves of the held-out data, the samples of examples, and the tunnels."""

    def __post_init__(self) -> None:
        """Refuse what no command on checkpoints takes, a loss without classes, and numbers that cannot be."""
        super().__post_init__()
        if self.loss is not None and self.predict is None:
            raise ValueError("--loss and --predict go together: a network with a loss of its own must say its classes")
        if self.plane is not None and len(set(self.plane) & set(self.checkpoints)) < len(self.plane):
            given = " ".join(map(str, self.plane))
            raise ValueError(f"--plane must be three different ones of the checkpoints; got {given}")
        if self.level is not None and not 0 <= self.level < math.inf:
            raise ValueError(f"--level must be finite and at least 0; got {self.level:g}")
