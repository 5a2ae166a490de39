import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nwedge._files import StoreError, host
from nwedge.landscapes.networks.checkpoints import read_checkpoint
from nwedge.landscapes.networks.matching import weights_for
from nwedge.recording import Recorder, cycle_ends, log_spaced, read_recording


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def state(of: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.state_dict().items()}


def train(recorder: Recorder, trained: nn.Module, first: int, last: int) -> dict[int, dict[str, Tensor]]:
    """A plain loop; what the weights and buffers were at every step."""
    optimizer = torch.optim.SGD(
        [{"params": trained[0].parameters()}, {"params": trained[1:].parameters(), "lr": 0.02}], lr=0.1
    )  # pyright: ignore[reportIndexIssue]
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    seen = {}
    for step in range(first, last + 1):
        loss = trained(torch.randn(8, 3)).square().mean()
        if step:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        seen[step] = state(trained)
        recorder.step(step, loss=loss, optimizer=optimizer)
    return seen


def equal(path: Path, expected: dict[str, Tensor]) -> bool:
    read = read_checkpoint(path)
    return read.keys() == expected.keys() and all(torch.equal(read[name], expected[name]) for name in read)


def test_a_plain_loop_is_recorded_as_it_was(tmp_path):
    trained = model()
    seen = train(Recorder(tmp_path / "run", trained, every=5, at=[3, 4]), trained, 0, 12)
    recording = read_recording(tmp_path / "run")
    assert recording.steps == (0, 3, 4, 5, 10)
    assert all(equal(path, seen[step]) for step, path in zip(recording.steps, recording.snapshots, strict=True))
    assert recording.learning_rates[0] == (0.1, 0.02)
    assert recording.learning_rates[2] == pytest.approx((0.1 / 16, 0.02 / 16))
    assert all(loss is not None and loss > 0 for loss in recording.losses)
    assert sorted(recording.times) == list(recording.times)
    assert sorted(os.listdir(tmp_path / "run")) == ["records.jsonl", "snapshots"]


def test_a_recording_is_read_into_the_module_again(tmp_path):
    trained = model()
    train(Recorder(tmp_path, trained, at=[7]), trained, 1, 7)
    (path,) = read_recording(str(tmp_path)).snapshots
    matched = weights_for(model(), read_checkpoint(path))
    assert matched.notes == ()
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in matched.buffers.items())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every": 4}, [0, 4, 8, 12]),
        ({"at": cycle_ends(5, 12)}, [5, 10]),
        ({"at": log_spaced(12, 4)}, [0, 1, 2, 5, 12]),
        ({"every": 6, "at": (step for step in (6, 7))}, [0, 6, 7, 12]),
    ],
)
def test_the_steps_that_are_asked_for_are_due(tmp_path, options, expected):
    recorder = Recorder(tmp_path, model(), **options)
    assert [step for step in range(13) if recorder.due(step)] == expected


def test_where_nothing_is_due_nothing_is_done(tmp_path):
    recorder = Recorder(tmp_path / "run", model(), every=10)
    recorder.step(3, loss=torch.ones(2), optimizer=None)  # a loss that would be refused
    assert not (tmp_path / "run").exists()
    recorder.record(3)
    assert read_recording(tmp_path / "run").steps == (3,)


