import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from nwedge._files import StoreError
from nwedge.landscapes.networks.checkpoints import read_checkpoint, write_checkpoint


def state(**more: Tensor) -> dict[str, Tensor]:
    layer = nn.Linear(3, 2, dtype=torch.bfloat16)
    return {name: value.detach() for name, value in layer.state_dict().items()} | more


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    same = left.keys() == right.keys() and all(left[name].dtype == right[name].dtype for name in left)
    return same and all(torch.equal(left[name], right[name]) for name in left)


def saved(path: Path, content: Any, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def indexed(folder: Path, files: dict[str, dict[str, Tensor]], suffix: str = "safetensors") -> Path:
    """A sharded folder as Hugging Face writes it."""
    for file, part in files.items():
        (safetensors.torch.save_file if suffix == "safetensors" else torch.save)(part, folder / file)
    places = {name: file for file, part in files.items() for name in part}
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": places}))
    return index


# What is read.


def test_safetensors_are_read_as_stored(tmp_path):
    given = state(count=torch.tensor(3), half=torch.ones(2, dtype=torch.float16))
    safetensors.torch.save_file(given, tmp_path / "a.safetensors")
    safetensors.torch.save_file(given, tmp_path / "b.weights")
    for name in ("a.safetensors", "b.weights"):
        assert equal(read_checkpoint(tmp_path / name), given)
    assert equal(read_checkpoint(str(tmp_path / "a.safetensors")), given)


@pytest.mark.parametrize("size", [128, 256, 384])
def test_safetensors_by_another_name_are_known_whatever_the_length_of_the_header(tmp_path, size):
    body = torch.ones(1).numpy().tobytes()
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(size)
    (tmp_path / "x.bin").write_bytes(struct.pack("<Q", size) + header + body)
    assert equal(read_checkpoint(tmp_path / "x.bin"), {"x": torch.ones(1)})


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [dict, OrderedDict, lambda given: {n: nn.Parameter(v) for n, v in given.items()}])
def test_bare_state_dicts_are_read_in_both_formats(tmp_path, wrap, legacy):
    given = state()
    read = read_checkpoint(saved(tmp_path / "a.pt", wrap(given), legacy=legacy))
    assert equal(read, given)
    assert not any(value.requires_grad for value in read.values())


TRAININGS = {
    "lightning": lambda given: {
        "epoch": 3,
        "global_step": 12,
        "state_dict": {f"model.{name}": value for name, value in given.items()},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}],
        "lr_schedulers": [],
        "loops": {"fit_loop": {"state_dict": {}}},
        "hyper_parameters": {"width": 3},
    },
    "imagenet": lambda given: {"state_dict": given, "best_acc1": torch.tensor(77.0), "arch": "resnet", "epoch": 1},
    "tutorial": lambda given: {"model_state_dict": given, "optimizer_state_dict": {"state": {}}, "loss": 0.1},
    "model": lambda given: {"model": given, "optimizer": {"state": {}, "param_groups": []}, "args": None},
    "deepspeed": lambda given: {"module": given, "ds_version": "0.1", "lr_scheduler": None},
    "an average that is no state dict": lambda given: {
        "model": given,
        "ema": {"decay": 0.9, "shadow": [torch.ones(2)]},
    },
    "the average alone": lambda given: {"ema": given, "step": 3},
}


@pytest.mark.parametrize("kind", TRAININGS)
@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoints_of_trainings_are_read(tmp_path, kind, legacy):
    given = state()
    expected = {f"model.{name}": value for name, value in given.items()} if kind == "lightning" else given
    assert equal(read_checkpoint(saved(tmp_path / "a.ckpt", TRAININGS[kind](given), legacy=legacy)), expected)


def test_extra_state_of_a_module_is_left_out(tmp_path):
    given = state()
    assert equal(read_checkpoint(saved(tmp_path / "a.pt", given | {"0._extra_state": None})), given)


def test_of_several_state_dicts_the_key_says_which(tmp_path):
    ours, average = state(), state()
    path = saved(tmp_path / "a.pt", {"model": ours, "ema": average, "teacher": state()})
    with pytest.raises(StoreError, match=r"a\.pt holds weights under 'model', 'ema': give one of them as the key"):
        read_checkpoint(path)
    assert equal(read_checkpoint(path, key="ema"), average)
    assert equal(read_checkpoint(saved(tmp_path / "b.pt", ours), key="ema"), ours)
    with pytest.raises(
        StoreError, match="no weights under the key 'student', but under 'model', 'ema', 'teacher': give"
    ):
        read_checkpoint(path, key="student")


def test_an_unusual_key_is_read_where_it_is_given(tmp_path):
    given = state()
    path = saved(tmp_path / "a.pt", {"generator": given, "epoch": 1})
    with pytest.raises(StoreError, match="no weights under a usual key, but under 'generator': give one of them as"):
        read_checkpoint(path)
    assert equal(read_checkpoint(path, key="generator"), given)


# Folders.


