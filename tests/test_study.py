import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from nwedge import study
from nwedge._files import StoreError, shared
from nwedge.plan import Plan
from nwedge.report.document import write
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec, GroupSpec
from nwedge.store import Result, Store
from nwedge.study import carry_out, prepare
from nwedge.sweep.ledger import Durations
from nwedge.sweep.progress import Display
from nwedge.sweep.work import Job


def execute(task, inputs, *, threads):
    return Result(xr.Dataset({"value": ((), int(task.id[:6], 16))}))


def judge(tasks, results):
    rows: dict[tuple[str, str], dict] = {}
    for task in tasks:
        row = rows.setdefault(
            (task.claim, task.landscape.name), {"statistic": 0.0, "seeds": 0, "sentence": "", "task_ids": []}
        )
        row["statistic"] += float(results[task.id]["value"])
        row["seeds"] += 1
        row["task_ids"].append(task.id)
    return [{"claim": claim, "landscape": name, "outcome": "holds"} | row for (claim, name), row in rows.items()]


def draw(directory):
    assert (directory / "verdicts.json").exists()
    page = directory / "report.html"
    page.write_text("<html>")
    return page


def replicate(arguments, execute=execute, judge=judge) -> int:
    """How many tasks failed."""
    finished = carry_out(arguments, prepare(arguments), execute=execute, judge=judge, draw=draw)
    assert finished.report == arguments.out / "report.html"
    return len(finished.summary.failed)


class Doing:
    """Replicates with the functions above, of which any may be replaced."""

    def __init__(self, out: Path) -> None:
        self.arguments = Replicate(claims=("tunnels",), seeds=3, workers=1, out=out)

    def __call__(self, execute=execute, judge=judge) -> int:
        return replicate(self.arguments, execute, judge)

    def verdicts(self) -> dict[str, dict]:
        return {row["landscape"]: row for row in json.loads((self.arguments.out / "verdicts.json").read_text())}

    def failing(self, landscape: str, *seeds: int):
        def some(task, inputs, *, threads):
            if isinstance(task, ClaimSpec) and task.landscape.name == landscape and task.seed in seeds:
                raise RuntimeError("no")
            return execute(task, inputs, threads=threads)

        return some


@pytest.fixture
def doing(tmp_path) -> Doing:
    return Doing(tmp_path / "out")


def test_all_is_written_and_said(doing, capsys):
    assert doing() == 0
    out = doing.arguments.out
    assert Plan.read(out).tasks == doing.arguments.tasks()
    rows = doing.verdicts()
    wanted = [task for task in doing.arguments.tasks() if isinstance(task, ClaimSpec)]
    assert set(rows) == {task.landscape.name for task in wanted} >= {"toy-complete", "network", "control-bowl"}
    for name, row in rows.items():
        assert row["task_ids"] == [task.id for task in wanted if task.landscape.name == name]
        assert row["statistic"] == sum(int(id[:6], 16) for id in row["task_ids"])
    said = capsys.readouterr()
    assert "tunnels" in said.out
    assert "holds" in said.out
    assert f"Report: {out / 'report.html'}" in said.out
    assert said.err.splitlines()[0].startswith("[1/")


def test_the_same_seeds_give_the_same_verdicts_twice(doing, tmp_path):
    doing()
    again = Doing(tmp_path / "again")
    again()
    name = "verdicts.json"
    assert (doing.arguments.out / name).read_bytes() == (again.arguments.out / name).read_bytes()


def test_a_rerun_runs_nothing_but_judges_and_draws(doing, capsys):
    doing()
    (doing.arguments.out / "report.html").unlink()

    def never(task, inputs, *, threads):
        pytest.fail("executed again")

    assert doing(execute=never) == 0
    assert (doing.arguments.out / "report.html").exists()
    assert f"0 tasks done, {len(doing.arguments.tasks())} kept from before" in capsys.readouterr().out


def test_two_seeds_that_are_left_are_judged(doing, capsys):
    assert doing(execute=doing.failing("network", 1)) == 1
    assert doing.verdicts()["network"]["seeds"] == 2
    assert doing.verdicts()["network"]["sentence"] == "; missing: seeds 1, whose tasks failed"
    assert doing.verdicts()["toy-complete"]["seeds"] == 3
    assert doing.verdicts()["toy-complete"]["sentence"] == ""
    said = capsys.readouterr()
    assert "1 failed" in said.out
    assert "Failures" in said.out
    assert "left out" not in said.out
    assert "failed: tunnels on network, seed 1: RuntimeError: no" in said.err


def test_a_single_seed_is_left_out_and_named(doing, capsys):
    assert doing(execute=doing.failing("network", 0, 2)) == 2
    assert "network" not in doing.verdicts()
    assert "left out: tunnels on network" in capsys.readouterr().out
    assert doing() == 0
    assert doing.verdicts()["network"]["seeds"] == 3


def test_what_depends_on_a_failure_is_left_out(doing, capsys):
    def no_network(task, inputs, *, threads):
        if isinstance(task, GroupSpec) and task.landscape.name == "network":
            raise RuntimeError("no")
        return execute(task, inputs, threads=threads)

    assert doing(execute=no_network) == 1
    said = capsys.readouterr()
    assert "1 failed, 3 not run because of them" in said.out
    assert "not run: tunnels on network, seed 0: because runs on network failed" in said.err


def test_undefined_statistics_and_nothing_to_judge_are_shown(doing, capsys):
    def undefined(tasks, results):
        return [row | {"statistic": None, "outcome": "inconclusive"} for row in judge(tasks, results)]

    assert doing(judge=undefined) == 0
    assert "inconclusive" in capsys.readouterr().out
    assert doing(judge=lambda tasks, results: []) == 0
    assert doing.verdicts() == {}


