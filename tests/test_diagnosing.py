"""A diagnosis of files, from the command line to its report."""

import json
import pickle
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from nwedge.cli import main
from nwedge.diagnosing import DIAGNOSIS, MODEL

MODULE = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))

def normalised():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)).eval()

def data():
    x = torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    y = x[:, :3].argmax(1)
    return (x[:300], y[:300]), (x[300:], y[300:])

def nothing():
    return None

def nothing_held_out():
    return data()[0], None

def mean_loss(model, batch):
    return nn.functional.cross_entropy(model(batch["x"]), batch["labels"])

def probabilities(model, batch):
    return model(batch["x"]).softmax(1)

def lack_of_memory(model, batch):
    raise MemoryError("too much")

def logits(model, batch):
    return model(batch["x"])

def unlabelled():
    train, held_out = as_dicts()
    held_out["labels"][3] = -100
    return train, held_out

def raising():
    raise RuntimeError("out of order")

def wide():
    return nn.Linear(7, 3)

def half():
    return build().bfloat16()

def tied():
    first, last = nn.Linear(6, 6), nn.Linear(6, 6)
    last.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), last)

def as_dicts():
    return tuple({"x": x, "labels": y} for x, y in data())

def bert():
    from transformers import BertConfig, BertForSequenceClassification
    sizes = dict(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12)
    return BertForSequenceClassification(BertConfig(**sizes, num_labels=2)).eval()

def words():
    given = torch.randint(20, (90, 5), generator=torch.Generator().manual_seed(0))
    parts = {"input_ids": given, "labels": (given == 3).any(1).long()}
    return tuple({name: one[part] for name, one in parts.items()} for part in (slice(60), slice(60, None)))

def bert_loss(model, batch):
    return model(**batch).loss

def bert_classes(model, batch):
    return model(batch["input_ids"]).logits.softmax(1)
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "diagnosing_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield sys.modules
    sys.modules.pop("diagnosing_module", None)


def trained(seed: int, build: str = "build", steps: int = 60) -> nn.Module:
    """A module of the user's after some training in a plain loop."""
    import diagnosing_module as own

    torch.manual_seed(seed)
    model, ((x, y), _) = getattr(own, build)().train(), own.data()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval()


def command(*words: str, network: str = "build", data: str = "data") -> list[str]:
    functions = ("--network", f"diagnosing_module:{network}", "--data", f"diagnosing_module:{data}")
    return ["diagnose", "--threads", "1", *functions, *words]


def read(out: str = "diagnosis") -> dict:
    return json.loads((Path(out) / DIAGNOSIS).read_text())


def test_files_of_several_kinds_are_diagnosed_and_the_chosen_model_is_written(capsys):
    models = [trained(seed) for seed in range(3)]
    states = [model.state_dict() for model in models]
    safetensors.torch.save_file(states[0], "plain.safetensors")
    torch.save({"state_dict": {f"model.{name}": value for name, value in states[1].items()}}, "lightning.ckpt")
    torch.save({f"module.{name}": value.double() for name, value in states[2].items()}, "parallel.pt")
    names = ["plain.safetensors", "lightning.ckpt", "parallel.pt"]
    assert main(command(*names)) == 0
    said = capsys.readouterr().out
    found = read()
    assert [one["name"] for one in found["checkpoints"]] == names
    assert f"one pass: {found['recommendation']['one_pass']}" in said
    assert "Report: diagnosis/report.html" in said
    assert {"one_pass", "k_passes"} == found["recommendation"].keys()
    assert {"options", "barriers", "disagreement", "clusters", "warnings"} <= found.keys()
    assert sorted(name for members in found["clusters"] for name in members) == sorted(names)
    page = Path("diagnosis/report.html").read_text()
    assert all(name in page for name in names)

    import diagnosing_module as own

    chosen = own.build()
    chosen.load_state_dict(safetensors.torch.load_file(Path("diagnosis") / MODEL))
    (x, y), option = own.data()[1], found["options"][found["recommendation"]["one_pass"]]
    right = (chosen(x).argmax(1) == y).double().mean().item()
    assert right == pytest.approx(option["scores"]["accuracy"]["value"], abs=0.1)
    if found["recommendation"]["one_pass"] == "single":
        (name,) = option["members"]
        torch.testing.assert_close(chosen.state_dict(), states[names.index(name)])


