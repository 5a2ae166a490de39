"""A study: measure claims, judge them, draw the report; a rerun resumes where the last one stopped."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nwedge import requirements
from nwedge._files import StoreError, remove, shared, there, write_json
from nwedge.plan import FIT, PLAN, VERDICTS, Arguments, Plan
from nwedge.specs.claims import CLAIMS
from nwedge.specs.execution import LEAST_SEEDS, RAY
from nwedge.specs.landscapes import NetworkSpec, OwnNetworkSpec
from nwedge.specs.sweep import Sweep
from nwedge.specs.tasks import ClaimSpec, TaskSpec
from nwedge.store import Store
from nwedge.sweep.ledger import Books, Durations, describe
from nwedge.sweep.progress import Display
from nwedge.sweep.runner import Summary, run
from nwedge.sweep.work import Execute, Job

Judge = Callable[[Sequence[ClaimSpec], Mapping[str, xr.Dataset]], list[dict[str, Any]]]
Draw = Callable[[Path], Path]

COLOURS = {"holds": "green", "fails": "red", "inconclusive": "yellow"}
CONTROLS = "control-"


@dataclass(frozen=True)
class Finished:
    """What a study came to.

    Attributes:
        verdicts: the rows of verdicts.json, one per claim and landscape.
        summary: what became of the tasks.
        report: the path of report.html.
    """

    verdicts: Sequence[Mapping[str, Any]]
    summary: Summary
    report: Path


def prepare(arguments: Arguments) -> Plan:
    """The plan of what is asked for, which this machine can do.

    Raises:
        ValueError: there is nothing to be done, or this machine lacks the device, a data set, a framework or a module.
    """
    tasks = arguments.tasks()
    rule = requirements.check(arguments, tasks)
    if arguments.autotune:
        return Plan.of(_tuned(arguments, tasks, Console(stderr=True)))
    return Plan.of(arguments, arguments.tasks(rule) if isinstance(arguments, Sweep) else tasks)


def carry_out(
    arguments: Arguments,
    plan: Plan,
    *,
    execute: Execute | None = None,
    judge: Judge | None = None,
    draw: Draw | None = None,
) -> Finished:
    """Measure, judge and draw below `arguments.out`: plan.json, results, verdicts.json, fit.json, figures, report.html.

    Where some task failed, what is there is judged and drawn all the same.

    Args:
        arguments: what to measure, and where to keep it.
        plan: what `prepare` made of them.
        execute: does a task (see `nwedge.sweep.runner.run`); None takes `nwedge.claims`.
        judge: (tasks, datasets by task id) -> the rows of verdicts.json; None takes `nwedge.claims`.
        draw: writes the report of a directory and returns its path; None takes `nwedge.report`.

    Raises:
        StoreError: the directory cannot be written, or another process works in it on other tasks.
        WorkersError: the worker processes cannot start; a script that calls this with several workers must do so under
            `if __name__ == "__main__":`.
    """
    execute, judge, draw = execute or _execute(), judge or _judge(), draw or _draw()
    directory, console = arguments.out, Console()
    with shared(directory, lambda first: _enter(directory, plan, first=first)):
        store = Store(directory)
        workers, threads = arguments.side_by_side, arguments.cpus_per_task
        with Display(
            plan.tasks, Durations.of(Books(directory).journal()), Console(stderr=True), workers=workers
        ) as display:
            summary = run(
                plan.tasks,
                store,
                execute,
                workers=workers,
                threads=threads,
                report=display,
                **(_on_ray(arguments, plan.tasks, display) if arguments.engine == RAY else {}),
            )
        kept, left_out = _judgeable(plan, summary)
        datasets = {task.id: store.read(task).dataset for task in kept}
        rows = _told(judge(kept, datasets), plan, kept)
        write_json(directory / VERDICTS, rows)
        _fit(directory, kept, datasets)
        page = draw(directory)
    console.print(_rows(rows) if isinstance(arguments, Sweep) else _table(rows))
    for claim, landscape in left_out:
        _say(console, f"left out: {claim} on {landscape}, since fewer than {LEAST_SEEDS} of its seeds are there")
    if summary.failed:
        console.print(_failures(plan.tasks, summary))
    _say(console, _closing(summary, page))
    return Finished(rows, summary, page)


def _enter(directory: Path, plan: Plan, *, first: bool) -> None:
    """Write the plan, or join those who work on the same tasks (StoreError where they are others)."""
    if first:
        plan.write(directory)
    elif {task.id for task in Plan.read(directory).tasks} != {task.id for task in plan.tasks}:
        raise StoreError(
            f"another process works in {directory} on other tasks: wait for it, give the same arguments to join it, or "
            "give another directory"
        )


def _on_ray(arguments: Arguments, tasks: Sequence[TaskSpec], display: Display) -> dict[str, Any]:
    """What a run on a Ray cluster is given beside: the engine, whose size the display learns, and the nodes' data."""
    from nwedge.build import data_of, provide
    from nwedge.sweep.cluster import RayCluster

    def cluster(job: Job) -> RayCluster:
        made = RayCluster(job, address=arguments.address, gpus=arguments.gpus_per_task, workers=arguments.workers)
        display.workers = made.workers
        return made

    return {"engine": cluster, "prepare": provide, "share": data_of([task.landscape for task in tasks])}


