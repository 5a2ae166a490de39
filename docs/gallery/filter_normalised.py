"""A filter-normalised plane, and whether it is typical.

The loss around an optimum in random directions whose part in every filter is as long as the filter's weights (Li et al.
2018); biases stay where they are. One picture is one draw of the directions, so four are drawn: they look nearly alike,
and the spread between them is about a quarter of the loss. What none of them can show is how long the long directions
are: see [Reading pictures](../reading.md).
"""

from pathlib import Path

import numpy as np
import torch
import xarray as xr

import nwedge
from nwedge import geometry
from nwedge.landscapes.networks import architectures, data
from nwedge.report.pictures.document import write
from nwedge.report.pictures.picture import Picture

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(1, torch.Generator().manual_seed(0))
point = nwedge.descend(
    landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1)
).points[0]
sides = [torch.linspace(-1, 1, 25)] * 2
cuts = []
for draw in range(4):
    u, v = geometry.filter_normalised(landscape, point, 2, torch.Generator().manual_seed(draw))
    cuts.append(nwedge.cut(landscape, geometry.Plane(u, v), sides, origin=point))
losses = xr.concat([seen.loss for seen in cuts], "draw")
corners = losses.where(np.hypot(losses.c0, losses.c1) > 1)
spread = float((corners.std("draw") / corners.mean("draw")).mean())
print(f"spread between draws, beyond radius 1: {spread:.0%} of the loss on average")
assert spread < 0.5
assert float(losses.min()) == float(losses.sel(c0=0, c1=0, method="nearest").min()), "the optimum is lowest"

picture = Picture(
    title="Four draws of a filter-normalised plane",
    kind="plane",
    cuts={f"draw {draw}": seen for draw, seen in enumerate(cuts)},
    marks={"optimum": (0.0, 0.0)},
    axes=("filter-normalised direction 1", "filter-normalised direction 2"),
)
write(Path(), picture)