def test_running_statistics_are_recomputed_and_it_is_shown_what_averaging_them_does():
    for seed in range(2):
        torch.save(trained(seed, "normalised").state_dict(), f"{seed}.pt")
    assert main(command("0.pt", "1.pt", network="normalised")) == 0
    found = read()
    averaged = found["averaged_statistics"]
    assert averaged[0][0] == 0
    assert averaged[0][1] == averaged[1][0] != found["barriers"][0][1]
    chosen = safetensors.torch.load_file(Path("diagnosis") / MODEL)
    assert not torch.equal(chosen["1.running_mean"], torch.zeros(16))
    assert not any("statistics of BatchNorm are missing" in warning for warning in found["warnings"])


def test_networks_in_half_precision_are_diagnosed_in_single():
    for seed in range(2):
        torch.save(trained(seed).bfloat16().state_dict(), f"{seed}.pt")
    assert main(command("0.pt", "1.pt", network="half")) == 0
    assert any("in bfloat16, and evaluated and written in float32" in warning for warning in read()["warnings"])
    chosen = safetensors.torch.load_file(Path("diagnosis") / MODEL)
    assert {value.dtype for value in chosen.values()} == {torch.float32}


def test_missing_running_statistics_are_told():
    weights = {name: value for name, value in trained(0, "normalised").state_dict().items() if "running" not in name}
    torch.save(weights, "0.pt")
    assert main(command("0.pt", network="normalised")) == 0
    assert any("statistics of BatchNorm are missing" in warning for warning in read()["warnings"])


def test_a_loss_of_ones_own_is_diagnosed_where_its_classes_are_told(capsys):
    for seed in range(2):
        torch.save(trained(seed).state_dict(), f"{seed}.pt")
    own = ("--loss", "diagnosing_module:mean_loss", "--predict", "diagnosing_module:probabilities")
    assert main(command("0.pt", "1.pt", *own, "--out", "own", data="as_dicts")) == 0
    assert main(command("0.pt", "1.pt", "--out", "default")) == 0
    for name, option in read("default")["options"].items():
        for score, own_score in zip(
            option["scores"].values(), read("own")["options"][name]["scores"].values(), strict=True
        ):
            assert own_score["value"] == pytest.approx(score["value"], abs=1e-5)
    assert main(command("0.pt", "1.pt", *own[:2], data="as_dicts")) == 2
    assert "--loss and --predict go together" in capsys.readouterr().err


def test_folders_of_hugging_face_are_diagnosed_and_the_chosen_model_goes_back_into_one():
    pytest.importorskip("transformers")
    import diagnosing_module as own

    for seed in range(2):
        torch.manual_seed(seed)
        own.bert().save_pretrained(f"model{seed}", max_shard_size="4KB")
    assert Path("model0/model.safetensors.index.json").exists()
    own_functions = ("--loss", "diagnosing_module:bert_loss", "--predict", "diagnosing_module:bert_classes")
    assert main(command("model0", "model1", *own_functions, network="bert", data="words")) == 0
    assert [one["name"] for one in read()["checkpoints"]] == ["model0", "model1"]
    chosen = safetensors.torch.load_file(Path("diagnosis") / MODEL)
    own.bert().load_state_dict(chosen)


class Bomb:
    """A pickle that leaves a mark where its code is run."""

    def __reduce__(self):
        return (exec, ("open('mark', 'w').close()",))


