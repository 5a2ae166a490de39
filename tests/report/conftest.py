"""Made-up results with the schemas of the claims: datasets of five seeds, and a stored replication of three."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nwedge._files import write_json
from nwedge.plan import VERDICTS, Plan
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec
from nwedge.store import Result, Store

PROVENANCE = {"torch": "2.13.0", "nwedge": "0.1.0", "device": "cpu", "threads": 2, "wall_time": 1.5, "commit": None}
ARGUMENTS = Replicate(claims=("no-obstacles", "tunnels", "two-halves"), seeds=3)
"""Claims whose figures are drawn side by side, a column for each landscape; other claims bring data of their own."""
STEPS = np.unique(np.r_[0, np.geomspace(1, 600, 40).round()]).astype(int)
PATHS = ["line", "pointwise", "sheet", "bezier"]


def is_network(name: str) -> bool:
    return not name.startswith(("toy", "control"))


def no_obstacles(name: str, rng: np.random.Generator) -> xr.Dataset:
    t = np.linspace(0, 1, 101)
    start = 2.3 if is_network(name) else rng.uniform(40, 60)
    decay = STEPS / (100 if is_network(name) else 30)
    last = 0.004 * start if is_network(name) else 0.0
    trajectory = last + (start - last) * np.exp(-decay[None] * rng.uniform(0.8, 1.2, (2, 1)))
    trajectory[trajectory < 1e-12] = 0
    line = last + (start - last) * (1 - t[None]) ** rng.uniform(1.8, 2.2, (2, 1))
    if name == "control-horseshoe":
        line = line + 4 * start * np.sin(np.pi * t) ** 2
    highest = (line - np.minimum.accumulate(line, 1)).max(1)
    drop = trajectory[:, 0] - trajectory[:, -1]
    return xr.Dataset(
        {
            "line_loss": (("run", "t"), line),
            "trajectory_loss": (("run", "step"), trajectory),
            "drop": ("run", drop),
            "line_rise": ("run", highest / drop),
            "trajectory_rise": ("run", np.zeros(2)),
            "initial_loss": ("run", trajectory[:, 0]),
            "final_loss": ("run", trajectory[:, -1]),
        },
        {"t": t, "step": STEPS},
    )


def tunnels(name: str, rng: np.random.Generator) -> xr.Dataset:
    t = np.linspace(0, 1, 121)
    hill = np.sin(np.pi * t) ** 2
    last, wall = (0.004, rng.uniform(0.7, 0.9)) if is_network(name) else (0.0, rng.uniform(3, 4))
    heights = {"line": wall, "pointwise": 0.4 * wall, "sheet": 0.004 * wall, "bezier": 0.01 * wall}
    if name == "control-bowl":
        heights, last = dict.fromkeys(PATHS, 0.0), 1e-9
    if name == "control-isolated":
        heights = dict.fromkeys(PATHS, wall) | {"sheet": 0.97 * wall}
    loss = np.stack([last + heights[path] * hill * rng.uniform(0.9, 1.1) for path in PATHS])
    variables = {
        "loss": (("path", "t"), loss),
        "barrier": ("path", loss.max(1) - last),
        "bend_barrier": ("bend", wall * rng.normal(1.3, 0.08, 1000) * (0.01 if name == "control-bowl" else 1)),
        "length": ("path", [1.0, 1.3, 1.25, 1.2], {"units": "|b - a|"}),
        "initial_loss": ("run", [50.0, 52.0]),
        "final_loss": ("run", [last, last]),
        "separation": 12.0,
        "coincide": False,
    }
    if is_network(name):
        variables |= {
            "accuracy": (("path", "t"), 1 - 0.3 * loss),
            "held_out_loss": (("path", "t"), loss + 0.1),
            "held_out_accuracy": (("path", "t"), 0.97 - 0.3 * loss),
        }
    if name.startswith("toy"):
        variables |= {"distance": (("path", "t"), np.sqrt(loss)), "zeroed": ("path", [0.0, 15.0, 29.0, 27.0])}
    return xr.Dataset(variables, {"path": PATHS, "t": t})


def two_halves(name: str, rng: np.random.Generator) -> xr.Dataset:
    places = 16
    half = np.arange(places) < places // 2
    cosine = np.where(half[:, None] == half[None], 0.85, 0.1) + rng.normal(0, 0.04, (2, places, places))
    cosine = (cosine + cosine.transpose(0, 2, 1)) / 2
    cosine[:, range(places), range(places)] = 1
    t = np.arange(1, places + 1) / (places + 1)
    changed = np.stack([1 / (1 + np.exp(-12 * (t - 0.5))), t]) * rng.uniform(0.8, 1, (2, 1))
    if name.startswith("control"):
        changed[:] = np.nan
        cosine[1] = np.nan
    return xr.Dataset(
        {
            "cosine": (("path", "place", "other"), cosine),
            "deviation": (("path", "place"), np.tile(np.sin(np.pi * t), (2, 1)), {"units": "|b - a|"}),
            "changed": (("path", "place"), changed),
            "within": ("path", cosine[:, : places // 2, : places // 2].mean((1, 2))),
            "across": ("path", np.abs(cosine[:, : places // 2, places // 2 :]).mean((1, 2))),
            "bent": ("path", [True, not name.startswith("control")]),
            "initial_loss": ("run", [50.0, 52.0]),
            "final_loss": ("run", [0.1, 0.1]),
        },
        {"path": ["pointwise", "sheet"], "t": ("place", t)},
    )


MAKERS = {"no-obstacles": no_obstacles, "tunnels": tunnels, "two-halves": two_halves}
PARTS = {
    "no-obstacles": ["straight line", "trajectory"],
    "tunnels": ["wall on the line / drop of training", "1 - tunnel / line", "1 - tunnel / best random bend"],
    "two-halves": ["pointwise: agree within", "sheet: orthogonal across"],
}


def verdict(claim: str, landscape: str, tasks: list[ClaimSpec]) -> dict:
    outcome = "fails" if landscape.startswith("control") else "holds"
    if (claim, landscape) == ("two-halves", "toy-complete"):
        outcome = "fails"
    undefined = (claim, landscape) == ("two-halves", "network")
    head = {
        "outcome": "inconclusive" if undefined else outcome,
        "statistic": None if undefined else 0.9 if outcome == "holds" else 0.1234567,
        "interval": None if undefined else [0.85, 0.95] if outcome == "holds" else [0.02, 0.2],
        "threshold": 0.5,
        "seeds": len(tasks),
    }
    parts = [
        {"part": name, **head, "sentence": f"{name}: <seen> & judged", "reason": f"why {name}"} for name in PARTS[claim]
    ]
    sentence = f"verdict of {claim} on {landscape}"
    return {
        "claim": claim, "landscape": landscape, **head, "sentence": sentence, "parts": parts,
        "task_ids": [task.id for task in tasks],
    }  # fmt: skip


@pytest.fixture(scope="session")
def datasets() -> dict[str, dict[str, xr.Dataset]]:
    """By claim and landscape, with the dimension `seed`, as the figures get them."""
    found: dict[str, dict[str, xr.Dataset]] = {}
    for task in ARGUMENTS.tasks():
        if isinstance(task, ClaimSpec) and task.seed == 0:
            rng = np.random.default_rng(0)
            seeds = [MAKERS[task.claim](task.landscape.name, rng) for _ in range(5)]
            found.setdefault(task.claim, {})[task.landscape.name] = xr.concat(
                seeds, xr.DataArray(range(5), dims="seed", name="seed"), data_vars="all"
            )
    return found


@pytest.fixture(scope="session")
def rows() -> list[dict]:
    """The rows of verdicts.json."""
    groups: dict[tuple[str, str], list[ClaimSpec]] = {}
    for task in ARGUMENTS.tasks():
        if isinstance(task, ClaimSpec):
            groups.setdefault((task.claim, task.landscape.name), []).append(task)
    return [verdict(*key, tasks) for key, tasks in groups.items()]


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> Path:
    """A directory as `nwedge replicate` leaves it, without its report; shared, so not to be changed."""
    directory = tmp_path_factory.mktemp("stored")
    plan = Plan.of(ARGUMENTS)
    plan.write(directory)
    store = Store(directory)
    for number, task in enumerate(plan.tasks):
        dataset = xr.Dataset({"loss": ("run", [1.0])})
        if isinstance(task, ClaimSpec):
            dataset = MAKERS[task.claim](task.landscape.name, np.random.default_rng(number))
        store.write(task, Result(dataset), PROVENANCE)
    write_json(directory / VERDICTS, rows)
    return directory


@pytest.fixture
def replication(tmp_path: Path, stored: Path) -> Path:
    """A copy of `stored` that a test may change."""
    return shutil.copytree(stored, tmp_path / "replication")
