"""A diagnosis of checkpoint files: read, measured, and told in a report."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nwedge._files import check_directory, remove, write_json
from nwedge.given import network_of
from nwedge.report.diagnosis.document import write
from nwedge.specs.diagnose import Diagnose

if TYPE_CHECKING:
    from nwedge.diagnosis.diagnosis import Diagnosis

DIAGNOSIS, MODEL = "diagnosis.json", "model.safetensors"


NO_STATISTICS = (
    "running statistics of BatchNorm are missing, so that it is not shown what a plain average of state dicts does"
)


@dataclass(frozen=True)
class Diagnosed:
    """What a diagnosis of files came to.

    Attributes:
        diagnosis: the numbers.
        report: the path of report.html.
        left_out: one sentence for each checkpoint that could not be read.
    """

    diagnosis: "Diagnosis"
    report: Path
    left_out: Sequence[str]


def diagnose_files(arguments: Diagnose) -> Diagnosed:
    """Write report.html, diagnosis.json, the figures and the recommended model of one pass below `arguments.out`.

    A checkpoint that cannot be read, or is a copy of another, is left out and told; the others are diagnosed.

    Raises:
        ValueError, TypeError: functions that are not to be found, raise or make no network, no checkpoint that can be
            read, or a plane through one that cannot.
        StoreError: the directory cannot be written.
    """
    from nwedge.diagnosis.diagnose import diagnose
    from nwedge.landscapes.networks.checkpoints import write_checkpoint
    from nwedge.landscapes.networks.files import read

    check_directory(arguments.out)
    given = read(arguments.checkpoints, network_of(arguments), arguments.key)
    landscape = given.landscape
    plane = None if arguments.plane is None else list(map(str, arguments.plane))
    if plane is not None and not set(plane) <= set(given.names):
        raise ValueError(f"--plane goes through a checkpoint that is left out: {'; '.join(given.left_out)}")
    found = diagnose(
        landscape,
        given.points,
        names=given.names,
        statistics=given.statistics,
        level=arguments.level,
        plane=plane,
        seed=arguments.seed,
    )
    left_out = [f"{sentence}: it is left out" for sentence in given.left_out]
    notes = [*given.notes, *([NO_STATISTICS] if given.lack_statistics else [])]
    found = dataclasses.replace(found, warnings=[*left_out, *notes, *found.warnings])
    remove(arguments.out / DIAGNOSIS)
    chosen = landscape.module(found.points[found.recommendation.one_pass.option])
    write_checkpoint(arguments.out / MODEL, chosen)
    written = found.to_json()
    page = write(arguments.out, written)
    write_json(arguments.out / DIAGNOSIS, written)
    return Diagnosed(found, page, given.left_out)