def test_what_cannot_be_read_is_told_and_the_others_are_diagnosed(capsys):
    for seed in range(2):
        torch.save(trained(seed).state_dict(), f"good{seed}.pt")
    torch.save(torch.load("good0.pt"), "copy.pt")
    torch.save({"weights": Bomb()}, "bomb.pt")
    Path("plain-bomb.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).state_dict(), "narrow.pt")
    torch.save({"other.weight": torch.ones(2)}, "other.pt")
    broken = torch.load("good0.pt")
    broken["2.weight"][0, 0] = torch.nan
    torch.save(broken, "nan.pt")
    bad = ["bomb.pt", "plain-bomb.pt", "narrow.pt", "other.pt", "nan.pt", "copy.pt", "absent.pt"]
    assert main(command("good0.pt", *bad, "good1.pt")) == 1
    assert not Path("mark").exists()
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == len(bad)
    for sentence, words in zip(
        told,
        (
            ("bomb.pt", "run code"),
            ("plain-bomb.pt", "no file of torch.save"),
            ("narrow.pt", "(8, 6)", "(16, 6)"),
            ("other.pt", "0.weight"),
            ("nan.pt", "2.weight", "NaN"),
            ("copy.pt", "good0.pt"),
            ("absent.pt", "there is no file"),
        ),
        strict=True,
    ):
        assert all(word in sentence for word in words), sentence
    found = read()
    assert [one["name"] for one in found["checkpoints"]] == ["good0.pt", "good1.pt"]
    assert len(found["warnings"]) >= len(bad)
    page = Path("diagnosis/report.html").read_text()
    assert "narrow.pt" in page


def test_one_checkpoint_is_described_alone(capsys):
    torch.save(trained(0).state_dict(), "a.pt")
    assert main(command("a.pt")) == 0
    assert read()["recommendation"] == {"one_pass": "single", "k_passes": "single"}
    assert "one pass: single" in capsys.readouterr().out


OWN = ("--loss", "diagnosing_module:mean_loss", "--predict")


@pytest.mark.parametrize(
    ("words", "names", "sentence"),
    [
        (["a.pt"], {"data": "nothing"}, "nothing"),
        (["a.pt"], {"data": "nothing_held_out"}, "must have held-out data"),
        (["a.pt"], {"network": "absent"}, "absent"),
        (["absent.pt", "b.pt"], {}, "none of the checkpoints can be read"),
        ([], {}, "at least one"),
        (["a.pt", "--level", "-1"], {}, "--level must be finite and at least 0; got -1"),
        (["a.pt", "--threads", "0"], {}, "--threads must be at least 1; got 0"),
        (["a.pt", "--batch-norm", "freeze"], {}, "--batch-norm"),
        (["a.pt", "--device", "tpu"], {}, "tpu"),
        (["a.pt", "--seed", "-1"], {}, "--seed must be at least 0; got -1"),
        (["a.pt", "--out", "a.pt"], {}, "a.pt is a file: give the path of a directory"),
        (["a.pt", "--predict", "diagnosing_module:probabilities"], {}, "--predict needs --loss"),
        (["a.pt", "--plane", "a.pt", "a.pt", "a.pt"], {}, "--plane must be three different ones of the checkpoints"),
        (["a.pt", "b", "c", "--plane", "a.pt", "b", "c"], {}, "left out: there is no file or folder b"),
        (["a.pt"], {"network": "raising"}, "'diagnosing_module:raising' raises RuntimeError: out of order"),
        (["a.pt"], {"data": "raising"}, "'diagnosing_module:raising' raises RuntimeError: out of order"),
        (["a.pt"], {"network": "wide"}, "diagnosing_module:wide on diagnosing_module:data: RuntimeError: mat1"),
        (["a.pt", *OWN, "diagnosing_module:lack_of_memory"], {"data": "as_dicts"}, "MemoryError: too much"),
        (["a.pt", *OWN, "diagnosing_module:logits"], {"data": "as_dicts"}, "are they logits?"),
        (["a.pt", *OWN, "diagnosing_module:probabilities"], {"data": "unlabelled"}, "must be between 0 and 2"),
    ],
)
def test_what_cannot_be_diagnosed_at_all_is_one_sentence(capsys, words, names, sentence):
    torch.save(trained(0).state_dict(), "a.pt")
    assert main(command(*words, **names)) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not Path("diagnosis").exists()


def test_an_interrupted_diagnosis_leaves_what_was_there(monkeypatch, capsys):
    torch.save(trained(0).state_dict(), "a.pt")
    assert main(command("a.pt")) == 0
    before = read()
    monkeypatch.setattr("nwedge.diagnosis.diagnose.diagnose", _interrupt)
    assert main(command("a.pt")) == 130
    assert capsys.readouterr().err == "nwedge: interrupted\n"
    assert read() == before


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_the_same_seed_gives_the_same():
    for seed in range(2):
        torch.save(trained(seed).state_dict(), f"{seed}.pt")
    for out in ("first", "second"):
        assert main(command("0.pt", "1.pt", "--seed", "3", "--out", out)) == 0
    assert read("first") == read("second")


def test_the_key_says_which_weights_of_a_file_are_meant_and_the_plane_through_which_points(capsys):
    names = [f"{seed}.pt" for seed in range(4)]
    for seed, name in enumerate(names):
        torch.save({"state_dict": trained(9).state_dict(), "state_dict_ema": trained(seed).state_dict()}, name)
    assert main(command(*names)) == 2
    assert "'state_dict', 'state_dict_ema': give one of them as the key" in capsys.readouterr().err
    assert main(command(*names, "--key", "state_dict_ema", "--plane", *names[:0:-1])) == 0
    assert [one["name"] for one in read()["checkpoints"]] == names
    assert read()["plane"]["names"] == names[:0:-1]


def test_tied_weights_go_back_into_a_module_as_they_are():
    import diagnosing_module as own

    torch.save(trained(0, "tied").state_dict(), "a.pt")
    assert main(command("a.pt", network="tied")) == 0
    own.tied().load_state_dict(safetensors.torch.load_file(Path("diagnosis") / MODEL))
