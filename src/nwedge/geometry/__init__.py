"""How one moves in weight space: charts map coordinates to points or displacements."""

from nwedge.geometry.charts import Chart, Line, Plane, VertexChart
from nwedge.geometry.constraints import Constraint, Hyperplane, NormalSpace
from nwedge.geometry.directions import filter_normalised, layer_normalised, random
from nwedge.geometry.filters import Filters
from nwedge.geometry.path import Bezier, Path
from nwedge.geometry.planes import NoPlaneError, PrincipalPlane, plane_through, principal_plane
from nwedge.geometry.sheet import Sheet
from nwedge.geometry.subspace import RandomSubspace

__all__ = [
    "Bezier",
    "Chart",
    "Constraint",
    "Filters",
    "Hyperplane",
    "Line",
    "NoPlaneError",
    "NormalSpace",
    "Path",
    "Plane",
    "PrincipalPlane",
    "RandomSubspace",
    "Sheet",
    "VertexChart",
    "filter_normalised",
    "layer_normalised",
    "plane_through",
    "principal_plane",
    "random",
]