def test_verdicts_are_strict_json(doing):
    with pytest.raises(ValueError, match="nan"):
        doing(judge=lambda tasks, results: [{"claim": "tunnels", "landscape": "network", "statistic": float("nan")}])
    assert not (doing.arguments.out / "verdicts.json").exists()


def test_the_threads_reach_the_task_and_the_provenance(tmp_path):
    arguments = Replicate(
        claims=("no-obstacles",), landscapes=("control-horseshoe",), seeds=2, workers=1, cpus_per_task=2, out=tmp_path
    )
    seen = []

    def counted(task, inputs, *, threads):
        seen.append(threads)
        return execute(task, inputs, threads=threads)

    assert replicate(arguments, counted) == 0
    assert set(seen) == {2}
    assert Store(tmp_path).provenance(arguments.tasks()[0])["threads"] == 2


def test_as_many_workers_as_asked_for_share_the_work(doing, capsys):
    doing.arguments = dataclasses.replace(doing.arguments, workers=2)
    with pytest.raises(ValueError, match="must be a function of a module"):
        doing(execute=lambda task, inputs, *, threads: execute(task, inputs, threads=threads))


def test_two_processes_share_a_directory_for_the_same_tasks_alone(doing):
    plan = prepare(doing.arguments)
    others = prepare(dataclasses.replace(doing.arguments, seeds=2))
    out = doing.arguments.out
    with shared(out, lambda first: others.write(out)), pytest.raises(StoreError, match="another process works in"):
        doing()
    with shared(out, lambda first: plan.write(out)):
        assert doing() == 0


def test_a_directory_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out, words in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "out", "cannot write")):
        with pytest.raises(StoreError, match=words):
            Doing(out)()


def one_wedge(task, inputs, *, threads):
    """The results of one wedge with s = 15 of 300 directions and the scale 1, as far as the fit reads them."""
    m = np.arange(1, 4)
    found = {
        "sections": xr.Dataset(
            {"threshold": 13.5, "censored": False, "level_share": 0.1, "level": 1.5, "radius": 300**0.5}
        ).assign(dim=300),
        "radial-wells": xr.Dataset({"probe_slope": 0.05}),
        "short-directions": xr.Dataset(
            {
                "center_count": (("threshold", "m"), 300 * (1 - 0.95 ** m[None])),
                "center_error": (("threshold", "m"), np.zeros((1, len(m)))),
                "top_eigenvalue": 2.0,
            },
            {"threshold": [0.03], "m": m},
        ),
    }
    return Result(found.get(task.folder, xr.Dataset()).assign(value=1.0))


def test_the_fit_is_written_with_its_claims_and_removed_without_them(doing):
    own = doing.arguments
    needed = ("sections", "radial-wells", "short-directions")
    doing.arguments = dataclasses.replace(own, claims=needed, landscapes=("toy-sampled", "control-bowl"))
    assert doing(execute=one_wedge) == 0
    found = json.loads((own.out / "fit.json").read_text())["landscapes"]
    assert set(found) == {"toy-sampled"}
    assert [one["s"]["mean"] for one in found["toy-sampled"]["estimates"]] == pytest.approx([15, 15, 15])
    doing.arguments = own
    assert doing() == 0
    assert not (own.out / "fit.json").exists()


TWO = """
import os, sys, time
from pathlib import Path
from nwedge.claims.judging import judge
from nwedge.report.document import write
from nwedge.specs.replicate import Replicate
from nwedge.study import carry_out, prepare

def together(function):
    "The function, once both processes have come to it."
    def wait(*arguments):
        (out.parent / f"{function.__name__}-{os.getpid()}").touch()
        until = time.monotonic() + 60
        while len(list(out.parent.glob(f"{function.__name__}-*"))) < 2:
            assert time.monotonic() < until
        return function(*arguments)
    return wait

out = Path(sys.argv[1])
landscapes = ("toy-complete", "control-horseshoe")
arguments = Replicate(claims=("no-obstacles",), landscapes=landscapes, seeds=2, workers=1, cpus_per_task=1, out=out)
finished = carry_out(arguments, prepare(arguments), judge=together(judge), draw=together(write))
print(len(finished.summary.done), len(finished.summary.kept), len(finished.verdicts))
"""


def test_two_processes_judge_and_draw_in_one_directory_at_once(tmp_path):
    out, command = tmp_path / "out", [sys.executable, "-c", TWO, str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    last = [process.communicate(timeout=120)[0].splitlines()[-1].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    plan = Plan.read(out)
    assert sum(int(done) for done, *_ in last) == len(plan.tasks)
    assert all((int(done) + int(kept), verdicts) == (len(plan.tasks), "2") for done, kept, verdicts in last)

    def page() -> dict[str, bytes]:
        paths = (out / "verdicts.json", out / "report.html", *sorted((out / "figures").iterdir()))
        return {path.name: path.read_bytes() for path in paths}

    at_once = page()
    write(out)
    assert page() == at_once
    assert len(at_once) == 4


def test_importing_it_needs_no_torch():
    code = "import sys, nwedge.study; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_time_left_on_a_cluster_is_by_its_size(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from nwedge.sweep import cluster

    asked = []

    class Five:
        workers = 5

        def __init__(self, job, **how):
            asked.append(how)

    monkeypatch.setattr(cluster, "RayCluster", Five)
    display = Display([], Durations(), Console(), workers=1)
    arguments = Replicate(engine="ray", address="auto", out=tmp_path)
    engine = study._on_ray(arguments, [], display)["engine"]
    engine(Job(tmp_path, execute, 1, {}))
    assert display.workers == 5
    assert asked == [{"address": "auto", "gpus": 0.0, "workers": None}]
