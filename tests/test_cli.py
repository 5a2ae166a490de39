import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr

from nwedge import __version__
from nwedge.cli import main
from nwedge.plan import PLAN, Plan
from nwedge.specs.claims import CLAIMS
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec
from nwedge.store import Result, Store
from nwedge.sweep.leases import Leases
from nwedge.sweep.ledger import Books, duration

SMALL = ["--claims", "no-obstacles", "--landscapes", "toy-complete", "control-horseshoe", "--seeds", "2"]
SMALL += ["--workers", "1"]  # other processes would not see the modules that are replaced here
TASKS = Replicate(claims=("no-obstacles",), landscapes=("toy-complete", "control-horseshoe"), seeds=2).tasks()
CLAIM_TASKS = 4  # two landscapes, two seeds
GROUPS = len(TASKS) - CLAIM_TASKS


def execute(task, inputs, *, threads):
    return Result(xr.Dataset({"value": ((), 1.0)}))


def judge(tasks, results):
    names = dict.fromkeys((task.claim, task.landscape.name) for task in tasks)
    return [{"claim": claim, "landscape": name, "outcome": "holds", "statistic": 1.0} for claim, name in names]


def fit(tasks, results):
    return None


def said(arguments, capsys) -> str:
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def write(directory, results=None):
    (directory / "report.html").write_text("<html>")
    return directory / "report.html"


