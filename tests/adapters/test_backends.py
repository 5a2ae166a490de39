"""The experiments on the wedge model come out alike whichever framework computes it."""

from pathlib import Path

import pytest

from nwedge.cli import main
from nwedge.compare import compare
from nwedge.plan import Plan
from nwedge.specs.landscapes import BACKENDS, TORCH
from nwedge.store import Store


def replicated(backend: str, out: Path) -> Path:
    """The directory of a quick run of all claims on both wedge models, report and all."""
    assert main(["replicate", "--quick", "--landscapes", "toy", "--toy-backend", backend, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def by_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replicated(TORCH, tmp_path_factory.mktemp("torch"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_outcomes_agree_and_statistics_lie_in_each_others_intervals(
    backend: str, by_torch: Path, tmp_path: Path
) -> None:
    framework = pytest.importorskip(backend)
    found = compare(by_torch, replicated(backend, tmp_path))
    assert (found.rows, found.differences, found.others) == (22, [], [])
    assert found.parts > 2 * found.rows
    text = (tmp_path / "report.html").read_text()
    assert f"computed by {backend}" in text
    assert "wedge models computed by" in text
    store, tasks = Store(tmp_path), Plan.read(tmp_path).tasks
    assert {store.provenance(task).get(backend) for task in tasks} == {framework.__version__}
