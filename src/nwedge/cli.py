"""The command line. Light: what computes is imported by the command that needs it."""

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Annotated, Any

import tyro

from nwedge import __version__
from nwedge._files import StoreError
from nwedge.specs.claims import CLAIMS
from nwedge.specs.count import Count
from nwedge.specs.diagnose import Diagnose
from nwedge.specs.picture import Picture, PictureArguments
from nwedge.specs.replicate import Replicate
from nwedge.specs.sweep import Sweep

KINDS_OF_NUMBER: dict[type[int | float], str] = {int: "an integer", float: "a number"}
DONE, FAILED, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130
FLAGS = {
    r"\bbatch_norm='(\w+)'": r"--batch-norm \1",
    r"\bothers='filters'": "--normalise-others",
    r"\bnwedge\.geometry\.random\b": "--directions random",
    r"\bnwedge\.evaluate\b": "--tolerance 0",
    r"\b(loss|predict)=(?=,)": r"--\1",
}
"""What is called otherwise in Python."""
KEPT = "; what is finished is kept, and the same command goes on from there"


@dataclass(frozen=True)
class Status:
    """Say what is done, running and failed in DIR, and how long it may still take."""

    dir: Annotated[Path, tyro.conf.arg(metavar="DIR"), tyro.conf.Positional]
    """A directory that `nwedge replicate --out DIR` or `nwedge sweep --out DIR` made."""
    watch: bool = False
    """Look again every few seconds, until all tasks are done or have failed."""


@dataclass(frozen=True)
class Report:
    """Redraw the figures and report.html of DIR from its stored results."""

    dir: Annotated[Path, tyro.conf.arg(metavar="DIR"), tyro.conf.Positional]
    """A directory that `nwedge replicate --out DIR` or `nwedge sweep --out DIR` made."""


@dataclass(frozen=True)
class Compare:
    """Say whether two replications agree: in each outcome, and each statistic with the other's interval."""

    dir: Annotated[Path, tyro.conf.arg(metavar="DIR"), tyro.conf.Positional]
    """A directory with a verdicts.json."""
    other: Annotated[Path, tyro.conf.arg(metavar="OTHER"), tyro.conf.Positional]
    """Another one."""


@dataclass(frozen=True)
class Claims:
    """List the claims, one line each: the id, then its text."""


