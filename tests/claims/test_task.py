"""Tasks executed: what a claim is handed, whatever is stored in between."""

import dataclasses
import sys
from types import ModuleType

import pytest
import torch
import xarray as xr

from nwedge.build import build
from nwedge.claims._task import claim_module, execute
from nwedge.specs import presets
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import CYCLE, OPTIMA, SIZE, ClaimSpec, GroupSpec, SheetSpec, TaskSpec
from nwedge.store import Result


def isolated(seed: int) -> LandscapeSpec:
    return ControlSpec(name="toy-isolated", kind="isolated", dim=8, seed=seed)


SUBJECT = Subject(
    "toy-isolated",
    isolated,
    (
        Training(OPTIMA, isolated, plain(30, kept=4), rates=(0.1,), members=3),
        Training(SIZE, varied(isolated, dim=5), plain(20, kept=3), rates=(0.1,)),
        Training(CYCLE, isolated, cycles(5, 2), rates=(0.1, 0.2)),
    ),
    Sheets((2, 3), steps=10, samples=2),
)
CLAIMS = ("short-directions", "averaging", "intrinsic-dimension")


def tasks() -> tuple[TaskSpec, ...]:
    preset = presets.Preset({"toy": (SUBJECT,)})
    return presets.expand(preset, claims=CLAIMS, landscapes=("toy",), seeds=range(2), quick=False)


@pytest.fixture
def seen(monkeypatch) -> list:
    """Claims that keep what they are handed and measure nothing."""
    handed: list = []
    for claim in CLAIMS:
        module = ModuleType("claim")

        def measure(landscape, runs, config, generator, claim=claim):
            handed.append((claim, landscape, runs, config, torch.rand(1, generator=generator)))
            return xr.Dataset({"value": 1.0})

        module.measure = measure  # pyright: ignore[reportAttributeAccessIssue]
        monkeypatch.setitem(sys.modules, f"nwedge.claims.{claim.replace('-', '_')}", module)
    return handed


def done(work: tuple[TaskSpec, ...]) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for task in work:
        if not (isinstance(task, ClaimSpec) and task.claim not in CLAIMS):
            results[task.id] = execute(task, {need: results[need] for need in task.needs})
    return results


def test_claims_are_handed_their_runs_by_role_on_their_own_landscapes_and_their_sheets(seen) -> None:
    work = tasks()
    done(work)
    asked = [task for task in work if isinstance(task, ClaimSpec) and task.claim in CLAIMS]
    assert len(seen) == len(asked) == 6
    for task, (claim, landscape, runs, config, _) in zip(asked, seen, strict=True):
        assert (claim, config) == (task.claim, task.config)
        assert landscape.dim == 8
        assert [run.spec for run in runs] == [ref.run for ref in task.reads if ref.role == OPTIMA]
        for run in runs.of(SIZE):
            assert (run.landscape.dim, run.optimum.shape, run.place) == (5, (5,), varied(isolated, dim=5)(task.seed))
        for run in runs.of(CYCLE):
            assert run.landscape is landscape  # built once
            assert run.step.tolist() == [0, 5, 10]
        assert set(runs.sheets) == ({2, 3} if claim == "short-directions" else set())
        for m, sheet in runs.sheets.items():
            assert (sheet.m, sheet.seeds, sheet.members) == (m, (task.seed,) * m, tuple(range(m)))
    assert len({float(draw) for *_, draw in seen}) == len(seen)  # each has a random stream of its own


def test_the_runs_are_those_of_the_group(seen) -> None:
    work = tasks()
    results = done(work)
    groups = {task.id: task for task in work if isinstance(task, GroupSpec)}
    task = next(task for task in work if isinstance(task, ClaimSpec) and task.claim == "averaging" and task.seed == 1)
    _, _, runs, *_ = next(one for one in seen if one[0] == "averaging" and one[2].of(CYCLE)[0].spec.seed == 1)
    for ref, run in zip(task.reads, runs.of(CYCLE), strict=True):
        assert groups[ref.group].runs[ref.row] == run.spec
        assert torch.equal(run.points, torch.from_numpy(results[ref.group].weights["points"][ref.row]))


def test_a_sheet_of_a_task_is_the_same_twice_and_another_for_another_seed() -> None:
    work = [task for task in tasks() if isinstance(task, GroupSpec | SheetSpec)]
    first, second = done(tuple(work)), done(tuple(work))
    spanning = [task for task in work if isinstance(task, SheetSpec) and task.m == 2]
    assert len(spanning) == 2
    for task in spanning:
        assert (first[task.id].weights["vertices"] == second[task.id].weights["vertices"]).all()
    one, other = (first[task.id].weights["vertices"] for task in spanning)
    assert (one != other).any()


def test_a_task_of_an_unknown_kind_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class OddSpec(TaskSpec):
        pass

    with pytest.raises(TypeError, match="no way is known to execute a OddSpec"):
        execute(OddSpec(landscape=isolated(0)), {})


def test_the_module_of_a_claim_is_named_for_it() -> None:
    assert claim_module("two-halves").__name__ == "nwedge.claims.two_halves"
    assert build(isolated(0)).dim == 8


def test_a_row_of_another_name_reads_its_runs_on_its_own_landscape(seen):
    results = done(tasks())
    (task, *_) = (one for one in tasks() if isinstance(one, ClaimSpec) and one.claim == "short-directions")
    execute(dataclasses.replace(task, landscape=dataclasses.replace(task.landscape, name="another")), results)
    _, landscape, runs, *_ = seen[-1]
    assert all(run.landscape is landscape for run in runs)
    assert {run.place.name for run in runs} == {"toy-isolated"}
