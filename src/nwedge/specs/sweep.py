"""The arguments of `nwedge sweep`, in words: a claim on a network of the user's, for each combination of settings."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import tyro

from nwedge.specs import references
from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS
from nwedge.specs.claims import claim as find_claim
from nwedge.specs.execution import LEAST_SEEDS, Execution, check_known
from nwedge.specs.landscapes import OwnNetworkSpec
from nwedge.specs.presets import Place, Preset, Rule, expand
from nwedge.specs.subjects import Sheets, Subject, Training, keep
from nwedge.specs.tasks import OPTIMA, TaskSpec, TrainSpec
from nwedge.specs.vary import CLAIM, DATA, NETWORK, SEED, SETTINGS, Grid, below, grid, said

SEEDS = tuple(range(5))


@dataclass(frozen=True, kw_only=True)
class Varied:
    """A claim on a network of the user's, how it is trained, and what is varied."""

    claim: Annotated[str, tyro.conf.arg(metavar="CLAIM"), tyro.conf.Positional]
    """The id of a claim (see `nwedge claims`) that reads runs at one rate."""
    network: str
    """A function that returns your torch.nn.Module, as package.module:function; looked for in this directory, too.
    A sweep in DIR starts anew once its file has changed, but not once files that it imports or reads have."""
    data: str
    """A function that returns (training data, held-out data), each what NetworkLandscape takes."""
    loss: str | None = None
    """A function of (model, batch) that returns the mean loss; by default the cross-entropy of (x, y)."""
    predict: str | None = None
    """A function of (model, batch) that returns probabilities; needed beside --loss by claims about accuracy."""
    vary: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """NAME=VALUE,VALUE,... or NAME=FIRST:END, as often as you like; NAME is seed, a flag of the training below,
    claim.SETTING, network.ARGUMENT or data.ARGUMENT. Lists are joined by +, as in claim.m=2+3."""
    optimizer: str = "sgd"
    """Of the training: sgd or adam."""
    lr: float = 0.1
    """Of the training: the learning rate."""
    steps: int = 1000
    """Of the training."""
    momentum: float = 0.0
    """Of SGD."""
    weight_decay: float = 0.0
    """Of the training: the coefficient of the L2 penalty's gradient."""
    schedule: str = "constant"
    """Of the learning rate: constant or cosine."""
    batch_size: int = 128
    """Examples that a step of the training sees."""
    batch_norm: str = "keep"
    """BatchNorm's statistics: keep those of your module, or recompute them at every point."""
    sheet_steps: int = Sheets.steps
    """Of the training of each sheet that the claim reads."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Execution, Varied):
    """Measure a claim on your own network for every combination of settings; judge, and draw the report."""

    out: Path = Path("sweep")
    """The directory that holds results, verdicts, figures and the report."""

    TUNED_FOR: ClassVar = ("network", "data", "loss", "batch_norm", "device", "cpus_per_task")
    """The arguments on which the fastest strategy depends."""

    def __post_init__(self) -> None:
        """Refuse unknown claims, names and values (ValueError)."""
        super().__post_init__()
        check_known("claim", (self.claim,), (claim.id for claim in CLAIMS))
        if not find_claim(self.claim).alone:
            able = ", ".join(claim.id for claim in CLAIMS if claim.alone)
            raise ValueError(f"{self.claim} itself compares several settings or claims; those that can vary: {able}")
        for name, reference in references.named(self).items():
            references.check_reference(f"--{name}", reference)
        if self.predict is not None and self.loss is None:
            raise ValueError("--predict is for networks with a --loss of their own: add it, or leave --predict out")
        for name, setting in SETTINGS.items():
            setting.check(f"--{name.replace('_', '-')}", getattr(self, name))
        if len(self._grid().get(SEED, SEEDS)) < LEAST_SEEDS:
            raise ValueError(f"--vary {SEED} needs at least {LEAST_SEEDS} values, since an interval needs them")
        for row in self.combinations().values():
            self._check_used(row)

    def tasks(self, rule: Rule = MappingProxyType({})) -> tuple[TaskSpec, ...]:
        """The tasks to be done, inputs first: a row of the verdict table for every combination of settings.

        Args:
            rule: what it chose for each network, where strategy or chunk are not given.

        Raises:
            ValueError: a module that is not to be found.
        """
        code = references.code(references.named(self).values())
        return expand(
            Preset({NETWORK: tuple(self._subject(title, row, code) for title, row in self.combinations().items())}),
            claims=(self.claim,),
            landscapes=(NETWORK,),
            seeds=self._grid().get(SEED, SEEDS),
            quick=False,
            place=Place(device=self.device, strategy=self.strategy, chunk=self.chunk, rule=rule),
        )

    def combinations(self) -> dict[str, dict[str, Any]]:
        """Every combination of the varied settings but the seed, by its row of the verdict table."""
        grid = self._grid()
        grid.pop(SEED, None)
        shown = [name for name, values in grid.items() if len(values) > 1]
        rows = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        return {", ".join(f"{name}={said(row[name])}" for name in shown) or NETWORK: row for row in rows}

    def _grid(self) -> Grid:
        return grid(self.vary, find_claim(self.claim))

    def _check_used(self, row: Mapping[str, Any]) -> None:
        """Refuse settings (ValueError) that the optimizer or the claim of a combination does not use."""
        given = self._training(row)
        if given["optimizer"] == "adam" and given["momentum"]:
            raise ValueError("--momentum is of --optimizer sgd: leave it out with adam")
        if given["sheet_steps"] != Sheets.steps and not find_claim(self.claim).sizes(self._config(row)):
            raise ValueError(f"--sheet-steps is for claims that read sheets: leave it out with {self.claim}")

    def _training(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of the training of a combination."""
        return {name: row.get(name, getattr(self, name)) for name in SETTINGS}

    def _config(self, row: Mapping[str, Any]) -> Spec:
        """The settings of the claim of a combination."""
        return dataclasses.replace(find_claim(self.claim).config(), **below(row, CLAIM))

    def _subject(self, title: str, row: Mapping[str, Any], code: str) -> Subject:
        """The row of the verdict table for a combination of settings."""
        claim, given, config = find_claim(self.claim), self._training(row), self._config(row)
        network = OwnNetworkSpec(
            name=NETWORK,
            network=self.network,
            data=self.data,
            network_arguments=tuple(sorted(below(row, NETWORK).items())),
            data_arguments=tuple(sorted(below(row, DATA).items())),
            loss=self.loss,
            predict=self.predict,
            batch_norm=given["batch_norm"],
            batch_size=given["batch_size"],
            code=code,
        )
        train = TrainSpec(
            optimizer=given["optimizer"],
            steps=given["steps"],
            momentum=given["momentum"],
            schedule=given["schedule"],
            keep=keep(given["steps"]),
        )
        rates, decays, sizes = (given["lr"],), (given["weight_decay"],), claim.sizes(config)
        return Subject(
            title,
            lambda seed: dataclasses.replace(network, name=title),
            (Training(OPTIMA, lambda seed: network, train, rates, decays, claim.members(config)),),
            Sheets(sizes, steps=given["sheet_steps"]) if sizes else None,
            settings={claim.id: config},
        )
