"""Pictures of files from the command line, held to plain loops over the user's own module."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from nwedge.store import read_dataset

NAMES = {"picture.html", "picture.json", "picture.svg", "picture.png", "checkpoints.nc"}


def read(name: str = "network", out: str = "picture") -> xr.Dataset:
    return read_dataset(Path(out) / f"{name}.nc")


def spec(out: str = "picture") -> dict:
    return json.loads((Path(out) / "picture.json").read_text())


def files(out: str = "picture") -> set[str]:
    return {path.name for path in Path(out).iterdir() if not path.name.startswith(".")}


def loaded(name: str) -> torch.Tensor:
    return torch.cat([value.flatten() for value in torch.load(name).values()])


def loss_at(point: torch.Tensor, held_out: bool = False) -> float:
    """The loss of the user's module with these weights, over all data at once."""
    import picturing_module as own

    model, (x, y) = own.build(), own.data()[held_out]
    nn.utils.vector_to_parameters(point, model.parameters())
    with torch.no_grad():
        return nn.functional.cross_entropy(model(x), y).item()


def test_a_line_through_two_checkpoints_is_the_loss_of_their_mixtures(draw, capsys):
    assert draw("line", "a.pt", "b.pt", "--points", "9", "--metrics", "loss", "held_out_loss", "accuracy") == 0
    assert files() == NAMES | {"network.nc"}
    found, (a, b) = read(), map(loaded, ("a.pt", "b.pt"))
    assert found["c0"].values[[0, -1]] == pytest.approx([-0.5, 1.5])
    assert {0.0, 1.0} <= set(found["c0"].values)
    for held_out, name in enumerate(("loss", "held_out_loss")):
        wanted = [loss_at(a + t * (b - a), bool(held_out)) for t in found["c0"].values]
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5)
    np.testing.assert_allclose(found["distance0"], found["c0"] * (b - a).norm().item(), rtol=1e-5)
    assert ((found["accuracy"] >= 0) & (found["accuracy"] <= 1)).all()
    said = capsys.readouterr().out
    assert "Picture: picture/picture.html" in said
    assert "Self-check of the training loss and the held-out loss and the training accuracy at 4 points" in said
    at = read("checkpoints")
    np.testing.assert_allclose(at["loss"], [loss_at(a), loss_at(b)], rtol=1e-5)
    assert f"{loss_at(a):.4g} at a.pt" in Path("picture/picture.html").read_text()


@pytest.mark.parametrize("directions", ["filter", "layer", "random", "gradient", "hessian"])
def test_a_line_along_a_direction_of_every_kind_has_the_checkpoint_in_its_middle(draw, directions):
    assert draw("line", "a.pt", "--directions", directions, "--points", "5", "--reach", "0.5") == 0
    found, point = read(), loaded("a.pt")
    assert found["loss"].values[2] == pytest.approx(loss_at(point), rel=1e-5)
    assert found["c0"].values == pytest.approx([-0.5, -0.25, 0, 0.25, 0.5])
    length = found["distance0"].values[-1] / 0.5
    if directions in ("gradient", "hessian"):
        assert length == pytest.approx(1, rel=1e-5)
        assert found["loss"].values[-1] > found["loss"].values[2]
    elif directions == "random":
        assert length == pytest.approx(point.norm().item(), rel=1e-5)
    else:  # biases stay, so a little shorter
        assert 0.8 * point.norm() < length < point.norm()


def test_normalised_others_move_too(draw):
    for number, words in enumerate(((), ("--normalise-others",))):
        assert draw("line", "a.pt", "--points", "3", "--out", str(number), *words) == 0
    lengths = [read(out=str(number))["distance0"].values[-1] for number in range(2)]
    assert lengths[1] == pytest.approx(loaded("a.pt").norm().item(), rel=1e-5)
    assert lengths[0] < 0.999 * lengths[1]


