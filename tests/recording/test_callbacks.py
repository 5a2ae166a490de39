"""The callbacks in the loops of the libraries themselves, on tiny modules."""

import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from nwedge._files import StoreError
from nwedge.landscapes.networks.checkpoints import read_checkpoint
from nwedge.landscapes.networks.matching import weights_for
from nwedge.recording import Recorder, callbacks, lightning_callback, read_recording, trainer_callback

EXAMPLES, BATCH = 24, 4
"""Six batches an epoch."""


def state(of: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.state_dict().items()}


def equal(read: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return all(torch.equal(read[name], expected[name]) for name in read)


def test_neither_library_is_imported_with_the_recorder():
    code = "import sys, nwedge.recording; print({'lightning', 'pytorch_lightning', 'transformers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_without_the_library_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, nn.Linear(1, 1), every=1)
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(callbacks, "sys", SimpleNamespace(modules={}))
    with pytest.raises(ImportError, match=r"Lightning, which is not installed: pip install 'nwedge\[lightning\]'"):
        lightning_callback(recorder)
    with pytest.raises(
        ImportError, match=r"transformers, which is not installed: pip install 'nwedge\[transformers\]'"
    ):
        trainer_callback(recorder)


# Lightning.


def data() -> DataLoader[Any]:
    torch.manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(EXAMPLES, 3), torch.randn(EXAMPLES, 1)), batch_size=BATCH)


def lightning_module(package: Any) -> Any:
    """A module that keeps what the weights and the losses were after each update."""

    class Module(package.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
            self.seen: dict[int, dict[str, Tensor]] = {}
            self.losses: dict[int, float] = {}

        def training_step(self, batch: Any, index: int) -> Tensor:
            loss = (self.model(batch[0]) - batch[1]).square().mean()
            self.last = float(loss.detach())
            return loss

        def on_train_start(self) -> None:
            self.seen[self.trainer.global_step] = state(self.model)

        def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
            if self.trainer.global_step not in self.seen:
                self.seen[self.trainer.global_step] = state(self.model)
                self.losses[self.trainer.global_step] = self.last

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    return Module()


def fit(package: Any, module: Any, callback: Any, **options: Any) -> None:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    package.Trainer(accelerator="cpu", devices=1, callbacks=[callback], **quiet, **options).fit(module, data())


LIGHTNINGS = pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
QUIET = pytest.mark.filterwarnings("ignore")
"""Lightning warns of data loaders without workers, and of much else."""


@QUIET
@LIGHTNINGS
@pytest.mark.parametrize("accumulated", [1, 2])
def test_lightning_is_recorded_as_it_was(name, accumulated, tmp_path):
    package = pytest.importorskip(name)
    module = lightning_module(package)
    callback = lightning_callback(Recorder(tmp_path, module.model, every=2, at=[3]))
    assert isinstance(callback, package.Callback)
    fit(package, module, callback, max_epochs=accumulated, accumulate_grad_batches=accumulated)
    recording = read_recording(tmp_path)
    assert recording.steps == (0, 2, 3, 4, 6)
    for step, path in zip(recording.steps, recording.snapshots, strict=True):
        assert equal(read_checkpoint(path), module.seen[step])
    assert recording.losses[0] is None
    assert recording.losses[1:] == pytest.approx([module.losses[step] for step in recording.steps[1:]])
    assert recording.learning_rates == tuple((0.1 * 0.5**step,) for step in recording.steps)


@QUIET
@LIGHTNINGS
def test_a_lightning_training_is_continued(name, tmp_path):
    package = pytest.importorskip(name)
    module = lightning_module(package)
    run = tmp_path / "run"
    trainer = package.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[lightning_callback(Recorder(run, module, every=2))], default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    trainer = package.Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[lightning_callback(Recorder(run, module, every=2))], default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, data(), ckpt_path=tmp_path / "last.ckpt")
    assert read_recording(run).steps == (0, 2, 4, 6, 8, 10, 12)
    with pytest.raises(StoreError, match="holds a recording up to step 12, and step 0 lies before it"):
        fit(package, module, lightning_callback(Recorder(run, module, every=2)), max_epochs=1)


