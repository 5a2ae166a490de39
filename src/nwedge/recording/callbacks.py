"""Recorders in the loops of Lightning and of Hugging Face; neither is imported unless its callback is asked for."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from torch import Tensor, nn

from nwedge.recording.recorder import Recorder


def lightning_callback(recorder: Recorder) -> Any:
    """A callback for `Trainer(callbacks=[...])` of Lightning, be it `lightning` or `pytorch_lightning`.

    Steps are `trainer.global_step`, the updates by all optimizers; step 0 is the start. Losses are those of the last
    batch, as `training_step` returned them.

    Raises:
        ImportError: neither package is installed.
        ValueError, StoreError: in training, a recorder of another module, and what `Recorder.step` raises.
    """

    def on_train_start(self: Any, trainer: Any, pl_module: Any) -> None:
        _check_part(recorder, pl_module)
        recorder.step(trainer.global_step, optimizer=trainer.optimizers)

    def on_train_batch_end(self: Any, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if recorder.due(trainer.global_step):
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            if isinstance(loss, Tensor):  # which Lightning has divided for the accumulation of gradients
                loss = loss.detach() * trainer.accumulate_grad_batches
            recorder.record(trainer.global_step, loss=loss, optimizer=trainer.optimizers)

    methods = {"on_train_start": on_train_start, "on_train_batch_end": on_train_batch_end}
    return type("RecorderCallback", _lightning_bases(), methods)()


def trainer_callback(recorder: Recorder) -> Any:
    """A callback for `Trainer(callbacks=[...])` of Hugging Face's transformers.

    Steps are `state.global_step`; step 0 is the start. Losses are those that the trainer has logged at the very step,
    so that `logging_steps=1` gives all of them.

    Raises:
        ImportError: transformers is not installed.
        ValueError, StoreError: in training, a recorder of another module, and what `Recorder.step` raises.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ImportError(
            "trainer_callback needs Hugging Face's transformers, which is not installed: "
            "pip install 'nwedge[transformers]'"
        )

    def on_train_begin(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        _check_part(recorder, kwargs["model"])

    def record(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Between two steps, when the first has been logged."""
        if recorder.due(state.global_step):
            latest = takewhile(lambda entry: entry.get("step") == state.global_step, reversed(state.log_history))
            loss = next((entry["loss"] for entry in latest if "loss" in entry), None)
            recorder.record(state.global_step, loss=loss, optimizer=kwargs["optimizer"])

    methods = {"on_train_begin": on_train_begin, "on_step_begin": record, "on_epoch_end": record}
    return type("RecorderCallback", (importlib.import_module("transformers").TrainerCallback,), methods)()


def _lightning_bases() -> tuple[type, ...]:
    """The callback classes of the packages that are in use; if none is, of one that is installed."""
    packages = [sys.modules[name] for name in ("lightning.pytorch", "pytorch_lightning") if name in sys.modules]
    if not packages and importlib.util.find_spec("lightning") is not None:
        packages = [importlib.import_module("lightning.pytorch")]
    if not packages and importlib.util.find_spec("pytorch_lightning") is not None:
        packages = [importlib.import_module("pytorch_lightning")]
    if not packages:
        raise ImportError("lightning_callback needs Lightning, which is not installed: pip install 'nwedge[lightning]'")
    return tuple(package.Callback for package in packages)


def _check_part(recorder: Recorder, trained: nn.Module) -> None:
    """Refuse to record weights that are not trained here (ValueError)."""
    theirs = set(map(id, trained.parameters()))
    if not theirs.issuperset(map(id, recorder.model.parameters())):
        raise ValueError(
            f"the recorder's model ({type(recorder.model).__name__}) is no part of the one that is trained "
            f"({type(trained).__name__}): make the recorder of that module"
        )
