"""How one moves in weight space: charts map coordinates to points or displacements."""

from nwedge.geometry.charts import Chart, Line, Plane, VertexChart
from nwedge.geometry.constraints import Constraint, Hyperplane, NormalSpace
from nwedge.geometry.path import Bezier, Path
from nwedge.geometry.sheet import Sheet
from nwedge.geometry.subspace import RandomSubspace

__all__ = [
    "Bezier",
    "Chart",
    "Constraint",
    "Hyperplane",
    "Line",
    "NormalSpace",
    "Path",
    "Plane",
    "RandomSubspace",
    "Sheet",
    "VertexChart",
]
