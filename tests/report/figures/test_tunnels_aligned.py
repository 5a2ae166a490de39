"""The figure of tunnels where hidden units are matched, and where they cannot be."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from nwedge.report.figures import style, tunnels

PATHS = ("line", "sheet", "pointwise", "bezier", "aligned")
LABEL = tunnels.PATHS["aligned"][0]


def results(heights: tuple[float, ...], **variables) -> xr.Dataset:
    """Three seeds with paths of these heights; NaN for one that is not defined."""
    t = np.linspace(0, 1, 21)
    seeds = np.array([0.9, 1.0, 1.1])[:, None, None]
    loss = 0.01 + seeds * np.array(heights)[None, :, None] * np.sin(np.pi * t) ** 2
    return xr.Dataset(
        {
            "loss": (("seed", "path", "t"), loss),
            "barrier": (("seed", "path"), loss.max(2) - 0.01),
            "bend_barrier": (("seed", "bend"), np.linspace(1.5, 3, 40)[None].repeat(3, 0)),
            **variables,
        },
        {"seed": range(3), "path": list(PATHS), "t": t},
    )


NETWORK = results((1.0, 0.01, 0.02, 0.01, 0.25), held_out_accuracy=(("seed", "path", "t"), np.full((3, 5, 21), 0.9)))
TOY = results((1.0, 0.0, 0.5, 0.1, np.nan), distance=(("seed", "path", "t"), np.full((3, 5, 21), 0.5)))


def draw(**datasets: xr.Dataset) -> Figure:
    with style.applied():
        figure = tunnels.figure({name.replace("_", "-"): own for name, own in datasets.items()}, [])
        style.settle(figure)
        figure.draw_without_rendering()
    return figure


def written(figure: Figure) -> str:
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return " | ".join([*(text.get_text() for axes in figure.axes for text in axes.texts), *legend])


def test_a_matched_line_is_drawn_named_and_its_barrier_noted() -> None:
    found = written(draw(network=NETWORK))
    assert LABEL in found
    assert "units matched: barrier 0.25" in found
    assert "matching removes 75% of the wall" in found


def test_where_matching_removes_nothing_it_is_not_said_to() -> None:
    higher = results((1.0, 0.01, 0.02, 0.01, 1.25), held_out_accuracy=NETWORK["held_out_accuracy"])
    assert "removes" not in written(draw(network=higher))


def test_where_nothing_is_matched_nothing_is_said_of_it() -> None:
    found = written(draw(toy_sampled=TOY))
    assert LABEL not in found
    assert "matched" not in found
    together = written(draw(toy_sampled=TOY, network=NETWORK))
    assert LABEL in together
    assert together.count("units matched: barrier") == 1


@pytest.mark.parametrize("text", [tunnels.CAPTION, tunnels.CAVEATS])
def test_caption_and_caveats_speak_of_it(text: str) -> None:
    assert "matched" in text
    assert "permut" in text
