"""A training that is killed at any moment leaves a recording that is whole up to there, and goes on from it."""

import contextlib
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import torch
from torch import nn

from nwedge._files import StoreError
from nwedge.landscapes.networks.checkpoints import read_checkpoint
from nwedge.recording import Recorder, Recording, read_recording

STEPS = 10**6
KILLS = 12


def count(directory: Path) -> None:
    """A training whose weights all equal the number of steps."""
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40))
    recorder = Recorder(directory, model, every=1)
    for step in range((recorder.last or 0) + 1, STEPS):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(step)
        recorder.step(step, loss=float(step))


def there(directory: Path) -> Recording | None:
    with contextlib.suppress(StoreError):
        return read_recording(directory)
    return None


def test_it(tmp_path):
    moments = random.Random(0)
    last = 0
    for _ in range(KILLS):
        training = multiprocessing.get_context("fork").Process(target=count, args=(tmp_path,))
        training.start()
        deadline = time.monotonic() + 60
        while (found := there(tmp_path)) is None or found.steps[-1] <= last:  # also while it is written
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(moments.random() / 20)
        assert training.pid is not None
        os.kill(training.pid, signal.SIGKILL)
        training.join()
        recording = read_recording(tmp_path)
        assert recording.steps[-1] > last
        assert recording.steps == tuple(range(1, recording.steps[-1] + 1))
        assert recording.losses == recording.steps
        for step, path in zip(recording.steps[last:], recording.snapshots[last:], strict=True):
            assert all(bool((value == step).all()) for value in read_checkpoint(path).values())
        last = recording.steps[-1]
