"""What a plain average of state dicts does where there is BatchNorm: its running statistics are averaged, too."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nwedge.landscape import evaluate
from nwedge.landscapes.networks.network import NetworkLandscape


def averaged_barriers(
    landscape: NetworkLandscape, points: Float[Tensor, "points dim"], statistics: Sequence[Mapping[str, Tensor]]
) -> Float[np.ndarray, "points points"]:
    """The rise of the loss at the middle of each line above its ends' mean, with averaged running statistics.

    Args:
        landscape: on the examples to be seen.
        points: at least one.
        statistics: the running statistics of each point, by name.

    Raises:
        ValueError: statistics that are missing, or of another shape.
    """
    ends = [evaluate(landscape.keeping(own), point[None]).item() for own, point in zip(statistics, points, strict=True)]
    found = np.zeros((len(points), len(points)))
    for i, j in torch.combinations(torch.arange(len(points)), 2).tolist():
        between = {name: (own + statistics[j][name]) / 2 for name, own in statistics[i].items()}
        middle = evaluate(landscape.keeping(between), (points[i] + points[j])[None] / 2).item()
        found[i, j] = found[j, i] = middle - (ends[i] + ends[j]) / 2
    return found