def test_a_plane_through_three_checkpoints(draw):
    assert draw("plane", "a.pt", "b.pt", "c.pt", "--points", "5", "--vtk") == 0
    found, (a, b, c) = read(), map(loaded, ("a.pt", "b.pt", "c.pt"))
    u = (b - a) / (b - a).norm()
    v = (c - a) - ((c - a) @ u) * u
    v = v / v.norm()
    wanted = [[loss_at(a + x * u + y * v) for y in found["c1"].values] for x in found["c0"].values]
    np.testing.assert_allclose(found["loss"].transpose("c0", "c1"), wanted, rtol=1e-4)
    assert found["c0"].values[0] < 0 < (b - a).norm() < found["c0"].values[-1]
    assert found["c1"].values[0] < 0 < (c - a) @ v < found["c1"].values[-1]
    assert found.attrs["angle"] == pytest.approx(90, abs=1e-3)
    assert any(name.startswith("network.vt") for name in files())


def test_a_plane_along_a_line_is_orthogonal_to_it(draw):
    assert draw("plane", "a.pt", "b.pt", "--points", "4") == 0
    found, (a, b) = read(), map(loaded, ("a.pt", "b.pt"))
    assert found.attrs["angle"] == pytest.approx(90, abs=0.01)
    assert found["c0"].values[[0, -1]] == pytest.approx([-0.5, 1.5])
    assert found["c1"].values[[0, -1]] == pytest.approx([-1, 1])
    np.testing.assert_allclose(found["distance0"], found["c0"] * (b - a).norm().item(), rtol=1e-5)


def test_draws_are_side_by_side_with_the_wedge_model_beside(draw, capsys):
    assert draw("plane", "a.pt", "--draws", "2", "--points", "5", "--beside", "--threshold", "0.01") == 0
    cuts = {f"{name}-{turn}.nc" for name in ("draw", "directions", "wedge-model-draw") for turn in (1, 2)}
    assert files() == NAMES | cuts | {"short-directions.nc"}
    first, second = read("draw-1"), read("draw-2")
    assert first["loss"].values[2, 2] == pytest.approx(second["loss"].values[2, 2])
    assert not np.allclose(first["loss"], second["loss"], rtol=0.01)
    model = read("wedge-model-draw-1")
    assert model["loss"].values[2, 2] == 0
    assert (model["loss"].values[[0, -1]] > 0).all()
    norm = loaded("a.pt").norm().item()
    np.testing.assert_allclose(model["distance0"], model["c0"] * norm, rtol=1e-4)
    count = float(read("short-directions")["count"][0])
    assert f"with {round(count)} short ones" in capsys.readouterr().out


def test_a_run_that_was_recorded_is_a_trajectory_with_its_steps(draw):
    assert draw("trajectory", "run", "--points", "4", "--vtk") == 0
    assert {"trajectory.nc", "trajectory.vtp"} <= files()
    path, grid = read("trajectory"), read()
    assert path["step"].values.tolist() == [0, 12, 24, 36, 48]
    assert path["position"].values[-1] == pytest.approx([0, 0], abs=1e-4)
    squares = (path["position"] ** 2).sum("axis") + path["off_plane"] ** 2
    np.testing.assert_allclose(squares, path["distance"] ** 2, rtol=1e-4, atol=1e-6)
    assert path["loss"].values[0] > path["loss"].values[-1]
    for axis in range(2):
        inside = path["position"].values[:, axis]
        assert grid[f"c{axis}"].values[0] < inside.min() <= inside.max() < grid[f"c{axis}"].values[-1]


def test_a_trajectory_leaves_out_what_cannot_be_read_and_copies_and_says_so(draw, capsys):
    torch.save(torch.load("a.pt"), "copy.pt")
    assert draw("trajectory", "a.pt", "absent.pt", "b.pt", "copy.pt", "c.pt", "--points", "3") == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 2
    assert "absent.pt" in told[0]
    assert "copy.pt holds the weights of a.pt" in told[1]
    assert read("trajectory").sizes["checkpoint"] == 3


