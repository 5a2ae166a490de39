import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch, Wedge

from nwedge.report import svg, words
from nwedge.report.figures import radial_wells, style

NAMES = ("toy-sampled", "network", "control-bowl")


def made_up(name: str) -> xr.Dataset:
    """Results of five seeds with the schema of the claim."""
    rng = np.random.default_rng(0)
    share = 32.0 ** (np.arange(16) / 12 - 1)
    level, scale = 0.5, rng.uniform(0.9, 1.1, (5, 1))
    mean = level * share**2 * scale
    factors = np.array([0.6, 0.85, 1.0, 1.15, 1.5])
    radii = np.round(0.2 * np.arange(1, 11), 1)
    angle = np.degrees(np.arcsin(np.clip(0.4 / radii, None, 1)))
    angle = np.where(radii < 0.4, np.inf, angle)
    if name != "toy-sampled":
        angle = np.where(np.abs(radii - 1) > 0.5, np.nan, angle)
    long = np.full((5, 8), {"toy-sampled": 10.0, "network": 0.6, "control-bowl": np.nan}[name])
    data = {
        "level": ("seed", np.full(5, level)),
        "probe_loss": (("seed", "distance"), mean),
        "relative_distance": (("seed", "distance"), 0.3 * share * np.ones((5, 1))),
        "probe_quantile": (("seed", "quantile", "distance"), factors[:, None] * mean[:, None]),
        "probe_spread": ("seed", np.full(5, 0.25)),
        "extent_random": (("seed", "direction"), rng.uniform(0.2, 0.5, (5, 300))),
        "extent_long": (("seed", "long"), long),
        "capped_long": ("seed", np.full(5, 8 if name == "toy-sampled" else 0)),
        "capped_random": ("seed", np.zeros(5, dtype=int)),
        "turned_angle": (("seed", "turned_radius"), angle * scale),
    }
    if name == "toy-sampled":
        data["law_loss"] = (("seed", "distance"), mean * 1.05)
    return xr.Dataset(data, {"turned_radius": radii, "seed": np.arange(5)})


@pytest.fixture
def datasets() -> dict[str, xr.Dataset]:
    return {name: made_up(name) for name in NAMES}


def draw(datasets: dict, rows: tuple = ()) -> Figure:
    with style.applied(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = radial_wells.figure(datasets, rows)
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def notes(axes: Axes) -> str:
    return " | ".join(text.get_text() for text in axes.texts)


def test_columns_are_headed_by_landscape_and_outcome(datasets):
    figure = draw(datasets, ({"landscape": "control-bowl", "outcome": "fails"},))
    top = figure.axes[:3]
    for axes, name in zip(top, words.ordered(datasets), strict=True):
        assert words.title(name) in notes(axes)
    assert "fails, as it must" in notes(top[2])
    assert "holds" not in notes(top[0])


def test_the_probes_their_bands_and_the_law_where_there_is_one(datasets):
    toy, network, _ = draw(datasets).axes[:3]
    mean = datasets["toy-sampled"]["probe_loss"].mean("seed")
    np.testing.assert_allclose(np.asarray(toy.lines[0].get_ydata()), mean)
    np.testing.assert_allclose(np.asarray(toy.lines[1].get_ydata()), 1.05 * mean)
    assert (len(toy.lines), len(network.lines), len(toy.collections)) == (3, 2, 2)
    assert "0.25 of the rise" in notes(toy)
    assert toy.get_ylim()[1] <= radial_wells.LEVELS_SHOWN * 0.5


def test_extents_of_random_and_of_long_directions(datasets):
    toy, network, bowl = draw(datasets).axes[3:6]
    for axes, kinds in ((toy, 2), (network, 2), (bowl, 1)):
        stairs = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
        assert len(stairs) == kinds
        for one in stairs:
            assert one.get_data().values.sum() == pytest.approx(1)
    assert "capped 40 + 0" in notes(toy)
    longest = datasets["network"]["extent_random"].max("direction")
    assert f"long / longest random: {words.number(float((0.6 / longest).mean()))}" in notes(network)
    assert notes(bowl) == "every direction is short"


def test_the_tunnel_is_drawn_with_the_angles_that_were_measured(datasets):
    toy, network, _ = draw(datasets).axes[6:9]
    sectors = {round(one.r - 0.1, 1): one for one in toy.patches if isinstance(one, Wedge)}
    assert len(sectors) == 10
    angles = np.minimum(datasets["toy-sampled"]["turned_angle"], 90).median("seed")
    for radius, one in sectors.items():
        half = float(angles.sel(turned_radius=radius))
        assert (one.theta1, one.theta2, one.width) == pytest.approx((90 - half, 90 + half, 0.2))
    assert sum(isinstance(one, Wedge) for one in network.patches) == 5, "none where the start is above the level"
    assert f"{words.number(float(angles.sel(turned_radius=1)))}° at the optimum" in notes(toy)


def test_undefined_values_give_sentences_instead_of_curves(datasets):
    floats = {
        name: xr.full_like(values, np.nan)
        for name, values in datasets["network"].data_vars.items()
        if values.dtype.kind == "f"
    }
    for axes in draw({"network": datasets["network"].assign(floats)}).axes:
        assert not axes.lines
        assert axes.texts


def test_no_two_texts_overlap_and_the_same_data_give_the_same_bytes(datasets):
    figure = draw(datasets)
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} overlaps {two!r}"
    with style.applied():
        first, again = svg.encode(figure, "svg"), svg.encode(draw(datasets), "svg")
    assert first == again
    assert len(first) < 1_000_000


def test_the_caption_and_the_caveats_are_sentences():
    assert radial_wells.CAPTION.endswith(".")
    assert radial_wells.CAVEATS.endswith(".")
