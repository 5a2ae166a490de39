import dataclasses
import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import QuadContourSet
from matplotlib.text import Text
from PIL import Image

from nwedge.report import svg
from nwedge.report.figures import style
from nwedge.report.pictures import axes as naming
from nwedge.report.pictures import describing, spectra, static, trajectories
from nwedge.report.pictures.panels import views

CASES = {
    "line": ("line", {"metrics": ("loss", "held_out_loss", "accuracy"), "error": True, "nan": 3}),
    "lines": ("line", {"draws": 4}),
    "plane": ("plane", {"error": True, "nan": 6}),
    "planes": ("plane", {"draws": 3, "metrics": ("loss", "accuracy")}),
    "oblique": ("plane", {"angle": 60.0}),
    "trajectory": ("trajectory", {}),
    "spectrum": ("spectrum", {}),
    "undefined": ("plane", {"nan": 11 * 13}),
    "undefined line": ("line", {"nan": 11}),
}


def drawn(picture):
    with style.applied():
        figure = static.figure(picture)
        style.settle(figure)
    return figure


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")


@pytest.mark.parametrize("case", CASES)
def test_every_picture_is_a_sound_svg_and_png_and_nothing_is_cut_off(make, case):
    kind, options = CASES[case]
    with style.applied():
        figure = static.figure(make(kind, **options))
        style.settle(figure)
        root = ElementTree.fromstring(svg.encode(figure, "svg"))
        image = Image.open(io.BytesIO(svg.encode(figure, "png")))
    assert root.tag.endswith("svg")
    assert len(list(root.iter())) > 50
    assert np.asarray(image.convert("L")).std() > 5
    width, height = figure.get_size_inches() * figure.dpi
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 > -1
    assert box.y0 > -1
    assert box.x1 < width + 1
    assert box.y1 < height + 1
    for axes in (axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"):
        assert axes.get_position().height * height / figure.dpi > 1.2


def test_axis_0_goes_across_and_values_are_where_they_belong(make):
    """The colour of each place is that of its own value, in a plane of all different values."""
    picture = make("plane")
    cut = next(iter(picture.cuts.values()))
    cut["loss"].values[:] = np.linspace(1, 2, 11)[:, None] + np.linspace(0, 0.1, 13)[None]
    figure = drawn(dataclasses.replace(picture, marks={}))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    axes = figure.axes[0]

    def shade(across: float, up: float) -> float:
        x, y = axes.transData.transform((across, up))
        colour = pixels[pixels.shape[0] - int(y), int(x)]
        return float(np.abs(colormaps["viridis"](np.linspace(0, 1, 256))[:, :3] - colour).sum(1).argmin())

    assert shade(2.6, -2.0) > shade(-2.6, -2.0) + 100
    assert abs(shade(-2.6, 2.6) - shade(-2.6, -2.6)) < 60


def test_undefined_values_are_hatched_and_counted_in_the_legend(make):
    assert "undefined: NaN or infinite (6 in training loss)" in words(drawn(make("plane", nan=6)))
    assert "undefined: NaN or infinite (3 in loss)" in words(drawn(make("line", nan=3)))
    assert "undefined:" not in words(drawn(make("plane")))
    assert "undefined throughout" in words(drawn(make("plane", nan=143)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_undefined_values_have_no_colour(make, value):
    picture = make("plane")
    (label, cut), *_ = picture.cuts.items()
    loss = cut["loss"].copy()
    loss[:3, :3] = value
    (collection,) = (
        one
        for one in drawn(dataclasses.replace(picture, cuts={label: cut.assign(loss=loss)})).axes[0].collections
        if isinstance(one, QuadContourSet) and one.filled
    )
    corner = (float(cut["distance0"][:2].mean()), float(cut["distance1"][:2].mean()))
    middle = (float(cut["distance0"][5]), float(cut["distance1"][6]))
    assert not any(path.contains_point(corner) for path in collection.get_paths())
    assert any(path.contains_point(middle) for path in collection.get_paths())


def test_checkpoints_are_called_by_their_steps_or_names(make_trajectory):
    stepped = make_trajectory()
    assert trajectories.read(stepped).names[1] == "step 10"
    unknown = stepped.drop_vars("step")
    assert trajectories.read(unknown).names[1] == "checkpoint 1"
    named = trajectories.read(unknown.assign_coords(name=("checkpoint", [f"{n}.pt" for n in range(12)])))
    assert named.names[1] == "1.pt"
    assert f"the one farthest off, at {named.names[named.off.argmax()]}, lies" in named.sentence


def test_a_line_tells_of_no_floor_that_it_does_not_have(make):
    picture = make("line", low=0.0)
    (label, cut), *_ = picture.cuts.items()
    loss = cut["loss"].copy()
    loss[4] = 0.0
    lowered = dataclasses.replace(picture, cuts={label: cut.assign(loss=loss)})
    assert views(lowered)[0].lowered == 1
    assert "below the floor" not in words(drawn(lowered))


def test_distances_have_one_scale_and_an_oblique_angle_or_other_coordinates_are_told(make):
    assert drawn(make("plane")).axes[0].get_aspect() == 1.0
    oblique = drawn(make("plane", angle=60.0))
    assert oblique.axes[0].get_aspect() == 1.0
    assert "axes at 60.0°, drawn as if orthogonal" in words(oblique)
    cut = next(iter(make("plane").cuts.values())).drop_vars(["distance0", "distance1"])
    plain = drawn(dataclasses.replace(make("plane"), cuts={"a": cut}))
    assert plain.axes[0].get_aspect() == "auto"
    assert "shapes are not those in weight space" in words(plain)
    assert "chart coordinate" in plain.axes[0].get_xlabel()


@pytest.mark.parametrize(("kind", "draws"), [("line", 4), ("plane", 7), ("trajectory", 1)])
def test_a_long_footer_lies_below_the_panels(make, kind, draws):
    picture = dataclasses.replace(make(kind, draws=draws), footer=["What a picture shows and how. " * 9] * 8)
    figure = drawn(picture)
    panels, foot = figure.subfigs
    lowest = min(axes.get_tightbbox().y0 for axes in panels.axes if axes.axison)
    *_, footer = foot.findobj(lambda artist: isinstance(artist, Text) and "What a picture shows" in artist.get_text())
    assert 0 <= footer.get_window_extent().y0 < footer.get_window_extent().y1 < lowest


def test_labels_units_title_and_footer_travel_with_the_file(make):
    picture = make("plane")
    text = words(drawn(picture))
    for part in (picture.title, *picture.footer, "training loss (nats)", "distance in weight space"):
        assert part in text


def test_a_line_shows_the_mean_of_its_draws_with_their_spread_and_a_band_of_one_standard_error(make):
    picture = make("line", draws=3)
    values = np.stack([cut["loss"].values for cut in picture.cuts.values()])
    thick = max(drawn(picture).axes[0].lines, key=lambda line: line.get_linewidth())
    np.testing.assert_allclose(thick.get_ydata(), values.mean(0))
    (band,) = drawn(picture).axes[0].collections
    edges = values.mean(0) + np.array([[-1], [1]]) * values.std(0, ddof=1)
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(edges.min()), pytest.approx(edges.max()))
    (cut,) = make("line", error=True).cuts.values()
    (band,) = drawn(make("line", error=True)).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(float((cut["loss"] + cut["loss_error"]).max()))
    assert heights.min() == pytest.approx(float((cut["loss"] - cut["loss_error"]).min()))


def test_a_gap_of_a_line_is_not_bridged(make):
    line = drawn(make("line", nan=3)).axes[0].lines[0]
    assert np.isnan(np.asarray(line.get_ydata())[:3]).all()


def test_rings_grow_with_the_distance_from_the_plane(make_trajectory):
    path = trajectories.read(make_trajectory())
    across = (path.sizes - trajectories.SMALLEST) / (trajectories.LARGEST - trajectories.SMALLEST)
    np.testing.assert_allclose(across**2, path.off / path.distance.max())
    assert "90.0\N{NO-BREAK SPACE}% of the squared distances" in path.sentence
    assert "80.0\N{NO-BREAK SPACE}% of their variance" in path.sentence
    near = trajectories.read(make_trajectory().assign(off_plane=("checkpoint", 1e-6 * path.off)))
    assert near.sizes.max() < trajectories.SMALLEST + 0.02
    flat = trajectories.read(make_trajectory().assign(off_plane=("checkpoint", np.zeros(12))))
    assert (flat.sizes == trajectories.SMALLEST).all()


def test_the_first_the_last_and_the_farthest_checkpoint_bear_a_mark(make_trajectory):
    for farthest in range(100, 110):
        off = np.zeros(500)
        off[farthest] = 1
        marked = trajectories.read(make_trajectory(500).assign(off_plane=("checkpoint", off))).marked
        assert {0, farthest, 499} <= set(marked)
        assert len(marked) <= trajectories.MOST + 1


def test_the_legend_says_what_sizes_mean(make, make_trajectory):
    path = trajectories.read(make_trajectory())
    text = words(drawn(make("trajectory")))
    for label, size in path.legend.items():
        off = float(label.split()[0])
        assert size == pytest.approx(float(trajectories.diameter(off / path.extent)), rel=1e-3)
        assert label in text


def test_a_spectrum_keeps_its_weight(make):
    spectrum = spectra.read(make("spectrum").spectrum)
    shown = sum(spectrum.signed(sign)[1].sum() for sign in spectra.COLOURS)
    assert shown + spectrum.zeros == pytest.approx(spectrum.weights.sum())
    text = words(drawn(make("spectrum")))
    assert "200 ± 12 eigenvalues above 0.01" in text
    assert "50 eigenvalues of exactly 0 are not drawn" in text


def test_what_is_drawn_at_the_floor_or_interpolated_is_told(make):
    (cut,) = make("plane").cuts.values()
    cut["loss"].values[0, :3] = 0
    cut["evaluated"] = cut["loss"] > 1
    (view,) = views(dataclasses.replace(make("plane"), cuts={"a": cut}))
    told = naming.sentences(view, True)
    assert told[0].startswith("3 values below the floor of the logarithmic scale")
    assert told[1] == f"{int((cut['loss'].values <= 1).sum())} values interpolated"
    assert not any("floor" in one for one in naming.sentences(view, False))


@pytest.mark.parametrize("kind", ["line", "plane", "trajectory", "spectrum"])
def test_the_alternative_text_holds_the_main_numbers(make, kind):
    text = describing.label(make(kind))
    assert text.startswith(make(kind).title)
    assert ("0.3" if kind == "spectrum" else "undefined") in text
    assert describing.caption(make(kind))