def test_the_spectrum_counts_as_the_whole_hessian_does(draw):
    import picturing_module as own

    assert draw("spectrum", "a.pt", "--products", "240", "--thresholds", "0.05", "0.5") == 0
    assert files() == NAMES | {"spectrum.nc"}
    found, (x, y) = read("spectrum"), own.data()[0]
    point, model = loaded("a.pt").double(), own.build().double()
    shapes = {name: value.shape for name, value in model.named_parameters()}

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = flat.split([shape.numel() for shape in shapes.values()])
        weights = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        return nn.functional.cross_entropy(torch.func.functional_call(model, weights, (x.double(),)), y)

    exact = torch.linalg.eigvalsh(torch.func.hessian(loss)(point))
    assert float(found["weight"].sum()) == pytest.approx(len(point))
    for threshold, count, error in zip(found["threshold"], found["count"], found["count_error"], strict=True):
        assert abs(float(count) - int((exact > float(threshold)).sum())) <= 3 * float(error) + 0.5
    np.testing.assert_allclose(found["top"][:3], exact.flip(0)[:3], rtol=1e-2)
    assert float((found["eigenvalue"] * found["weight"]).sum()) == pytest.approx(exact.sum().item(), rel=0.2)


def test_batch_norm_is_recomputed_in_the_loop_as_in_the_picture(draw, capsys):
    assert draw("line", "normalised.pt", "--points", "5", network="normalised") == 0
    assert "statistics are recomputed" in capsys.readouterr().out
    assert (
        draw("line", "normalised.pt", "--points", "5", "--batch-norm", "keep", "--out", "k", network="normalised") == 0
    )
    assert "statistics are those of the first checkpoint" in capsys.readouterr().out
    assert not np.allclose(read()["loss"], read(out="k")["loss"], rtol=1e-3)


def test_a_network_in_half_precision_is_drawn_in_single(draw, capsys):
    halves = {name: value.bfloat16() for name, value in torch.load("a.pt").items()}
    torch.save(halves, "half.pt")
    torch.save({name: value.float() for name, value in halves.items()}, "single.pt")
    words = ("--points", "5", "--out")
    assert draw("plane", "half.pt", *words, "half", network="half") == 0
    assert "the network is in bfloat16, and evaluated and written in float32." in capsys.readouterr().out
    assert draw("plane", "single.pt", *words, "single") == 0
    assert "bfloat16" not in capsys.readouterr().out
    np.testing.assert_allclose(read(out="half")["loss"], read(out="single")["loss"], rtol=1e-6)
    assert draw("spectrum", "half.pt", "--products", "60", "--out", "spectrum", network="half") == 0


def test_a_loss_of_ones_own(draw):
    assert draw("line", "a.pt", "--points", "5", "--loss", "picturing_module:mean_loss", data="as_dicts") == 0
    assert draw("line", "a.pt", "--points", "5", "--out", "default") == 0
    np.testing.assert_allclose(read()["loss"], read(out="default")["loss"], rtol=1e-5)


def test_a_tolerance_and_refinement_are_kept_with_their_errors(draw, capsys):
    words = ("plane", "a.pt", "--points", "9", "--tolerance", "0.5")
    assert draw(*words, "--out", "rough") == 0
    rough = read(out="rough")
    assert {"loss", "loss_error", "loss_examples"} == set(map(str, rough.data_vars))
    assert "is estimated to a standard error of 0.5" in capsys.readouterr().out
    assert draw("plane", "a.pt", "--points", "33", "--refine", "0.5", "--out", "refined") == 0
    refined = read(out="refined")
    assert refined.attrs["evaluations"] < 33 * 33
    assert not bool(refined["evaluated"].all())
    assert "the others are interpolated" in capsys.readouterr().out


