"""What cannot be drawn is one sentence, with exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

METRIC = "picturing_module:"


@pytest.mark.parametrize(
    ("words", "names", "sentence"),
    [
        (["line"], {}, "at least one checkpoint is needed"),
        (["line", "a.pt"], {"data": "nothing"}, "picturing_module:nothing"),
        (["line", "a.pt"], {"network": "raising"}, "raises RuntimeError: out of order"),
        (["line", "a.pt"], {"network": "absent"}, "absent"),
        (["line", "a.pt"], {"network": "wide"}, "(16, 64)"),
        (["line", "absent.pt"], {}, "there is no file or folder absent.pt"),
        (["plane", "a.pt", "absent.pt"], {}, "a plane goes through all of its checkpoints: there is no file"),
        (["line", "a.pt", "a.pt"], {}, "checkpoints must be different; a.pt is given twice"),
        (["line", "a.pt", "copy.pt"], {}, "copy.pt holds the weights of a.pt"),
        (["line", "a.pt", "b.pt", "c.pt"], {}, "a line goes through at most 2 checkpoints; got 3"),
        (["plane", "a.pt", "b.pt", "c.pt", "d.pt"], {}, "a plane goes through at most 3 checkpoints; got 4"),
        (["plane", "a.pt", "b.pt", "middle.pt"], {}, "three points on one line span no plane"),
        (["trajectory", "a.pt"], {}, "a trajectory needs at least 3 checkpoints that differ; got 1"),
        (["trajectory", "a.pt", "b.pt"], {}, "needs at least 3 checkpoints that differ; got 2"),
        (["trajectory", "a.pt", "b.pt", "middle.pt"], {}, "on one line"),
        (["trajectory", "a.pt", "copy.pt"], {}, "copy.pt holds the weights of a.pt"),
        (["spectrum", "a.pt", "b.pt"], {}, "a spectrum is of one checkpoint; got 2"),
        (["line", "zero.pt"], {}, "use --directions random, or --normalise-others where"),
        (["line", "zero.pt", "--directions", "random"], {}, "norm 0"),
        (["line", "a.pt", "--metrics", METRIC + "vector"], {}, "must return one number a point"),
        (["line", "a.pt", "--metrics", METRIC + "number"], {}, "must return one number a point"),
        (["line", "a.pt", "--metrics", METRIC + "failing"], {}, "raises KeyError: 'what'"),
        (["line", "a.pt", "--metrics", METRIC + "absent"], {}, "has no absent"),
        (["line", "a.pt", "--metrics", "sharpness"], {}, "unknown metric 'sharpness'"),
        (["line", "a.pt", "--metrics", "loss", "loss"], {}, "--metrics must be one or more, all different"),
        (
            ["plane", "a.pt", "--points", "317"],
            {},
            "100,489 values are more than the 40,000 that a page shows: take --points 200",
        ),
        (["plane", "a.pt", "--points", "200", "--draws", "2", "--beside"], {}, "take --points 100 or fewer"),
        (["line", "a.pt", "--metrics", "loss", "accuracy", "--points", "50001"], {}, "take --points 20000 or fewer"),
        (["plane", "a.pt", "--directions", "hessian", "--points", "30000"], {}, "nwedge.cut"),
        (["line", "a.pt", "--metrics", "loss", METRIC + "distance"], {}, "'distance' is the name of something else"),
        (
            ["line", "a.pt", "--metrics", METRIC + "accuracy"],
            {},
            "'accuracy' is the name of something else here: rename",
        ),
        (
            ["line", "kept.pt", "normalised.pt", "--batch-norm", "keep"],
            {"network": "normalised"},
            "take --batch-norm rec",
        ),
        (["plane", "a.pt", "--points", "1"], {}, "--points must be at least 2; got 1"),
        (["plane", "a.pt", "--reach", "0"], {}, "--reach must be positive and finite; got 0"),
        (["plane", "a.pt", "--tolerance", "-1"], {}, "--tolerance must be at least 0; got -1"),
        (["plane", "a.pt", "--refine", "0"], {}, "--refine must be positive"),
        (["plane", "a.pt", "--directions", "steep"], {}, "unknown directions 'steep'"),
        (["plane", "a.pt", "--directions", "gradient"], {}, "spans no plane"),
        (["line", "a.pt", "b.pt", "--directions", "random"], {}, "--directions is for pictures around one checkpoint"),
        (["plane", "a.pt", "b.pt", "--directions", "hessian"], {}, "--directions hessian is for pictures around one"),
        (["line", "a.pt", "--draws", "0"], {}, "--draws must be at least 1; got 0"),
        (["line", "a.pt", "b.pt", "--draws", "2"], {}, "--draws needs directions that are drawn"),
        (["line", "a.pt", "--directions", "hessian", "--draws", "2"], {}, "the hessian is not: leave it out"),
        (["line", "a.pt", "--directions", "random", "--normalise-others"], {}, "--normalise-others is for"),
        (["line", "a.pt", "b.pt", "--normalise-others"], {}, "--normalise-others is for"),
        (["line", "a.pt", "--directions", "gradient", "--beside"], {}, "--beside is not for --directions gradient"),
        (["line", "a.pt", "--threshold", "1"], {}, "--threshold is for the wedge model: add --beside"),
        (["line", "a.pt", "--beside", "--threshold", "1e6"], {}, "give a lower --threshold"),
        (["line", "a.pt", "--vtk"], {}, "unknown flag '--vtk'"),
        (["spectrum", "a.pt", "--thresholds", "0"], {}, "--thresholds must be positive and finite"),
        (["spectrum", "a.pt", "--products", "1"], {}, "--products must be at least 2; got 1"),
        (
            ["line", "normalised.pt", "--tolerance", "0.1"],
            {"network": "normalised"},
            "with --batch-norm recompute the loss",
        ),
        (["line", "a.pt", "--out", "a.pt"], {}, "a.pt is a file: give the path of a directory"),
        (["line", "a.pt", "--predict", METRIC + "number"], {}, "--predict needs --loss"),
        (["line", "a.pt", "--pints", "3"], {}, "unknown flag '--pints': `nwedge picture line` takes CKPT"),
        (["line", "a.pt", "--device", "tpu"], {}, "tpu"),
        (
            ["plane", "a.pt", "--directions", "hessian", "--loss", METRIC + "linear_loss"],
            {"data": "as_dicts"},
            "cannot be told apart from others at this point, where it may be 0: take other directions",
        ),
    ],
)
def test_it(draw, capsys, words, names, sentence):
    state, normalised = torch.load("a.pt"), torch.load("normalised.pt")
    torch.save(state, "copy.pt")
    torch.save({name: value + 1 for name, value in normalised.items()}, "kept.pt")
    torch.save({name: 0 * value for name, value in state.items()}, "zero.pt")
    other = torch.load("b.pt")
    torch.save({name: (value + other[name]) / 2 for name, value in state.items()}, "middle.pt")
    assert draw(*words, **names) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert sentence in said.err
    assert "Picture:" not in said.out
    assert not Path("picture/picture.html").exists()


def test_a_picture_that_was_refused_does_not_stand_in_the_way(draw):
    assert draw("line", "a.pt", "--metrics", METRIC + "vector") == 2
    assert draw("line", "a.pt", "--points", "3") == 0


def test_a_damaged_checkpoint_is_named(draw, capsys):
    Path("damaged.pt").write_bytes(Path("a.pt").read_bytes()[:100])
    assert draw("line", "damaged.pt") == 2
    assert "damaged.pt" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom nwedge.cli import main\n"
        "try:\n    main(['picture', 'plane', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'xarray', 'matplotlib', 'plotly'} & set(sys.modules), 'heavy'\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--normalise-others" in found.stdout