@QUIET
@LIGHTNINGS
def test_a_checkpoint_of_lightning_is_read(name, tmp_path):
    package = pytest.importorskip(name)
    module = lightning_module(package)
    trainer = package.Trainer(
        accelerator="cpu", devices=1, max_steps=2, logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    matched = weights_for(lightning_module(package).model, read_checkpoint(tmp_path / "last.ckpt"))
    assert equal(matched.parameters | matched.buffers, state(module.model))
    assert matched.notes == ("names were taken without their prefix 'model.'",)


@QUIET
@LIGHTNINGS
def test_a_recorder_of_another_module_is_refused_by_lightning(name, tmp_path):
    package = pytest.importorskip(name)
    callback = lightning_callback(Recorder(tmp_path, nn.Linear(3, 1), every=1))
    with pytest.raises(ValueError, match=r"the recorder's model \(Linear\) is no part of the one that is trained"):
        fit(package, lightning_module(package), callback, max_epochs=1)


def test_a_callback_serves_both_packages_where_both_are_in_use(tmp_path):
    packages = [pytest.importorskip(name) for name in ("lightning.pytorch", "pytorch_lightning")]
    callback = lightning_callback(Recorder(tmp_path, nn.Linear(1, 1), every=1))
    assert all(isinstance(callback, package.Callback) for package in packages)


# Hugging Face.


def bert() -> Any:
    transformers = importlib.import_module("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=2, **sizes)
    return transformers.BertForSequenceClassification(config)


def trainer(model: Any, folder: Any, recorder: Recorder, **options: Any) -> tuple[Any, dict[int, dict[str, Tensor]]]:
    """A trainer, and what the weights were after each update."""
    transformers = importlib.import_module("transformers")
    seen = {0: state(model)}

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state_: Any, control: Any, **kwargs: Any) -> None:
            seen[state_.global_step] = state(kwargs["model"])

    torch.manual_seed(0)
    tokens = torch.randint(20, (EXAMPLES, 5))
    examples = [{"input_ids": row, "labels": int(row[0] > 9)} for row in tokens]
    settings: dict[str, Any] = {
        "output_dir": str(folder), "per_device_train_batch_size": BATCH, "learning_rate": 0.01, "use_cpu": True,
        "report_to": [], "logging_steps": 1, "save_strategy": "no", "num_train_epochs": 1, "disable_tqdm": True,
    }  # fmt: skip
    made = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**settings | options),
        train_dataset=examples,
        eval_dataset=examples,
        callbacks=[Watch(), trainer_callback(recorder)],
    )
    return made, seen


@pytest.fixture
def transformers() -> Any:
    pytest.importorskip("accelerate")
    return pytest.importorskip("transformers")


@QUIET
@pytest.mark.parametrize("accumulated", [1, 2])
def test_hugging_face_is_recorded_as_it_was(transformers, tmp_path, accumulated):
    model = bert()
    recorder = Recorder(tmp_path / "run", model, every=2, at=[3])
    made, seen = trainer(
        model, tmp_path, recorder, num_train_epochs=accumulated, gradient_accumulation_steps=accumulated
    )
    made.train()
    recording = read_recording(tmp_path / "run")
    assert recording.steps == (0, 2, 3, 4, 6)
    for step, path in zip(recording.steps, recording.snapshots, strict=True):
        assert equal(read_checkpoint(path), seen[step])
    logged = {entry["step"]: entry["loss"] for entry in made.state.log_history if "loss" in entry}
    assert recording.losses == (None, *(logged[step] for step in recording.steps[1:]))
    assert [rates[0] for rates in recording.learning_rates] == pytest.approx(
        [0.01 * (1 - step / 6) for step in recording.steps]
    )


@QUIET
def test_the_last_step_is_recorded_before_the_best_weights_are_loaded(transformers, tmp_path):
    model = bert()
    made, seen = trainer(
        model, tmp_path, Recorder(tmp_path / "run", model, at=[6]), learning_rate=30.0, max_grad_norm=0.0,
        save_strategy="steps", save_steps=1, eval_strategy="steps", eval_steps=1, load_best_model_at_end=True,
    )  # fmt: skip
    made.train()
    assert made.state.best_global_step != 6
    assert not equal(state(model), seen[6])
    assert equal(read_checkpoint(read_recording(tmp_path / "run").snapshots[0]), seen[6])


@QUIET
def test_a_training_of_hugging_face_is_continued_from_its_checkpoint(transformers, tmp_path):
    model = bert()
    made, _ = trainer(
        model, tmp_path, Recorder(tmp_path / "run", model, every=1), max_steps=4, save_strategy="steps", save_steps=2
    )
    made.train()
    matched = weights_for(bert(), read_checkpoint(tmp_path / "checkpoint-4"))
    assert equal(matched.parameters, state(model))
    again = bert()
    recorder = Recorder(tmp_path / "run", again, every=1, resume=True)
    made, seen = trainer(again, tmp_path, recorder, max_steps=6)
    made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    recording = read_recording(tmp_path / "run")
    assert recording.steps == tuple(range(7))
    assert equal(read_checkpoint(recording.snapshots[3]), seen[3])


@QUIET
def test_a_recorder_of_another_module_is_refused_by_hugging_face(transformers, tmp_path):
    made, _ = trainer(bert(), tmp_path, Recorder(tmp_path / "run", bert(), every=1))
    with pytest.raises(ValueError, match="is no part of the one that is trained"):
        made.train()
