"""What a replication costs, from the seconds that its tasks took, and how long it would take on more workers.

`python -m benchmarks.scale DIR ...`, DIR being a directory of `nwedge replicate`, finished or not. For each it prints
what the tasks took, a model of it, and a simulation of its plan on several numbers of workers; where the network is
SimpleCNN also what follows for GPUs, for it and for a ResNet-18. No GPU is measured: their time is arithmetic from
published peaks and assumed shares of them. With --products, Hessian-vector products are timed, too.
"""

import argparse
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.fit import Measured, Model, elsewhere, expected, fit, on_networks, passes
from benchmarks.products import BATCH, Products, products
from benchmarks.schedule import Schedule, critical_path, schedule
from benchmarks.sizes import COPIES, SizeOf, of_preset, of_resnet, stored, trained
from nwedge.methods.long_directions import MOST
from nwedge.specs.configs import ShortDirectionsConfig
from nwedge.specs.cost import GRADIENT
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec, GroupSpec, SheetSpec, TaskSpec
from nwedge.sweep.ledger import describe, duration

KINDS = WEDGES, NETWORK, CONTROL = ("wedges", "network", "control")
"""Kinds of landscapes."""
WORKERS, GPUS = (1, 2, 8, 64), (1, 8, 64)
IMAGES = ("fashion", "cifar10")
"""Presets of SimpleCNN."""
CARDS = {"L4": 30.3e12, "H100 SXM": 67e12}
"""Published peak operations a second in float32, without TF32 and without tensor cores."""
SHARES = (0.01, 0.05, 0.2, 0.5)
"""Of the peak that a worker is assumed to reach."""
CARD, SHARE = "H100 SXM", 0.2
"""Those whose critical path is told."""
LAUNCH = 5e-6
"""Seconds that a GPU is assumed to need at least for an operator."""
LONGER = 10
"""The factor of training for a ResNet-18: 30 epochs in the place of 3, and 10 in the place of 1."""
GB = 1e9


@dataclass(frozen=True)
class Case:
    """A plan to be done on GPUs."""

    name: str
    tasks: Sequence[TaskSpec]
    size_of: SizeOf
    longer: int = 1

    def seconds(self, measured: Measured, model: Model, card: str, share: float) -> dict[str, float]:
        """The seconds of each task by id at a share of a card's peak."""
        return elsewhere(self.tasks, measured, model, share * CARDS[card], self.size_of, longer=self.longer)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("directories", nargs="*", type=Path, metavar="DIR")
    parser.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="that DIR was made with; default: the CPUs"
    )
    parser.add_argument("--products", action="store_true", help="time Hessian-vector products, for about a minute")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=160)
    console.print(f"torch {torch.__version__}, 1 thread, {platform.machine()}, {os.cpu_count()} CPUs")
    for directory in arguments.directories:
        _directory(console, Measured.read(directory), arguments.workers)
    if arguments.products:
        console.print(_products(list(products())))


def _directory(console: Console, measured: Measured, workers: int) -> None:
    """All that follows from one directory."""
    model = fit(measured)
    console.rule(f"{measured.directory}: preset {measured.preset}, {len(measured.seconds)} of {len(measured.tasks)}")
    if measured.strangers:
        console.print(f"{measured.strangers} tasks of the journal are not in the plan and left out")
    console.print(_claims(measured, model))
    console.print(
        f"network tasks: seconds = {model.overhead:.2f} + operations / {model.rate / 1e9:.1f} GFLOP/s, "
        f"fitted to {model.fitted} tasks without searches by robust least squares of log(predicted / measured)"
    )
    seconds = expected(measured, model)
    console.print(_on_workers(measured, seconds, workers))
    console.print(*_path(measured.tasks, seconds), sep="\n")
    if measured.preset not in IMAGES:
        return
    resnet = Replicate(preset="cifar10").tasks()
    for case in (
        Case(f"SimpleCNN, preset {measured.preset}", measured.tasks, of_preset),
        Case(f"ResNet-18, preset cifar10, training {LONGER} times as long", resnet, of_resnet, LONGER),
    ):
        console.print(_on_gpus(case, measured, model))
        console.print(f"on {CARD} at {SHARE:.0%} of the peak:")
        console.print(*_path(case.tasks, case.seconds(measured, model, CARD, SHARE)), sep="\n")
        console.print(_memory(case))


