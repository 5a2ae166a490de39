"""What a recorder has kept of a training."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwedge._files import StoreError, whole_lines

RECORDS = "records.jsonl"
SNAPSHOTS = "snapshots"


@dataclass(frozen=True)
class Record:
    """One recorded step.

    Attributes:
        step: of the training.
        loss: as it was given; None where none was.
        learning_rates: of each parameter group, when the step was recorded; empty where no optimizer was given.
        time: seconds since 1970.
        snapshot: the name of the file that holds the weights and buffers.
    """

    step: int
    loss: float | None
    learning_rates: tuple[float, ...]
    time: float
    snapshot: str

    def to_line(self) -> str:
        """One line of strict JSON; a loss that is no number, or infinite, stands there as text."""
        number = self.loss is None or abs(self.loss) < float("inf")
        value = vars(self) | {"loss": self.loss if number else str(self.loss)}
        return json.dumps(value, allow_nan=False)

    @classmethod
    def of(cls, value: Any) -> "Record":
        """The record of a line's value (KeyError, TypeError or ValueError if it is none)."""
        loss = None if value["loss"] is None else float(value["loss"])
        rates, snapshot = tuple(map(float, value["learning_rates"])), value["snapshot"]
        if not isinstance(value["step"], int) or not isinstance(snapshot, str) or Path(snapshot).name != snapshot:
            raise ValueError("no step, or no name of a file")
        return cls(value["step"], loss, rates, float(value["time"]), snapshot)


@dataclass(frozen=True)
class Recording:
    """The recorded steps of a training, in order; all fields but the directory have one entry a step.

    Attributes:
        directory: where it lies.
        steps: increasing.
        losses: as they were given; None where none was.
        learning_rates: of each parameter group; empty where no optimizer was given.
        times: seconds since 1970.
        snapshots: the files of the weights and buffers, for `read_checkpoint`.
    """

    directory: Path
    steps: tuple[int, ...]
    losses: tuple[float | None, ...]
    learning_rates: tuple[tuple[float, ...], ...]
    times: tuple[float, ...]
    snapshots: tuple[Path, ...]


def read_recording(directory: str | Path) -> Recording:
    """The recording in a directory, also of a training that goes on or was killed.

    Where a training went back to an earlier step and on from there, the later records count.

    Raises:
        StoreError: there is no such directory, it holds no recording or a damaged one, or a snapshot is missing.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise StoreError(f"there is no directory {directory}: give the one that the recorder was given")
    records = read_records(directory)
    if not records:
        raise StoreError(f"{directory} holds no recording: expected one step or more in {RECORDS}")
    snapshots = tuple(directory / SNAPSHOTS / record.snapshot for record in records)
    for record, path in zip(records, snapshots, strict=True):
        if not path.is_file():
            raise StoreError(f"{path}, the snapshot of step {record.step}, is missing: put it back")
    return Recording(
        directory,
        steps=tuple(record.step for record in records),
        losses=tuple(record.loss for record in records),
        learning_rates=tuple(record.learning_rates for record in records),
        times=tuple(record.time for record in records),
        snapshots=snapshots,
    )


def read_records(directory: Path) -> list[Record]:
    """The records that count, by increasing steps; none where there is no recording (StoreError if it is damaged)."""
    path = directory / RECORDS
    return _latest(_parsed(path)) if path.exists() else []


def _parsed(path: Path) -> Iterable[Record]:
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            yield Record.of(json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path} is damaged: line {number} is no record of a step") from error


def _latest(records: Iterable[Record]) -> list[Record]:
    """Without those of steps to which the training went back later."""
    kept: list[Record] = []
    for record in records:
        while kept and kept[-1].step >= record.step:
            kept.pop()
        kept.append(record)
    return kept