@pytest.mark.parametrize("loss", [None, 0.5, torch.tensor(0.25, requires_grad=True), torch.tensor([3.0])])
def test_losses_of_any_kind(tmp_path, loss):
    Recorder(tmp_path, model(), every=1).step(1, loss=loss)
    expected = None if loss is None else float(loss.detach() if isinstance(loss, Tensor) else loss)
    assert read_recording(tmp_path).losses == (expected,)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_losses_that_are_no_numbers_stay_what_they_are(tmp_path, loss):
    Recorder(tmp_path, model(), every=1).step(1, loss=loss)
    (read,) = read_recording(tmp_path).losses
    assert str(read) == str(loss)
    line = (tmp_path / "records.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail)["loss"] == str(loss)


def test_several_optimizers_give_the_rates_of_all_groups(tmp_path):
    parameters = list(model().parameters())
    optimizers = [torch.optim.SGD(parameters, lr=0.1), torch.optim.Adam(parameters, lr=torch.tensor(0.25))]
    Recorder(tmp_path, model(), every=1).step(1, optimizer=optimizers)
    assert read_recording(tmp_path).learning_rates == ((0.1, 0.25),)


def test_weights_that_diverged_are_recorded_all_the_same(tmp_path):
    trained = model()
    recorder = Recorder(tmp_path, trained, every=1)
    with torch.no_grad():
        trained[0].weight.fill_(torch.nan)  # pyright: ignore[reportIndexIssue]
    recorder.step(1)
    assert bool(read_checkpoint(read_recording(tmp_path).snapshots[0])["0.weight"].isnan().all())


def test_names_of_wrappers_are_left_out(tmp_path):
    trained = model()
    wrapped = nn.DataParallel(torch.compile(trained))  # pyright: ignore[reportArgumentType]
    Recorder(tmp_path, wrapped, every=1).step(1)
    assert equal(read_recording(tmp_path).snapshots[0], state(trained))


def test_only_rank_0_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    Recorder(tmp_path / "run", model(), every=1).step(1)
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("RANK", "0")
    Recorder(tmp_path / "run", model(), every=1).step(1)
    assert read_recording(tmp_path / "run").steps == (1,)


@pytest.mark.parametrize("environment", [{"RANK": "1"}, {"RANK": "1", "WORLD_SIZE": "1"}, {"RANK": "major"}])
def test_a_rank_that_nobody_launched_does_not_count(tmp_path, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Recorder(tmp_path, model(), every=1).step(1)
    assert read_recording(tmp_path).steps == (1,)


def test_the_rank_of_the_process_group_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    Recorder(tmp_path / "run", model(), every=1).step(1)
    assert not (tmp_path / "run").exists()


# Resuming.


def test_a_recording_is_continued(tmp_path):
    trained = model()
    seen = train(Recorder(tmp_path, trained, every=2), trained, 0, 5)
    again = Recorder(tmp_path, trained, every=2)
    assert again.last == 4
    seen |= train(again, trained, 6, 8)
    recording = read_recording(tmp_path)
    assert recording.steps == (0, 2, 4, 6, 8)
    assert all(equal(path, seen[step]) for step, path in zip(recording.steps, recording.snapshots, strict=True))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_training_cannot_write_over_a_recording(tmp_path):
    trained = model()
    train(Recorder(tmp_path, trained, every=2), trained, 0, 5)
    before = files(tmp_path)
    with pytest.raises(StoreError, match="holds a recording up to step 4, and step 0 lies before it: give another dir"):
        train(Recorder(tmp_path, model(), every=2), model(), 0, 5)
    assert files(tmp_path) == before


def test_steps_must_not_go_back(tmp_path):
    recorder = Recorder(tmp_path, model(), every=1, resume=True)
    recorder.step(5)
    with pytest.raises(StoreError, match="up to step 5, and step 4 lies before it"):
        recorder.step(4)
    recorder.step(5)
    assert read_recording(tmp_path).steps == (5,)


def test_a_training_may_go_back_to_an_older_checkpoint_and_nothing_is_lost(tmp_path):
    trained = model()
    seen = train(Recorder(tmp_path, trained, every=2), trained, 0, 9)
    before = files(tmp_path / "snapshots")
    seen |= train(Recorder(tmp_path, trained, every=2, resume=True), trained, 5, 12)
    recording = read_recording(tmp_path)
    assert recording.steps == (0, 2, 4, 6, 8, 10, 12)
    assert all(equal(path, seen[step]) for step, path in zip(recording.steps, recording.snapshots, strict=True))
    assert files(tmp_path / "snapshots").items() >= before.items()
    assert Recorder(tmp_path, trained, every=2).last == 12


def test_what_a_killed_training_left_unfinished_is_cut_off_and_cleared(tmp_path):
    trained = model()
    train(Recorder(tmp_path, trained, every=1), trained, 1, 3)
    lines = tmp_path / "records.jsonl"
    lines.write_text(lines.read_text()[:-9])  # the last line is torn
    (tmp_path / "snapshots" / f".step-9.{host()}-{2**22 + 1}.tmp").write_text("half")
    assert read_recording(tmp_path).steps == (1, 2)
    train(Recorder(tmp_path, trained, every=1), trained, 3, 4)
    recording = read_recording(tmp_path)
    assert recording.steps == (1, 2, 3, 4)
    assert equal(recording.snapshots[-1], state(trained))
    assert not list(tmp_path.rglob("*.tmp"))


# What is refused.


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "nothing would be recorded: give every=, a number of steps, or at=, some steps"),
        ({"every": 0}, "every must be at least 1; got 0"),
        ({"at": [3, -1]}, "a step of at= must be at least 0; got -1"),
    ],
)
def test_steps_that_are_none_are_refused(tmp_path, options, match):
    with pytest.raises(ValueError, match=match):
        Recorder(tmp_path, model(), **options)