def test_what_is_not_finite_is_counted_and_told(draw, capsys):
    assert draw("line", "a.pt", "--points", "9", "--metrics", "loss", "picturing_module:holes") == 0
    found = read()
    count = int(found["holes"].isnull().sum())
    assert 0 < count < 9
    assert found["holes"].attrs["nonfinite"] == count
    assert f"network: {count} of 9 values of holes are NaN or infinite" in capsys.readouterr().out


def test_the_same_arguments_give_the_same_picture(draw):
    for out in ("first", "second"):
        assert draw("plane", "a.pt", "--draws", "2", "--points", "5", "--seed", "3", "--out", out) == 0
    assert spec("first") == spec("second")
    for name in sorted(files("first") - {"picture.json"}):
        first, second = (Path(out) / name for out in ("first", "second"))
        if name.endswith(".nc"):
            xr.testing.assert_identical(read_dataset(first), read_dataset(second))
        else:
            assert first.read_bytes() == second.read_bytes(), name
    assert draw("plane", "a.pt", "--draws", "2", "--points", "5", "--seed", "4", "--out", "third") == 0
    assert not np.allclose(read("draw-1", "first")["loss"], read("draw-1", "third")["loss"])


def test_a_directory_of_another_picture_is_refused_and_may_be_overwritten(draw, capsys):
    assert draw("plane", "a.pt", "--points", "4") == 0
    before = read()
    assert draw("line", "a.pt", "--points", "4") == 2
    said = capsys.readouterr().err
    assert "picture holds another picture" in said
    assert "the picture" in said
    assert draw("plane", "a.pt", "--points", "5") == 2
    assert "(--points differ)" in capsys.readouterr().err
    torch.save(torch.load("b.pt"), "a.pt")
    assert draw("plane", "a.pt", "--points", "4") == 2
    assert "(the checkpoints differ)" in capsys.readouterr().err
    xr.testing.assert_identical(read(), before)
    Path("picture/mine.nc").write_text("mine")
    assert draw("line", "a.pt", "--points", "4", "--overwrite") == 0
    assert Path("picture/mine.nc").read_text() == "mine"
    assert read().sizes == {"c0": 4}
    assert spec()["picture"] == "line"


def test_the_same_picture_is_measured_anew_where_it_is_to_be_overwritten(draw):
    Path("factor.txt").write_text("1")
    words = ("line", "a.pt", "--points", "5", "--metrics", "picturing_module:scaled")
    assert draw(*words) == 0
    before = read()["scaled"].values
    Path("factor.txt").write_text("10")
    assert draw(*words) == 0
    np.testing.assert_array_equal(read()["scaled"].values, before)
    assert draw(*words, "--overwrite") == 0
    np.testing.assert_allclose(read()["scaled"].values, 10 * before)


@pytest.mark.parametrize("mine", ["network.nc", "picture.png", "picture.json", "trajectory.vtp"])
def test_files_of_somebody_elses_are_refused_and_may_be_overwritten(draw, capsys, mine):
    Path("out").mkdir()
    Path("out", mine).write_text("mine")
    Path("out", "draw-mine.nc").write_text("mine")
    assert draw("line", "a.pt", "--points", "4", "--out", "out") == 2
    assert f"out holds {mine}, which is of no picture and would be replaced" in capsys.readouterr().err
    assert files("out") == {mine, "draw-mine.nc"}
    assert Path("out", mine).read_text() == "mine"
    assert draw("line", "a.pt", "--points", "4", "--out", "out", "--overwrite") == 0
    assert Path("out", "draw-mine.nc").read_text() == "mine"


def test_a_picture_in_the_working_directory_leaves_all_else_there(draw):
    for folder in ("parts", ".picture-parts"):
        Path(folder).mkdir()
        Path(folder, "mine.nc").write_text("mine")
        Path(folder, "mine.txt").write_text("mine")
    before = set(Path().rglob("*"))
    assert draw("line", "a.pt", "--points", "4", "--out", ".") == 0
    assert before <= set(Path().rglob("*"))
    assert draw("line", "a.pt", "--points", "5", "--out", ".", "--overwrite") == 0
    assert before <= set(Path().rglob("*"))
    assert Path(".picture-parts/mine.nc").read_text() == "mine"


