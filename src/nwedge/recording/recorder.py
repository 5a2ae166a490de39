"""A training written down while it runs."""

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch.distributed
from torch import Tensor, nn

from nwedge._checks import check_integer
from nwedge._files import StoreError, append_line, remove_stale
from nwedge.landscapes.networks.checkpoints import write_checkpoint
from nwedge.landscapes.networks.weights import check_model
from nwedge.recording.reading import RECORDS, SNAPSHOTS, Record, read_records


@runtime_checkable
class Optimizer(Protocol):
    """What a recorder reads of an optimizer, be it torch's or wrapped."""

    param_groups: list[dict[str, Any]]


class Recorder:
    """Keeps the weights and buffers of a module at chosen steps, with the loss and the learning rates there.

    Below the directory, `snapshots/` holds a safetensors file for each step, and `records.jsonl` a line. Both are
    written whole or not at all, the line last, so that a training that is killed leaves a recording that can be read.
    Nothing is ever overwritten. In distributed training the process of rank 0 writes, and the others do nothing.

    Args:
        directory: made if needed. A recording that is there already is continued.
        model: whose weights are kept: the module itself, its parts, or a wrapper of torch.compile or
            DistributedDataParallel around it. Sharded weights (FSDP, ZeRO-3) cannot be kept.
        every: record the steps that this number divides, 0 among them.
        at: record these steps, too; see `cycle_ends` and `log_spaced`.
        resume: let the first step that is recorded lie before the last one that is there, as after a restart from an
            older checkpoint. The earlier records from there on no longer count, but their files stay.

    Attributes:
        directory: where the recording lies.
        model: whose weights are kept.

    Raises:
        TypeError, ValueError: steps that are no integers, none at all, or a module without weights.
        StoreError: the directory is a file, or the recording in it is damaged.
    """

    def __init__(
        self,
        directory: str | Path,
        model: nn.Module,
        *,
        every: int | None = None,
        at: Iterable[int] = (),
        resume: bool = False,
    ) -> None:
        check_model(model)
        self.directory, self.model = Path(directory), model
        self._at = frozenset(at)
        if every is not None:
            check_integer("every", every, 1)
        for step in self._at:
            check_integer("a step of at=", step, 0)
        if every is None and not self._at:
            raise ValueError("nothing would be recorded: give every=, a number of steps, or at=, some steps")
        self._every, self._may_go_back = every, resume
        if self.directory.exists() and not self.directory.is_dir():
            raise StoreError(f"{self.directory} is a file: give the path of a directory")
        self._last = max((record.step for record in read_records(self.directory)), default=None)
        self._cleared = False

    @property
    def last(self) -> int | None:
        """The last step that is recorded, or None."""
        return self._last

    def due(self, step: int) -> bool:
        """Whether a step is to be recorded."""
        return step in self._at or (self._every is not None and step % self._every == 0)

    def step(
        self,
        step: int,
        *,
        loss: float | Tensor | None = None,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
    ) -> None:
        """Record a step if it is due; else nothing is done, so that it can be called in every step.

        Args:
            step: how many updates the weights have seen.
            loss: any number that shall stand beside the weights, such as the loss of the last batch.
            optimizer: whose learning rates are kept, as they are now: those of the next step, if schedulers have made
                theirs already.

        Raises:
            TypeError, ValueError: no step, a loss that is no number, or sharded weights.
            StoreError: steps go back, or the files cannot be written.
        """
        if self.due(step):
            self.record(step, loss=loss, optimizer=optimizer)

    def record(
        self,
        step: int,
        *,
        loss: float | Tensor | None = None,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
    ) -> None:
        """Record a step, whether it is due or not; the last one that is recorded is not recorded again.

        Arguments and errors are those of `step`.
        """
        check_integer("step", step, 0)
        if _rank() or step == self._last:
            return
        self._check_order(step)
        number = None if loss is None else _number(loss)
        rates = tuple(_learning_rates(optimizer))
        if not self._cleared:
            remove_stale(self.directory)
            self._cleared = True
        path = _unused(self.directory / SNAPSHOTS, step)
        write_checkpoint(path, self.model)
        append_line(self.directory / RECORDS, Record(step, number, rates, time.time(), path.name).to_line())
        self._last, self._may_go_back = step, False

    def _check_order(self, step: int) -> None:
        if self._last is not None and step < self._last and not self._may_go_back:
            raise StoreError(
                f"{self.directory} holds a recording up to step {self._last}, and step {step} lies before it: give "
                "another directory or, to go back to that step and on from there, resume=True"
            )


def _unused(folder: Path, step: int) -> Path:
    """The path of a snapshot, with a number behind it where others of the same step are there."""
    name = f"step-{step:09d}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in (folder / f"{name}.safetensors" for name in names) if not path.exists())


def _number(loss: float | Tensor) -> float:
    try:
        return float(loss.detach() if isinstance(loss, Tensor) else loss)
    except (TypeError, ValueError, RuntimeError) as error:
        came = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise ValueError(f"loss must be a number; got {came}") from error


def _learning_rates(optimizer: Optimizer | Sequence[Optimizer] | None) -> Iterator[float]:
    if optimizer is not None:
        for one in optimizer if isinstance(optimizer, Sequence) else [optimizer]:
            yield from (float(group["lr"]) for group in one.param_groups)


def _rank() -> int:
    """Which of the processes of a distributed training this is; 0 where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return _number_in("RANK") if _number_in("WORLD_SIZE") > 1 else 0


def _number_in(variable: str) -> int:
    """The number that a launcher put into the environment; 0 where there is none, as where somebody uses the name."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else 0