Command = (
    Annotated[Replicate, tyro.conf.subcommand("replicate")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
    | Annotated[Picture, tyro.conf.subcommand("picture")]
    | Annotated[Status, tyro.conf.subcommand("status")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Claims, tyro.conf.subcommand("claims")]
    | Annotated[Count, tyro.conf.subcommand("count")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
)

DESCRIPTION = """Put the claims of "Large Scale Structure of Neural Network Loss Landscapes" to the test.

nwedge --version prints the version."""


class BadArguments(Exception):
    """Arguments that cannot be obeyed, in one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `nwedge` with the given arguments (those of the process if None) and return the exit code.

    0: done; 1: some task failed, two replications differ, a checkpoint is left out, or a picture fails its self-check;
    2: bad arguments or directory, said in one line on stderr; 130: interrupted.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"]:
        print(f"nwedge {__version__}")
        return DONE
    command = None
    try:
        command = _parse(given)
        return _obey(command)
    except (BadArguments, StoreError) as error:
        print(f"nwedge: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_ARGUMENTS
    except KeyboardInterrupt:
        kept = isinstance(command, Replicate | Sweep | PictureArguments)
        print(f"nwedge: interrupted{KEPT if kept else ''}", file=sys.stderr)
        return INTERRUPTED


def _obey(command: Any) -> int:
    if isinstance(command, Replicate | Sweep):
        return _study(command)
    if isinstance(command, Diagnose):
        return _diagnose(command)
    if isinstance(command, PictureArguments):
        return _picture(command)
    if isinstance(command, Status):
        return _status(command)
    if isinstance(command, Report):
        return _report(command.dir)
    if isinstance(command, Compare):
        return _compare(command)
    if isinstance(command, Count):
        return _count(command)
    for claim in CLAIMS:
        print(claim.id, claim.text)
    return DONE


def _study(arguments: Replicate | Sweep) -> int:
    from nwedge.study import carry_out, prepare
    from nwedge.sweep.work import WorkersError

    try:
        plan = prepare(arguments)
    except ValueError as error:
        raise BadArguments(str(error)) from error
    try:
        return FAILED if carry_out(arguments, plan).summary.failed else DONE
    except WorkersError as error:
        raise BadArguments(str(error)) from error


def _diagnose(arguments: Diagnose) -> int:
    from nwedge.diagnosing import diagnose_files
    from nwedge.requirements import check_device

    try:
        check_device(arguments.device, "use cpu")
        found = diagnose_files(arguments)
    except (ValueError, TypeError) as error:
        raise BadArguments(_in_flags(str(error))) from error
    for sentence in found.left_out:
        print(f"nwedge: left out: {sentence}", file=sys.stderr)
    advice = found.diagnosis.recommendation
    for budget, choice in (("one pass", advice.one_pass), ("as many passes as checkpoints", advice.k_passes)):
        print(f"{budget}: {choice.option} ({choice.sentence})")
    print(f"Report: {found.report}")
    return FAILED if found.left_out else DONE


def _picture(arguments: PictureArguments) -> int:
    from nwedge.picturing import draw_picture
    from nwedge.requirements import check_device

    try:
        check_device(arguments.device, "use cpu")
        found = draw_picture(arguments)
    except (ValueError, TypeError, FloatingPointError) as error:
        raise BadArguments(_in_flags(str(error))) from error
    for sentence in found.left_out:
        print(f"nwedge: left out: {sentence}", file=sys.stderr)
    for sentence in found.sentences:
        print(sentence)
    if found.check is not None and not found.check.passed:
        print(f"nwedge: {found.check.sentence}", file=sys.stderr)
    print(f"Picture: {found.page}")
    return DONE if found.trusted else FAILED


def _status(arguments: Status) -> int:
    from nwedge.plan import Plan
    from nwedge.sweep.status import show, watch

    plan = Plan.read(arguments.dir)
    (watch if arguments.watch else show)(plan.tasks, arguments.dir)
    return DONE


def _report(directory: Path) -> int:
    from nwedge.plan import Plan

    Plan.read(directory)
    from nwedge.report.document import write
    from nwedge.report.results import read

    results = read(directory)
    print(write(directory, results))
    for sentence in results.damaged:
        print(f"nwedge: {sentence}", file=sys.stderr)
    return FAILED if results.damaged else DONE


def _compare(arguments: Compare) -> int:
    from nwedge.compare import compare

    found = compare(arguments.dir, arguments.other)
    print("\n".join(found.lines()))
    return FAILED if found.differences else DONE


def _count(arguments: Count) -> int:
    try:
        lines = arguments.lines()
    except ValueError as error:
        raise BadArguments(str(error)) from error
    print("\n".join(lines))
    return DONE


def _parse(given: Sequence[str]) -> Any:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command, unknown = tyro.cli(
                Command,
                prog="nwedge",
                description=DESCRIPTION,
                args=given,
                return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
                registry=_registry(),
            )
    except SystemExit as end:
        if not end.code:  # help was asked for
            raise
        raise BadArguments(_sentence(said.getvalue())) from end
    if isinstance(command, Picture):
        command = command.arguments
    if unknown:
        what = "unknown flag" if unknown[0].startswith("-") else "unexpected argument"
        raise BadArguments(f"{what} {unknown[0]!r}: `nwedge {_name(command)}` takes {_takes(command)}")
    return command


def _name(command: Any) -> str:
    return f"picture {command.kind}" if isinstance(command, PictureArguments) else type(command).__name__.lower()


def _takes(command: Any) -> str:
    names = [field.name for field in dataclasses.fields(command)]
    places = {"dir": "DIR", "other": "OTHER", "claim": "CLAIM", "checkpoints": "CKPT..."}
    return ", ".join(places.get(name) or f"--{name.replace('_', '-')}" for name in names) or "nothing"


def _in_flags(sentence: str) -> str:
    """A sentence in which arguments and functions of Python are called as on the command line."""
    for pattern, flag in FLAGS.items():
        sentence = re.sub(pattern, flag, sentence)
    return sentence


def _registry() -> tyro.constructors.ConstructorRegistry:
    """Numbers, and numbers that may be left out, complain in plain words; `None` is no word of the command line."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def _(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        kind = next((kind for kind in KINDS_OF_NUMBER if info.type in (kind, kind | None)), None)
        if kind is None:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar=kind.__name__.upper(),
            instance_from_str=lambda words: _number(kind, words[0]),
            is_instance=lambda value: value is None or isinstance(value, kind),
            str_from_instance=lambda value: ["none" if value is None else str(value)],
        )

    return registry


def _number(kind: type[int | float], word: str) -> int | float:
    try:
        return kind(word)
    except ValueError:
        raise ValueError(f"expected {KINDS_OF_NUMBER[kind]}; got {word!r}") from None


def _sentence(box: str) -> str:
    """The first paragraph below the title in the box that tyro draws around an error, in one line.

    The box has lines of ─ and │, or on terminals without them of hyphens, of which the first closes the title.
    """
    lines = [line.strip("│ ") for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()]
    below = list(dropwhile(lambda line: not _is_rule(line), lines))[1:]
    paragraph = list(takewhile(lambda line: line and not _is_rule(line), below))
    if paragraph and paragraph[0].startswith("Missing from"):  # without the help text of what is missing
        paragraph = paragraph[:2]
    return re.sub(r"^Error parsing \w+: ", "", " ".join(paragraph or lines))


def _is_rule(line: str) -> bool:
    return "──" in line or set(line) == {"-"}
