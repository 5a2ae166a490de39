import numpy as np
import pytest
import torch

import nwedge
from nwedge._random import derive
from nwedge.diagnosis.clusters import clusters, predicted_average


def test_low_lines_join_and_chains_are_one_cluster():
    high = 9.0
    barriers = np.full((6, 6), high)
    for i, j in ((0, 3), (3, 5), (1, 4)):
        barriers[i, j] = barriers[j, i] = 0.1
    assert clusters(barriers, 0.1) == [[0, 3, 5], [1, 4], [2]]
    assert clusters(barriers, 0.05) == [[place] for place in range(6)]
    assert clusters(barriers, high) == [list(range(6))]
    barriers[0, 3] = barriers[3, 0] = np.nan
    assert clusters(barriers, 0.1) == [[1, 4], [3, 5], [0], [2]]
    assert clusters(np.zeros((1, 1)), 0.1) == [[0]]


def losses_of(landscape, points) -> tuple[np.ndarray, np.ndarray]:
    middles = torch.stack([landscape.loss((row + points) / 2) for row in points])
    return landscape.loss(points).numpy(), middles.numpy()


def test_on_a_quadratic_bowl_the_prediction_is_exact():
    curvature = torch.rand(20, generator=derive(0), dtype=torch.float64)
    points = torch.randn(7, 20, generator=derive(1), dtype=torch.float64)

    class Bowl:
        def loss(self, points):
            return (curvature * points.square()).sum(1) / 2

    losses, middles = losses_of(Bowl(), points)
    predicted = predicted_average(losses, middles, [list(range(7))])
    assert predicted == pytest.approx(Bowl().loss(points.mean(0)[None]).item())


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_on_wedges_the_prediction_is_that_of_independent_wedges(count):
    landscape = nwedge.WedgeLandscape(40_000, 2_000, wedges=count, profile="squared", seed=3, dtype=torch.float64)
    points = landscape.initial(count, derive(0))
    for place in range(count):  # each on a wedge of its own
        points[place, landscape.axes[place]] = 0.0
    losses, middles = losses_of(landscape, points)
    alone = [[place] for place in range(count)]
    predicted = predicted_average(losses, middles, alone)
    assert landscape.loss(points).max() == 0
    assert predicted == pytest.approx(landscape.loss(points.mean(0)[None]).item(), rel=0.1)