def _claims(measured: Measured, model: Model) -> Table:
    """What the finished tasks of each claim took on each kind of landscape, beside the model."""
    table = _table(
        "finished tasks; passes: of a network on one example, or points; searches: at most; last, measured / predicted",
        *("", "on", "tasks", "done", "seconds", "each", "passes", "searches", "passes / s"),
        *("search share", "together", "median", "worst"),
    )
    rows: dict[tuple[str, str], list[TaskSpec]] = {}
    for task in measured.tasks:
        rows.setdefault((task.folder, _kind(task)), []).append(task)
    for kind in KINDS:
        rows["all", kind] = [task for task in measured.tasks if _kind(task) == kind]
    for (folder, kind), tasks in rows.items():
        done = [task for task in tasks if task.id in measured.seconds]
        if not done:
            continue
        took = [measured.seconds[task.id] for task in done]
        cost = passes(done)
        counts = f"{len(tasks)}", f"{len(done)}"
        table.add_row(
            *(folder, kind, *counts, f"{sum(took):,.1f}", f"{sum(took) / len(took):,.2f}"),
            *(f"{cost.passes:,}", f"{cost.search:,}", f"{cost.passes / max(sum(took), 1e-3):,.0f}"),
            *(_predicted(folder, took, [model.seconds(task) for task in done], model) if kind == NETWORK else "----"),
        )
    return table


def _predicted(folder: str, took: Sequence[float], predicted: Sequence[float], model: Model) -> tuple[str, ...]:
    """The share of its searches, and measured / predicted of the tasks together, of the median and of the worst."""
    ratios = [measured / model_seconds for measured, model_seconds in zip(took, predicted, strict=True)]
    share = f"{model.shares[folder]:.2f}" if folder in model.shares else "-"
    worst = max(ratios, key=lambda ratio: abs(math.log(ratio)))
    return share, f"{sum(took) / sum(predicted):.2f}", f"{median(ratios):.2f}", f"{worst:.2f}"


def _kind(task: TaskSpec) -> str:
    if isinstance(task.landscape, NetworkSpec):
        return NETWORK
    return CONTROL if task.landscape.name.startswith("control-") else WEDGES


def _on_workers(measured: Measured, seconds: Mapping[str, float], workers: int) -> Table:
    """The plan simulated on workers like those that were measured."""
    path = sum(seconds[task.id] for task in critical_path(measured.tasks, seconds))
    title = f"simulated on CPU workers: work {duration(sum(seconds.values()))}, critical path {duration(path)}"
    table = _table(title, "workers", "wall", "utilisation", "times as fast as one", "measured wall", "simulated / it")
    one = schedule(measured.tasks, seconds, 1).wall
    for number in WORKERS:
        found = schedule(measured.tasks, seconds, number)
        known = measured.complete and number == workers
        compared = (duration(measured.span), f"{found.wall / measured.span:.3f}") if known else ("-", "-")
        table.add_row(str(number), *_walls(found), f"{one / found.wall:.1f}", *compared)
    return table


def _on_gpus(case: Case, measured: Measured, model: Model) -> Table:
    """The plan simulated on GPUs, one task on each at a time."""
    table = _table(
        f"{case.name}: simulated, no GPU was measured; {model.overhead:.2f} s a task, and its operations at the share",
        *("card", "peak, TFLOP/s", "share", "GPU hours", "critical path"),
        *(f"{name} on {gpus}" for gpus in GPUS for name in ("wall", "used")),
    )
    for card, peak in CARDS.items():
        for share in SHARES:
            seconds = case.seconds(measured, model, card, share)
            path = sum(seconds[task.id] for task in critical_path(case.tasks, seconds))
            walls = [cell for gpus in GPUS for cell in _walls(schedule(case.tasks, seconds, gpus))]
            hours = f"{sum(seconds.values()) / 3600:,.2f}"
            table.add_row(card, f"{peak / 1e12:g}", f"{share:.0%}", hours, duration(path), *walls)
    return table


def _path(tasks: Sequence[TaskSpec], seconds: Mapping[str, float]) -> Iterable[str]:
    """The critical path, one line for each task."""
    for task in critical_path(tasks, seconds):
        yield f"  on the critical path: {_name(task)}: {duration(seconds[task.id])}"