@pytest.fixture
def fakes(monkeypatch) -> dict[str, ModuleType]:
    """The modules that measure, judge, fit and draw, replaced by the functions above."""
    modules = {}
    places = ("claims._task", "claims.judging", "claims.fit", "report.document")
    for name, function in zip(places, (execute, judge, fit, write), strict=True):
        module = ModuleType(f"nwedge.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, f"nwedge.{name}", module)
        modules[name] = module
    return modules


@pytest.fixture
def bad(capsys, fakes, tmp_path_factory, monkeypatch):
    """Runs arguments that are bad: exit code 2, nothing on stdout, and one line on stderr, which is returned."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))  # should they be taken for good ones, little happens

    def run(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith("nwedge: ")
        assert not re.search("[╭│╰─|]|--- ", line)
        assert "Error parsing Replicate" not in line
        return line

    return run


def test_the_list_of_claims_is_one_line_each(capsys):
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1) for line in lines] == [[claim.id, claim.text] for claim in CLAIMS]


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nwedge {__version__}\n"


@pytest.mark.parametrize(
    ("command", "words"), [((), "replicate,sweep,diagnose,picture,status,report,claims"), (("status",), "DIR")]
)
def test_help_goes_to_stdout(capsys, command, words):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr()
    assert words in said.out
    assert said.err == ""


def test_the_help_of_replicate_names_every_flag(capsys):
    with pytest.raises(SystemExit):
        main(["replicate", "--help"])
    text = capsys.readouterr().out
    flags = set(re.findall(r"(?<= )--[a-z-]+", text))
    assert flags >= {"--preset", "--claims", "--landscapes", "--seeds", "--quick", "--out", "--workers"}
    assert flags >= {"--device", "--cpus-per-task"}
    assert "Processes that do tasks side by side" in text
    assert "--no-quick" not in flags


def test_replicate_status_and_report(tmp_path, fakes, capsys):
    out = tmp_path / "out"
    assert main(["replicate", *SMALL, "--out", str(out)]) == 0
    assert "Report:" in capsys.readouterr().out
    assert Plan.read(out).tasks == TASKS
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "report.html")
    assert (out / "report.html").exists()
    assert main(["status", str(out)]) == 0
    assert "All tasks are done." in capsys.readouterr().out


def test_a_failed_task_gives_1_and_the_rest_is_kept(tmp_path, fakes, capsys):
    def failing(task, inputs, *, threads):
        if isinstance(task, ClaimSpec) and task.seed == 1:
            raise RuntimeError("burst")
        return execute(task, inputs, threads=threads)

    fakes["claims._task"].execute = failing  # pyright: ignore[reportAttributeAccessIssue]
    assert main(["replicate", *SMALL, "--out", str(tmp_path)]) == 1
    capsys.readouterr()
    assert main(["status", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    cells = [re.findall(r"[\w-]+", line) for line in text.splitlines()]
    assert ["runs", str(GROUPS), "0", "0", "0", "0"] in cells
    assert ["no-obstacles", "2", "0", "2", "0", "0"] in cells
    assert ["all", str(GROUPS + 2), "0", "2", "0", "0"] in cells
    assert "failed: no-obstacles on toy-complete, seed 1: RuntimeError: burst (" in text
    assert re.search(rf"2 of {len(TASKS)} tasks are left: about \d+ s\.", text)


def test_status_of_a_plan_that_has_not_begun_and_of_one_that_runs(tmp_path, capsys):
    plan = Plan.of(Replicate(claims=("no-obstacles",), landscapes=("toy-complete",), seeds=2))
    plan.write(tmp_path)
    assert main(["status", str(tmp_path)]) == 0
    assert f"{len(plan.tasks)} of {len(plan.tasks)} tasks are left: nothing has finished yet" in capsys.readouterr().out
    with Leases(tmp_path) as leases:
        leases.take(plan.tasks[0])
        main(["status", str(tmp_path)])
        assert "running: runs on toy-complete" in capsys.readouterr().out
        leases.drop(plan.tasks[0])
        Books(tmp_path).finish(plan.tasks[0], 40.0)
        for running, seconds in ((0, 40), (1, 40), (2, 20)):
            for task in plan.tasks[:running]:
                leases.take(task)
            main(["status", str(tmp_path)])
            total = float(len(plan.tasks) * seconds)
            assert f"tasks are left: about {duration(total)}." in capsys.readouterr().out
    assert "Ended in the last 1 min: 1, that is 1 a minute." in said(["status", str(tmp_path)], capsys)


def test_status_watches_until_nothing_is_left_to_do(tmp_path, monkeypatch, capsys):
    plan = Plan.of(Replicate(claims=("no-obstacles",), landscapes=("toy-complete",), seeds=2))
    plan.write(tmp_path)
    store, looks = Store(tmp_path), []

    def wait(seconds):
        looks.append(seconds)
        store.write(plan.tasks[len(looks) - 1], Result(xr.Dataset()), {})

    monkeypatch.setattr(time, "sleep", wait)
    text = said(["status", str(tmp_path), "--watch"], capsys)
    assert len(looks) == len(plan.tasks)
    assert "All tasks are done." in text


def test_an_interrupt_gives_130_and_one_sentence(tmp_path, fakes, capsys):
    def interrupted(task, inputs, *, threads):
        raise KeyboardInterrupt

    fakes["claims._task"].execute = interrupted  # pyright: ignore[reportAttributeAccessIssue]
    assert main(["replicate", *SMALL, "--out", str(tmp_path)]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "nwedge: interrupted; what is finished is kept, and the same command goes on from there"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["replicate", "status", "report", "claims"]),
        (("measure",), ["replicate", "status", "report", "claims"]),
        (("--bogus",), ["replicate", "status", "report", "claims"]),
        (("replicate", "--preset", "mnist"), ["unknown preset 'mnist'", "digits"]),
        (("replicate", "--claims", "tunnels", "tunel"), ["unknown claim 'tunel'", "two-halves"]),
        (("replicate", "--landscapes", "toy", "sea"), ["unknown landscape 'sea'", "control-bowl"]),
        (("replicate", "--sedes", "3"), ["unknown flag '--sedes'", "--seeds", "--cpus-per-task"]),
        (("replicate", "--engine", "slurm"), ["unknown engine 'slurm'", "local, ray"]),
        (("replicate", "--address", "auto"), ["--address and --gpus-per-task are for --engine ray"]),
        (("replicate", "--engine", "ray", "--gpus-per-task", "1"), ["keeps GPUs free that --device cpu does not use"]),
        (
            ("replicate", "--engine", "ray", "--device", "cuda"),
            ["--engine ray needs --gpus-per-task beside --device cuda"],
        ),
        (
            ("replicate", "--engine", "ray", "--device", "cuda:1", "--gpus-per-task", "1"),
            ["--engine ray itself chooses each task's GPUs", "got cuda:1"],
        ),
        *(
            (
                ("replicate", "--engine", "ray", "--device", "cuda", "--gpus-per-task", gpus),
                [f"--gpus-per-task must be whole or from 0.0001 to 1; got {gpus}"],
            )
            for gpus in ("1.5", "1e-05")
        ),
        (("replicate", "--quick", "yes"), ["unexpected argument 'yes'", "--quick"]),
        (("replicate", "--seeds", "x"), ["--seeds", "expected an integer; got 'x'"]),
        (("replicate", "--seeds", "2.5"), ["--seeds", "expected an integer; got '2.5'"]),
        (("replicate", "--seeds", "None"), ["expected an integer; got 'None'"]),
        (("replicate", "--seeds", "1"), ["--seeds must be at least 2", "got 1"]),
        (("replicate", "--seeds"), ["--seeds", "Missing value"]),
        (("replicate", "--cpus-per-task", "x"), ["--cpus-per-task", "expected an integer; got 'x'"]),
        (("replicate", "--cpus-per-task", "0"), ["--cpus-per-task must be at least 1; got 0"]),
        (("replicate", "--workers", "0"), ["--workers must be at least 1; got 0"]),
        (("replicate", "--workers", "two"), ["--workers", "expected an integer; got 'two'"]),
        (("replicate", "--claims", "no-obstacles", "--landscapes", "control-bowl"), ["nothing to do", "control-bowl"]),
        (("replicate", "--landscapes"), ["--landscapes needs at least one name", "toy"]),
        (("replicate", "--device", "tpu"), ["--device must be cpu, cuda or cuda:N; got 'tpu'"]),
        (("replicate", "--device", "cuda:99"), ["--device cuda:99 is not on this machine"]),
        (("status",), ["Missing from nwedge status: DIR"]),
        (("report",), ["Missing from nwedge report: DIR"]),
        (("status", "a", "b"), ["unexpected argument 'b'", "takes DIR"]),
        (("status", "a", "--all"), ["unknown flag '--all'", "takes DIR"]),
        (("compare", "a"), ["Missing from nwedge compare: OTHER"]),
        (("compare", "a", "b", "c"), ["unexpected argument 'c'", "takes DIR, OTHER"]),
        (("claims", "tunnels"), ["unexpected argument 'tunnels'", "takes nothing"]),
        (("status", "/missing/directory"), ["there is no directory /missing/directory"]),
        (("report", "/missing/directory"), ["there is no directory /missing/directory"]),
    ],
)
def test_bad_arguments_get_one_sentence(bad, arguments, words):
    line = bad(*arguments)
    for word in words:
        assert word in line


def test_data_that_are_not_to_be_had_stop_a_replication_before_it_begins(bad, monkeypatch, tmp_path):
    from nwedge.landscapes.networks import data

    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(data.pooch, "retrieve", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))
    out = tmp_path / "out"
    line = bad("replicate", "--preset", "cifar10", "--out", str(out))
    assert "test_batch.bin into $NWEDGE_DATA/cifar-10-batches-bin" in line
    assert not out.exists()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_sentence_is_the_same_on_every_terminal(encoding, columns):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": columns}
    for arguments, sentence in (
        ("replicate --seeds 1", "--seeds must be at least 2, since an interval needs two values; got 1"),
        ("replicate --seeds x", "Error parsing --seeds: expected an integer; got 'x'"),
        ("status", "Missing from nwedge status: DIR"),
    ):
        command = [sys.executable, "-c", "import sys, nwedge.cli; sys.exit(nwedge.cli.main())", *arguments.split()]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"nwedge: {sentence}\n")


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["report"],
        ["compare", "x" * 300],
        ["replicate", *SMALL, "--out"],
        ["replicate", *SMALL, "--autotune", "--out"],
    ],
)
def test_a_directory_that_may_not_be_looked_for_is_one_sentence(bad, command):
    assert re.fullmatch(r"nwedge: cannot read x+(/plan.json)?: File name too long", bad(*command, "x" * 300))


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_directory_that_is_no_replication(bad, command, tmp_path):
    assert "holds no results" in bad(command, tmp_path)
    (tmp_path / PLAN).write_text("{")
    assert f"{tmp_path / PLAN} is damaged" in bad(command, tmp_path)
    (tmp_path / PLAN).write_text('{"tasks": [1]}')
    assert f"{tmp_path / PLAN} is damaged or of another version" in bad(command, tmp_path)


def test_an_unfinished_replication_has_no_report(tmp_path, capsys):
    Plan.of(Replicate(claims=("tunnels",))).write(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no verdicts" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written(bad, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file" in bad("replicate", *SMALL, "--out", tmp_path / "file")
    assert "cannot write" in bad("replicate", *SMALL, "--out", tmp_path / "file" / "out")
    assert "cannot write" in bad("replicate", *SMALL, "--out", "/proc/nwedge")


@pytest.mark.parametrize(
    "arguments", [("claims",), ("--version",), ("--help",), ("replicate", "--help"), ("replicate", "--seeds", "x")]
)
def test_light_commands_import_nothing_heavy(arguments):
    assert heavy(*arguments) == ""


def test_status_and_compare_import_nothing_heavy(tmp_path):
    Plan.of(Replicate(claims=("tunnels",))).write(tmp_path)
    assert heavy("status", str(tmp_path)) == ""
    row = {"claim": "tunnels", "landscape": "toy", "outcome": "holds", "parts": []}
    (tmp_path / "verdicts.json").write_text(json.dumps([row]))
    assert heavy("compare", str(tmp_path), str(tmp_path)) == ""


def heavy(*arguments: str) -> str:
    """The heavy modules that a command imports."""
    code = (
        "import contextlib, sys, nwedge.cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):\n"
        "    nwedge.cli.main(sys.argv[1:])\n"
        "heavy = {'torch', 'numpy', 'scipy', 'xarray', 'pandas', 'matplotlib', 'netCDF4', 'jax', 'tensorflow'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


SLOW = """
import sys, time
from types import ModuleType
import xarray as xr
from nwedge.store import Result

def execute(task, inputs, *, threads):
    time.sleep(0.2)
    return Result(xr.Dataset({"value": ((), 1.0)}))

for name, field, function in (
    ("claims._task", "execute", execute),
    ("claims.judging", "judge", lambda tasks, results: []),
    ("claims.fit", "fit", lambda tasks, results: None),
    ("report.document", "write", lambda directory: directory),
):
    module = sys.modules[f"nwedge.{name}"] = ModuleType(f"nwedge.{name}")
    setattr(module, field, function)

from nwedge.cli import main

sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_leaves_what_the_same_command_goes_on_with(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", SLOW, "replicate", *SMALL, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(results(out)) >= 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("nwedge: interrupted; what is finished is kept")
    assert "Traceback" not in said
    kept = results(out)
    assert 2 <= len(kept) < len(TASKS)
    assert os.listdir(out / "running") == []
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert f"{len(TASKS) - len(kept)} tasks done, {len(kept)} kept from before" in done.stdout
    assert kept.items() <= results(out).items()


def results(out: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in out.glob("results/*/*.nc")}


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