def test_a_directory_that_is_a_file_and_a_module_without_weights_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file is a file: give the path of a directory"):
        Recorder(tmp_path / "file", model(), every=1)
    with pytest.raises(ValueError, match="has no parameters"):
        Recorder(tmp_path, nn.Tanh(), every=1)


@pytest.mark.parametrize(
    ("arguments", "match"), [((1, torch.ones(2)), r"a tensor of shape \(2,\)"), ((-1, 0.5), "got -1")]
)
def test_bad_values_are_refused_and_leave_nothing(tmp_path, arguments, match):
    with pytest.raises(ValueError, match=match):
        Recorder(tmp_path, model(), at=[1]).record(arguments[0], loss=arguments[1])
    assert os.listdir(tmp_path) == []


def damaged(folder: Path, **changes: Any) -> None:
    """A recording of one step with another value in its line."""
    Recorder(folder, model(), every=1).step(1, loss=0.5)
    line = json.loads((folder / "records.jsonl").read_text())
    (folder / "records.jsonl").write_text(json.dumps(line | changes) + "\n")


@pytest.mark.parametrize(
    "changes",
    [{"step": "1"}, {"step": None}, {"loss": "much"}, {"learning_rates": 1}, {"time": None}, {"snapshot": "../a"}],
)
def test_a_damaged_line_is_named(tmp_path, changes):
    damaged(tmp_path, **changes)
    for call in (read_recording, lambda folder: Recorder(folder, model(), every=1)):
        with pytest.raises(StoreError, match=r"records\.jsonl is damaged: line 1 is no record of a step"):
            call(tmp_path)


@pytest.mark.parametrize("text", ["no json\n", "[]\n", "{}\n", "3\n"])
def test_a_line_that_is_no_record_is_named(tmp_path, text):
    damaged(tmp_path)
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write(text)
    with pytest.raises(StoreError, match=r"records\.jsonl is damaged: line 2 is no record of a step"):
        read_recording(tmp_path)


def test_what_holds_no_recording_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"there is no directory .*nothing: give the one that the recorder was given"):
        read_recording(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"holds no recording: expected one step or more in records\.jsonl"):
        read_recording(tmp_path)
    (tmp_path / "records.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(StoreError, match=r"records\.jsonl is damaged: it is no text"):
        read_recording(tmp_path)


def test_a_missing_snapshot_is_named(tmp_path):
    Recorder(tmp_path, model(), every=1).step(1)
    (tmp_path / "snapshots" / "step-000000001.safetensors").unlink()
    with pytest.raises(StoreError, match=r"step-000000001\.safetensors, the snapshot of step 1, is missing"):
        read_recording(tmp_path)