def _name(task: TaskSpec) -> str:
    if isinstance(task, GroupSpec):
        return f"{describe(task)}, seed {task.runs[0].seed}, {len(task.runs)} runs"
    return f"{describe(task)}, m {task.m}" if isinstance(task, SheetSpec) else describe(task)


def _memory(case: Case) -> Table:
    """What a plan holds on disk and in memory."""
    by_id = {task.id: task for task in case.tasks}
    files = {task.id: stored(task, case.size_of) for task in case.tasks}
    read = {task.id: sum(files[need] for need in task.needs) for task in case.tasks}
    training = {task.id: trained(task, case.size_of) for task in case.tasks}
    networks = on_networks(case.tasks)
    plain = next(task.landscape for task in networks if isinstance(task, SheetSpec))
    assert isinstance(plain, NetworkSpec)
    weights = case.size_of(plain).weights
    lanczos = max(one.probes * one.steps for task in networks if (one := _curvature(task)) is not None)
    table = _table(f"{case.name}: {weights:,} weights, float32 unless told otherwise", "what", "GB", "where")
    table.add_row("one point", f"{4 * weights / GB:.3g}")
    table.add_row(f"one point in training by Adam, {COPIES} arrays", f"{4 * COPIES * weights / GB:.3g}")
    run = max(len(task.train.keep) for task in networks if isinstance(task, GroupSpec))
    table.add_row("the points kept of one run, at most", f"{4 * run * weights / GB:.3g}", f"{run} points")
    written = sum(size > 0 for size in files.values())
    table.add_row("all weights files", f"{sum(files.values()) / GB:.3g}", f"{written} files")
    for what, sizes in (
        ("the largest weights file", files),
        ("the most that one task reads", read),
        ("the most that one task trains and keeps", training),
    ):
        largest = max(sizes, key=sizes.__getitem__)
        table.add_row(what, f"{sizes[largest] / GB:.3g}", _name(by_id[largest]))
    table.add_row(f"{lanczos} vectors of Lanczos", f"{4 * lanczos * weights / GB:.3g}", "short-directions")
    arpack = 2 * MOST + 1
    held = f"{8 * arpack * weights / GB:.3g}"
    table.add_row(f"at most {arpack:,} vectors of ARPACK, float64, on the CPU", held, "radial-wells")
    return table


def _curvature(task: TaskSpec) -> ShortDirectionsConfig | None:
    """The settings of a task that counts short directions."""
    config = task.config if isinstance(task, ClaimSpec) else None
    return config if isinstance(config, ShortDirectionsConfig) else None


def _products(found: Sequence[Products]) -> Table:
    """Gradients and products in relation to the loss, and what bounds the share of a GPU's peak."""
    table = _table(
        f"one point, one CPU thread, medians of 5 rounds; ceiling: a gradient on {BATCH} examples at "
        f"{LAUNCH * 1e6:g} us an operator",
        *("network", "weights", "MFLOP a pass", "examples", "loss", "GFLOP/s", "gradient / loss"),
        *("product / loss", "on a kept graph / loss", "operators", *(f"ceiling, {card}" for card in CARDS)),
    )
    for one in found:
        loss, slope, again = one.timing.floor, one.timing.naive, one.kept.floor
        assert loss is not None
        assert slope is not None
        assert again is not None
        step = GRADIENT * BATCH * one.size.flops / (LAUNCH * one.operators)
        table.add_row(
            *(one.name, f"{one.size.weights:,}", f"{one.size.flops / 1e6:.3g}", f"{one.examples:,}"),
            *(f"{loss * 1e3:.2f} ms", f"{one.examples * one.size.flops / loss / 1e9:.1f}"),
            *(f"{slope / loss:.2f}", f"{one.timing.this / loss:.2f}", f"{one.kept.this / again:.2f}"),
            *(f"{one.operators}", *(f"{100 * min(1, step / peak):.3g} %" for peak in CARDS.values())),
        )
    return table


def _walls(found: Schedule) -> tuple[str, str]:
    return duration(found.wall), f"{found.utilisation:.0%}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("", "on", "card", "network", "what") else "right")
    return table


if __name__ == "__main__":
    main()