@pytest.mark.parametrize(
    ("name", "save"), [("model.safetensors", safetensors.torch.save_file), ("pytorch_model.bin", torch.save)]
)
def test_a_folder_of_hugging_face_is_read(tmp_path, name, save):
    given = state()
    save(given, tmp_path / name)
    torch.save({"state": {}}, tmp_path / "optimizer.pt")
    (tmp_path / "training_args.bin").write_bytes(b"anything")
    (tmp_path / "config.json").write_text("{}")
    assert equal(read_checkpoint(tmp_path), given)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_are_read_from_the_folder_or_the_index(tmp_path, suffix):
    given = state()
    files = {f"part-{number}.{suffix}": {name: given[name]} for number, name in enumerate(given)}
    index = indexed(tmp_path, files, suffix)
    assert equal(read_checkpoint(tmp_path), given)
    assert equal(read_checkpoint(index), given)


def test_a_missing_shard_is_named(tmp_path):
    indexed(tmp_path, {"part-1.safetensors": {"a": torch.ones(1)}, "part-2.safetensors": {"b": torch.ones(1)}})
    (tmp_path / "part-2.safetensors").unlink()
    with pytest.raises(StoreError, match=r"lacks 'part-2\.safetensors', which model\.safetensors\.index\.json lists"):
        read_checkpoint(tmp_path)


def test_a_shard_that_lacks_what_the_index_lists_is_named(tmp_path):
    indexed(tmp_path, {"part-1.safetensors": {"a": torch.ones(1)}, "part-2.safetensors": {"b": torch.ones(1)}})
    safetensors.torch.save_file({"c": torch.ones(1)}, tmp_path / "part-2.safetensors")
    with pytest.raises(StoreError, match=r"lists 'b', but the file that it names does not hold it"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "is damaged: it is no JSON"),
        ("[]", "is damaged: expected"),
        ('{"weight_map": {"a": 1}}', "is damaged: expected"),
        ('{"weight_map": {"a": "../a.safetensors"}}', r"must lie beside it; got '\.\./a\.safetensors'"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "must lie beside it; got '/etc/passwd'"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, text, match):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(StoreError, match=match):
        read_checkpoint(tmp_path)


def test_a_folder_with_one_checkpoint_is_read_and_others_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"holds no checkpoint: expected a file that ends in \.safetensors, \.pt"):
        read_checkpoint(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    given = state()
    saved(tmp_path / "last.ckpt", {"state_dict": given})
    assert equal(read_checkpoint(tmp_path), given)
    saved(tmp_path / "best.ckpt", {"state_dict": given})
    with pytest.raises(
        StoreError, match=r"holds several checkpoints, 'best\.ckpt', 'last\.ckpt': give the path of one"
    ):
        read_checkpoint(tmp_path)


# What is refused.


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


class Opens(Evil):
    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


WRITERS = {
    "zip": torch.save,
    "legacy": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "pickle": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2)),
    "pickle, newest": lambda content, path: path.write_bytes(pickle.dumps(content)),
    "pickle, oldest": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=0)),
}


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "bin"])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", [Evil, Opens])
def test_code_in_a_file_is_never_run(tmp_path, kind, writer, suffix):
    trap, path = tmp_path / "trap", tmp_path / f"a.{suffix}"
    WRITERS[writer]({"state_dict": {"weight": torch.ones(2)}, "args": kind(trap)}, path)
    with pytest.raises(StoreError, match=rf"a\.{suffix} (holds more than tensors|is damaged or no|is no checkpoint)"):
        read_checkpoint(path)
    assert not trap.exists()
    torch.load(saved(tmp_path / "trusted.pt", kind(trap)), weights_only=False)
    assert trap.exists()  # so the trap works


def test_code_in_a_shard_or_in_the_only_file_of_a_folder_is_never_run(tmp_path):
    trap = tmp_path / "trap"
    (tmp_path / "one").mkdir()
    saved(tmp_path / "one" / "a.pt", Evil(trap))
    (tmp_path / "shards").mkdir()
    index = indexed(tmp_path / "shards", {"part-1.bin": {"a": torch.ones(1)}}, "bin")
    saved(tmp_path / "shards" / "part-1.bin", Evil(trap))
    for path in (tmp_path / "one", index):
        with pytest.raises(StoreError, match="holds more than tensors"):
            read_checkpoint(path)
    assert not trap.exists()


