"""A run's checkpoints in the plane that they are nearest to, and how far off it each of them lies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_choice
from nwedge.geometry.charts import Plane
from nwedge.geometry.planes import principal_plane

ORIGINS = ("last", "mean")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Checkpoints and their principal plane.

    Attributes:
        dataset: dims checkpoint, axis (2) and component: position(checkpoint, axis), the coordinates in the plane;
            off_plane(checkpoint), the distance from it; distance(checkpoint), that from the origin;
            explained(component), the share of the squared distances from the origin that lies along each principal
            component; variance(axis), the share of the variance about the checkpoints' mean that lies along each axis
            of the plane, in all their sum; and step(checkpoint) where steps were given. With the origin "mean" both
            shares are one.
        plane: displacements from the origin, its axes orthogonal and of norm 1, so that positions are distances.
        origin: shape (dim,).
    """

    dataset: xr.Dataset
    plane: Plane
    origin: Float[Tensor, " dim"]


def trajectory(
    points: Float[Tensor, "checkpoint dim"],
    *,
    through: str = "last",
    steps: Sequence[int] | Sequence[float] | None = None,
) -> Trajectory:
    """The principal plane of a run's checkpoints, by a singular value decomposition of what they differ from an origin.

    A plane shows the shadow of a path: `off_plane` is what it leaves out. The decomposition takes products of all pairs
    of checkpoints, never a matrix of (dim, dim), in float64.

    Args:
        points: the checkpoints in the order of the run, shape (checkpoint, dim).
        through: the origin: "last" is the last checkpoint, as in the paper, "mean" their mean, as in a principal
            component analysis.
        steps: when each checkpoint was taken, in steps or epochs.

    Raises:
        ValueError: one checkpoint, checkpoints that are equal, lie on one line or are not finite, or steps of another
            number.
        TypeError: checkpoints that are no tensor.

    Source: Li, Xu, Taylor, Studer and Goldstein 2018, arXiv 1712.09913, section 7.
    """
    check_choice("through", through, ORIGINS)
    if not isinstance(points, Tensor):
        raise TypeError(
            f"the checkpoints must be one tensor of shape (checkpoint, dim); got {type(points).__name__}: torch.stack "
            "puts flat points together"
        )
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(
            f"a trajectory needs at least 2 checkpoints, shape (checkpoint, dim); got {tuple(points.shape)}: keep more "
            "of them while the network trains"
        )
    if steps is not None and len(steps) != len(points):
        raise ValueError(f"steps must be {len(points)}, one for each checkpoint; got {len(steps)}")
    origin = points[-1] if through == "last" else points.mean(0)
    found = principal_plane(points, origin)
    distance = {"units": "1"}
    dataset = xr.Dataset(
        {
            "position": (
                ("checkpoint", "axis"),
                _array(found.positions),
                {"long_name": "coordinates in the plane", **distance},
            ),
            "off_plane": ("checkpoint", _array(found.off_plane), {"long_name": "distance from the plane", **distance}),
            "distance": ("checkpoint", _array(found.distances), {"long_name": "distance from the origin", **distance}),
            "explained": (
                "component",
                _array(found.explained[: len(points) - 1]),  # n points and their own origin span n - 1 dimensions
                {"long_name": "share of the squared distances from the origin", "units": "fraction"},
            ),
            "variance": (
                "axis",
                _array(found.variance),
                {"long_name": "share of the variance about the mean", "units": "fraction"},
            ),
        },
        attrs={"through": through},
    )
    if steps is not None:
        dataset["step"] = ("checkpoint", list(steps), {"long_name": "step"})
    return Trajectory(dataset, found.plane, origin.clone())


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
