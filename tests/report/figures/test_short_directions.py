"""The published counts beside those of a run, where place and threshold are the same."""

import numpy as np
import xarray as xr

from nwedge.report.figures import short_directions


def counts(size: int = 3) -> xr.Dataset:
    """Three seeds of a network that counts 7 everywhere."""
    shape = {"threshold": 2, "seed": size}
    return xr.Dataset(
        {
            name: (("threshold", "seed", place), np.full((*shape.values(), length), 7.0))
            for name, place, length in (("tunnel_count", "t", 3), ("center_count", "m", 3), ("rate_count", "rate", 2))
        }
        | {
            "tunnel_loss": (("seed", "t"), np.ones((size, 3))),
            "optimum_loss": ("seed", np.ones(size)),
            "ball_loss": ("seed", np.linspace(1.1, 1.24, size)),
            "comparable": (("seed", "rate"), np.ones((size, 2), dtype=bool)),
        },
        coords={
            "threshold": [0.02, 0.1],
            "seed": range(size),
            "t": [0.0, 0.5, 1.0],
            "m": [1, 5, 7],
            "rate": [4e-4, 0.1],
        },
    )


def diamonds(name: str) -> list[list[list[float]]]:
    """The published points in each panel of the figure."""
    found = short_directions.figure({name: counts()}, [])
    return [
        [[float(x), float(y)] for line in axes.lines if line.get_marker() == "D" for x, y in line.get_xydata()]
        for axes in found.axes
    ]


def test_the_published_counts_stand_at_the_places_and_thresholds_that_both_have() -> None:
    along, centres, rates = diamonds("network")[:3]
    assert along == [[0, 15], [0.5, 100], [1, 15]]  # above .1; .02 was not published
    assert centres == [[1, 20], [5, 205]]
    assert rates == []  # published above .01 alone


def test_they_lie_within_the_panel() -> None:
    found = short_directions.figure({"network": counts()}, [])
    low, high = found.axes[1].get_ylim()
    assert low < 20 < 205 < high


def test_a_toy_has_none() -> None:
    assert not any(diamonds("toy-sampled"))


def test_the_legend_says_whose_they_are() -> None:
    def entries(name: str) -> list[str]:
        legends = short_directions.figure({name: counts()}, []).legends
        return [text.get_text() for legend in legends for text in legend.get_texts()]

    assert "FJ19: SimpleCNN on Fashion-MNIST" in entries("network")
    assert not any("FJ19" in entry for entry in entries("toy-sampled"))


def test_what_the_ball_adds_to_the_loss_is_told() -> None:
    said = [text.get_text() for axes in short_directions.figure({"network": counts()}, []).axes for text in axes.texts]
    assert any("the ball raises the loss by 24 % at most" in one for one in said)


def test_where_the_loss_is_0_but_for_rounding_the_loss_in_the_ball_is_told() -> None:
    dataset = counts()
    dataset["optimum_loss"], dataset["ball_loss"] = 0 * dataset["ball_loss"] + 1e-30, 0 * dataset["ball_loss"] + 0.25
    said = [text.get_text() for axes in short_directions.figure({"network": dataset}, []).axes for text in axes.texts]
    assert any("in the ball: 0.25 at most" in one for one in said)