def _tuned(arguments: Arguments, tasks: Sequence[TaskSpec], console: Console) -> Arguments:
    """The arguments with the strategy and chunk that an earlier run in this directory chose, or the fastest now."""
    settled = replace(arguments, autotune=False)
    if there(arguments.out / PLAN):
        earlier = Plan.read(arguments.out).arguments
        same = all(earlier.get(name) == getattr(arguments, name) for name in arguments.TUNED_FOR)
        if same and earlier.get("strategy") and earlier.get("chunk"):
            return replace(settled, strategy=earlier["strategy"], chunk=earlier["chunk"])
    networks = {
        spec.judged_by: spec
        for spec in (task.landscape for task in tasks)
        if isinstance(spec, NetworkSpec | OwnNetworkSpec)
    }
    if not networks:
        _say(console, "nothing to tune: there is no network among the landscapes")
        return settled
    from nwedge.autotune import autotune

    timed = autotune(tuple(networks.values()), arguments.cpus_per_task)
    for one in timed:
        _say(console, f"--strategy {one.strategy} --chunk {one.chunk}: {one.seconds * 1e3:.1f} ms a point")
    return replace(settled, strategy=timed[0].strategy, chunk=timed[0].chunk)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _judgeable(plan: Plan, summary: Summary) -> tuple[list[ClaimSpec], list[tuple[str, str]]]:
    """The tasks whose (claim, landscape) has all its seeds, or at least two of them; and the pairs left out."""
    there = {*summary.done, *summary.kept}
    pairs: dict[tuple[str, str], list[ClaimSpec]] = {}
    for task in plan.tasks:
        if isinstance(task, ClaimSpec):
            pairs.setdefault((task.claim, task.landscape.name), []).append(task)
    kept, left_out = [], []
    for pair, tasks in pairs.items():
        found = [task for task in tasks if task.id in there]
        if len(found) == len(tasks) or len(found) >= LEAST_SEEDS:
            kept.extend(found)
        else:
            left_out.append(pair)
    return kept, left_out


def _told(rows: list[dict[str, Any]], plan: Plan, kept: Sequence[ClaimSpec]) -> list[dict[str, Any]]:
    """The rows, whose sentences say which seeds are missing because their tasks failed."""
    there = {task.id for task in kept}
    for row in rows:
        pair = row["claim"], row["landscape"]
        lost = [
            str(task.seed)
            for task in plan.tasks
            if isinstance(task, ClaimSpec) and (task.claim, task.landscape.name) == pair and task.id not in there
        ]
        if lost:
            row["sentence"] = f"{row['sentence']}; missing: seeds {', '.join(lost)}, whose tasks failed"
    return rows


def _fit(directory: Path, tasks: Sequence[ClaimSpec], datasets: Mapping[str, xr.Dataset]) -> None:
    """Write fit.json, or remove an older one, where no landscape has the results that it needs."""
    from nwedge.claims.fit import fit

    found = fit(tasks, datasets)
    if found is None:
        remove(directory / FIT)
    else:
        write_json(directory / FIT, found)


def _rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line for every combination of a sweep."""
    table = Table(
        "settings", "outcome", "statistic", "95 % interval", title=f"Verdicts: {rows[0]['claim']}" if rows else ""
    )
    for row in rows:
        statistic, interval = row["statistic"], row["interval"]
        table.add_row(
            row["landscape"],
            Text(row["outcome"], style=COLOURS.get(row["outcome"], "")),
            "undefined" if statistic is None else f"{statistic:.3g}",
            f"{interval[0]:.3g} to {interval[1]:.3g}" if interval else "",
        )
    return table


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Claims down, landscapes across, outcome and statistic within; the controls, which are to fail, in one column."""
    names = list(dict.fromkeys(row["landscape"] for row in rows))
    across = [name for name in names if not name.startswith(CONTROLS)]
    controls = len(across) < len(names)
    table = Table(title="Verdicts: outcome and statistic")
    for head in ("claim", *across, *(["controls"] if controls else [])):
        table.add_column(head)
    order = [claim.id for claim in CLAIMS]
    for claim in sorted({row["claim"] for row in rows}, key=lambda id: order.index(id) if id in order else len(order)):
        own = {row["landscape"]: row for row in rows if row["claim"] == claim}
        cells = [_cell(own[name]) if name in own else Text("") for name in across]
        tests = [
            Text(f"{name.removeprefix(CONTROLS)} {_cell(own[name])}")
            for name in names
            if name.startswith(CONTROLS) and name in own
        ]
        table.add_row(claim, *cells, *([Text("\n").join(tests)] if controls else []))
    return table


def _failures(tasks: Sequence[TaskSpec], summary: Summary) -> Table:
    """Each failed task, how many were not run because of it, and where its traceback is kept."""
    table = Table("failed", "error", "not run", "traceback", title="Failures")
    lost = Counter(summary.not_run.values())
    for task in tasks:
        failure = summary.failed.get(task.id)
        if failure is not None:
            table.add_row(describe(task), Text(failure.error), str(lost[task.id]), Text(str(failure.path)))
    return table


def _cell(row: Mapping[str, Any]) -> Text:
    statistic = "" if row["statistic"] is None else f" {row['statistic']:.3g}"
    return Text(row["outcome"] + statistic, style=COLOURS.get(row["outcome"], ""))


def _closing(summary: Summary, page: Path) -> str:
    counts = [
        f"{len(summary.done)} tasks done",
        f"{len(summary.kept)} kept from before" if summary.kept else "",
        f"{len(summary.failed)} failed" if summary.failed else "",
        f"{len(summary.not_run)} not run because of them" if summary.not_run else "",
    ]
    return f"{', '.join(filter(None, counts))}. Report: {page}"


def _execute() -> Execute:
    from nwedge.claims._task import execute

    return execute


def _judge() -> Judge:
    from nwedge.claims.judging import judge

    return judge


def _draw() -> Draw:
    from nwedge.report.document import write

    return write
