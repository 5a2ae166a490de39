"""Made-up diagnoses with the JSON of `Diagnosis.to_json`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nwedge.report.diagnosis.document import write

LEVEL = 0.1
NAMES = ["<b>a</b> & co", "b", "c", "d", "e"]
CLUSTERS = [[0, 2, 3], [1, 4]]
Make = Callable[..., dict[str, Any]]


def estimate(value: float, width: float = 0.01) -> dict[str, Any]:
    return {"value": value, "interval": [value - width, value + width]}


def scores(accuracy: float) -> dict[str, Any]:
    return {"accuracy": estimate(accuracy), "loss": estimate(1.1 - accuracy), "ece": estimate(0.03)}


def made(names: Sequence[str] = NAMES, clusters: Sequence[Sequence[int]] = CLUSTERS) -> dict[str, Any]:
    """Lines within clusters are low; the first checkpoint is the best; half of them are the soup."""
    rng, count = np.random.default_rng(0), len(names)
    label = np.array([next(number for number, one in enumerate(clusters) if place in one) for place in range(count)])
    same = label[:, None] == label

    def matrix(near: tuple[float, float], far: tuple[float, float]) -> np.ndarray:
        upper = np.triu(np.where(same, rng.uniform(*near, same.shape), rng.uniform(*far, same.shape)), 1)
        return upper + upper.T

    barriers = matrix((0.001, 0.09), (0.3, 2))
    grid = np.linspace(-2, 12, 9)
    x, y = np.meshgrid(grid, grid)
    options = {"single": {"scores": scores(0.95), "passes": 1, "members": [names[0]]}}
    if count > 1:
        options |= {
            "average": {"scores": scores(0.3), "passes": 1, "members": list(names)},
            "align-average": {"scores": scores(0.94), "passes": 1, "members": list(names)},
            "soup": {"scores": scores(0.955), "passes": 1, "members": list(names[: max(1, count // 2)])},
            "ensemble": {"scores": scores(0.97), "passes": count, "members": list(names)},
            "m-tunnel": {"scores": scores(0.965), "passes": count, "members": list(names[:5])},
        }
    one, many = ("soup", "ensemble") if count > 1 else ("single", "single")
    plane = {
        "names": list(names[:3]),
        "corners": [[0, 0], [10, 0], [5, 8]],
        "x": grid.tolist(),
        "y": grid.tolist(),
        "loss": (0.001 + np.sin(x / 3) ** 2 + np.sin(y / 3) ** 2).tolist(),
    }
    found = {
        "checkpoints": [
            {
                "name": name,
                "train_loss": 0.00123 + place,
                "train_accuracy": 0.999,
                "held_out": scores(0.95 - 0.001 * place),
                "width": 90.0 if place == 0 else 40.0 + place,
                "short": {"0.1": [3.0, 0.01], "0.01": [40.92, 6.16], "1": [0.0, 0.0]},
            }
            for place, name in enumerate(names)
        ],
        "barriers": barriers.tolist(),
        "barrier_errors": (0.02 * barriers).tolist(),
        "level": LEVEL,
        "aligned_barriers": (0.1 * barriers[0]).tolist() if count > 1 else None,
        "angles": matrix((20, 30), (80, 90)).tolist(),
        "disagreement": matrix((0.001, 0.01), (0.02, 0.04)).tolist(),
        "clusters": [[names[place] for place in members] for members in clusters],
        "tunnels": [
            {"ends": [names[0], names[members[0]]], "line_barrier": barriers[0, members[0]], "barrier": 0.002}
            for members in clusters
            if 0 not in members
        ][:3],
        "options": options,
        "recommendation": {"one_pass": one, "k_passes": many},
        "reasons": {"one_pass": f"{one} <is> best", "k_passes": f"{many} gains 1.50% & more"},
        "prediction": {"predicted": 0.25, "measured": 0.5} if count > 2 else None,
        "plane": plane if count > 2 else None,
        "averaged_statistics": None,
        "warnings": ["<i>nothing</i> is aligned"],
        "seed": 17,
    }
    return json.loads(json.dumps(found))


def without_numbers(value: Any) -> Any:
    """The same JSON with null in the place of every number that is not whole."""
    if isinstance(value, dict):
        return {key: without_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_numbers(one) for one in value]
    return None if isinstance(value, float) else value


@pytest.fixture(scope="session")
def make() -> Make:
    """A maker of diagnoses, by the names of the checkpoints and their clusters."""
    return made


@pytest.fixture
def five() -> dict[str, Any]:
    """Five checkpoints in two clusters; a test may change it."""
    return made()


@pytest.fixture(scope="session")
def undefined() -> dict[str, Any]:
    """Five checkpoints of which every measured number is undefined but the level."""
    return without_numbers(made()) | {"level": LEVEL}


@pytest.fixture(scope="session")
def with_statistics() -> dict[str, Any]:
    """Five checkpoints of a network with BatchNorm."""
    found = made()
    return found | {"averaged_statistics": (3 * np.array(found["barriers"])).tolist()}


@pytest.fixture(scope="session")
def fifty() -> dict[str, Any]:
    """Fifty checkpoints with long names, in two clusters and ten alone."""
    names = [f"/data/runs-of-last-summer/lr0.{place % 3}/seed-{place:02d}/checkpoint-final.pt" for place in range(50)]
    return made(names, [list(range(25)), list(range(25, 40)), *([place] for place in range(40, 50))])


@pytest.fixture(scope="session")
def directories(tmp_path_factory, with_statistics, undefined, fifty) -> dict[str, Path]:
    """Directories with pages, not to be changed."""
    diagnoses = {
        "one": made(["only.pt"], [[0]]),
        "two": made(["a", "b"], [[0], [1]]),
        "five": with_statistics,
        "fifty": fifty,
        "undefined": undefined,
    }
    found = {}
    for name, diagnosis in diagnoses.items():
        found[name] = tmp_path_factory.mktemp(name)
        assert write(found[name], diagnosis) == found[name] / "report.html"
    return found