def test_what_needs_code_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(StoreError) as refused:
        read_checkpoint(saved(tmp_path / "a.pt", nn.Linear(2, 2)))
    assert str(refused.value) == (
        f"{tmp_path / 'a.pt'} holds more than tensors and plain values (torch.nn.modules.linear.Linear) and was not "
        "read, since that would run code of the file: if you trust it, load it yourself and save model.state_dict() "
        "alone, or as safetensors"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "b.pt"))
    with pytest.raises(StoreError, match=r"b\.pt holds more than tensors and plain values \(a TorchScript archive\)"):
        read_checkpoint(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is no checkpoint: expected a safetensors file, or one that torch.save wrote"),
        (b"some text that is no checkpoint", "is no checkpoint"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a pointer of Git LFS .*: run `git lfs pull`",
        ),
        (b"\x80\x02", r"is damaged or no file of torch.save \(EOFError\): replace it"),
        (pickle.dumps({"a": 1}), r"is damaged or no file of torch.save \(an unknown kind of pickle\)"),
        (b"PK\x03\x04 and no more", "is damaged or no file of torch.save"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, content, match):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(StoreError, match=rf"a\.pt {match}"):
        read_checkpoint(tmp_path / "a.pt")


def test_another_zip_file_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as file:
        file.writestr("a.txt", "text")
    with pytest.raises(StoreError, match=r"a\.pt is damaged or no file of torch\.save"):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_truncated_file_is_named(tmp_path, kind, share):
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pt")
    writer = safetensors.torch.save_file if kind == "safetensors" else WRITERS[kind]
    writer({"weight": torch.ones(50, 50)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(StoreError, match=rf"{path.name} (is damaged or no|is no checkpoint|holds more than tensors)"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [3, [torch.ones(2)], torch.ones(2), {}, {"epoch": 3}, {0: torch.ones(2)}, {"a": 1}])
def test_a_file_without_a_state_dict_is_named(tmp_path, content):
    with pytest.raises(
        StoreError, match=r"a\.pt holds no state dict, neither itself nor under a key: save model.state"
    ):
        read_checkpoint(saved(tmp_path / "a.pt", content))


def test_an_empty_safetensors_file_is_named(tmp_path):
    safetensors.torch.save_file({}, tmp_path / "a.safetensors")
    with pytest.raises(StoreError, match=r"a\.safetensors holds no tensors"):
        read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", ["sparse_coo", "meta"])
def test_tensors_that_are_not_dense_are_named(tmp_path, kind):
    value = torch.eye(2).to_sparse() if kind == "sparse_coo" else torch.empty(2, device="meta")
    with pytest.raises(StoreError, match=rf"'w' must be a dense tensor; got a {kind} one"):
        read_checkpoint(saved(tmp_path / "a.pt", {"w": value}))


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"there is no file or folder .*nothing\.pt: give the path of a checkpoint"):
        read_checkpoint(tmp_path / "nothing.pt")


# What is written.


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.norm = nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2)
        self.decode = nn.Linear(2, 2, bias=False)
        self.decode.weight = self.encode.weight
        self.register_buffer("passing", torch.ones(1), persistent=False)


def test_what_is_written_is_read_again(tmp_path):
    given = state(count=torch.tensor(3), empty=torch.ones(0), turned=torch.arange(6.0).view(2, 3).T)
    write_checkpoint(tmp_path / "new" / "a.safetensors", given)
    assert equal(read_checkpoint(tmp_path / "new" / "a.safetensors"), given)
    assert os.listdir(tmp_path / "new") == ["a.safetensors"]


def test_tensors_that_share_memory_are_each_stored(tmp_path):
    flat = torch.arange(4.0)
    given = {"a": flat, "b": flat, "part": flat[1:3], "wide": flat[:1].expand(3)}
    write_checkpoint(tmp_path / "a.safetensors", given)
    assert equal(read_checkpoint(tmp_path / "a.safetensors"), given)
    write_checkpoint(tmp_path / "b.safetensors", Tied().state_dict())
    assert set(read_checkpoint(tmp_path / "b.safetensors")) == set(Tied().state_dict())


def test_of_a_module_tied_weights_are_stored_by_each_of_the_names_of_the_architecture(tmp_path):
    model = Tied()
    expected = model.state_dict()
    wrapped = nn.DataParallel(torch.compile(model))  # pyright: ignore[reportArgumentType]
    assert next(iter(wrapped.state_dict())).startswith("module._orig_mod.")
    for number, given in enumerate((model, wrapped)):
        write_checkpoint(tmp_path / f"{number}.safetensors", given)
        assert equal(read_checkpoint(tmp_path / f"{number}.safetensors"), expected)
        Tied().load_state_dict(read_checkpoint(tmp_path / f"{number}.safetensors"))


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, {"a": torch.ones(1)})

    def fail(*_: Any, **__: Any) -> None:
        raise safetensors.SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(StoreError, match=r"cannot write .*a\.safetensors: No space left on device"):
        write_checkpoint(path, {"a": torch.zeros(1)})
    assert equal(read_checkpoint(path), {"a": torch.ones(1)})
    assert os.listdir(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "at least one tensor; got none"),
        ({"a": torch.eye(2).to_sparse()}, "'a' must be a plain dense tensor; got a sparse_coo one"),
        ({"a": torch.ones(2, device="meta")}, "'a' must be a plain dense tensor; got a meta one"),
    ],
)
def test_what_cannot_be_written_gets_one_sentence(tmp_path, given, match):
    with pytest.raises((TypeError, ValueError), match=match):
        write_checkpoint(tmp_path / "a.safetensors", given)
    assert os.listdir(tmp_path) == []
