"""The values at checkpoints, many at once."""

import numpy as np
import torch

from nwedge import WedgeLandscape, evaluate
from nwedge.methods.measuring import LEAST
from nwedge.pictures.cuts import values_at


def test_checkpoints_are_evaluated_in_batches():
    landscape = WedgeLandscape(30, 5, wedges=4, seed=0, dtype=torch.float64)
    points = landscape.initial(LEAST + 3, torch.Generator().manual_seed(0))
    sizes, told = [], []

    def own(landscape, points):
        sizes.append(len(points))
        return landscape.loss(points)

    found = values_at(landscape, points, list(map(str, range(len(points)))), {"own": own}, told.append)
    assert sizes == told == [LEAST, 3]
    np.testing.assert_allclose(found["own"], evaluate(landscape, points), rtol=1e-12)