def test_checkpoints_on_a_refined_line_are_evaluated(draw):
    a, b = map(loaded, ("a.pt", "b.pt"))
    for points in ("45", "32"):  # 0 and 1 are places of the even line, and are not
        assert draw("line", "a.pt", "b.pt", "--points", points, "--refine", "5", "--out", points) == 0
        found = read(out=points)
        even = np.linspace(-0.5, 1.5, int(points))
        assert found["c0"].values == pytest.approx(np.unique(np.append(even, [0, 1]).round(6)), abs=1e-6)
        for mark, point in ((0, a), (1, b)):
            at = found.sel(c0=mark)
            assert bool(at["evaluated"])
            assert float(at["loss"]) == pytest.approx(loss_at(point), rel=1e-5)
        assert int(found["evaluated"].sum()) <= found.attrs["evaluations"] < int(points)
        assert found["loss"].attrs["nonfinite"] == 0


def test_another_network_of_the_same_weights_is_another_picture(draw, capsys):
    Path("offset").write_text("0")
    assert draw("line", "a.pt", "--points", "4", network="shifted") == 0
    before = read()
    Path("offset").write_text("1")
    assert draw("line", "a.pt", "--points", "4", network="shifted") == 2
    assert "(the buffers differ)" in capsys.readouterr().err
    xr.testing.assert_identical(read(), before)
    assert set(spec()["libraries"]) == {"torch", "numpy", "scipy"}


def test_notes_on_what_only_a_diagnosis_does_are_left_out(draw, capsys):
    state = torch.load("normalised.pt")
    torch.save({name: value for name, value in state.items() if "running" not in name}, "bare.pt")
    assert draw("line", "bare.pt", "--points", "3", network="normalised") == 0
    assert "running statistics" not in capsys.readouterr().out


def test_estimates_that_are_wrong_do_not_pass(draw, monkeypatch, capsys):
    import nwedge.methods.measuring as measuring

    def sabotaged(*arguments, **options):
        found = estimate(*arguments, **options)
        return dataclasses.replace(found, losses=found.losses + 10 * found.standard_errors)

    words, estimate = ("plane", "a.pt", "--points", "9", "--tolerance", "0.03"), measuring.estimate
    assert draw(*words, "--out", "right", data="many") == 0
    assert "standard errors from the values on all examples (6 may be chance)." in capsys.readouterr().out
    monkeypatch.setattr(measuring, "estimate", sabotaged)
    assert draw(*words, "--out", "wrong", data="many") == 1
    assert "do not trust this picture" in capsys.readouterr().err


@pytest.mark.parametrize("metric", ["accuracy", "held_out_accuracy", "held_out_loss"])
def test_every_metric_is_checked_in_the_loop(draw, monkeypatch, capsys, metric):
    words = ("plane", "a.pt", "--points", "5", "--metrics", metric)
    assert draw(*words, "--out", "right") == 0
    told = metric.replace("held_out_", "held-out ") if "held" in metric else f"training {metric}"
    assert f"Self-check of the {told} at 4 points, computed again" in capsys.readouterr().out
    from nwedge.methods.metrics import Metric

    measured = Metric.__call__
    monkeypatch.setattr(Metric, "__call__", lambda own, points: measured(own, points) + 0.01)
    assert draw(*words, "--out", "wrong") == 1


def test_a_picture_that_fails_its_check_says_so_and_exits_with_1(draw, monkeypatch, capsys):
    monkeypatch.setattr(
        "nwedge.pictures.checking.plain_values", lambda landscape, points, *_, **__: [1.0] * len(points)
    )
    assert draw("line", "a.pt", "--points", "5") == 1
    said = capsys.readouterr()
    assert "do not trust this picture" in said.err
    assert "do not trust this picture" in Path("picture/picture.html").read_text()
