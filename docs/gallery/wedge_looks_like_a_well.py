"""A wedge with thousands of long directions looks like a round well.

One wedge of the model in 5,000 dimensions: 500 directions are short, and along the other 4,500 the loss is 0 for ever.
A random plane through a point of it (left) shows a round well: at radius r the loss is √(s/D) r in every direction, up
to a few per cent. A plane along two of the long directions (right), through the same point of the same landscape, is
flat. A random plane has no chance to find it. So a round well in a picture says nothing of how many directions are
long: see [Reading pictures](../reading.md).
"""

from pathlib import Path

import numpy as np
import torch

import nwedge
from nwedge import geometry
from nwedge.report.pictures.document import write
from nwedge.report.pictures.picture import Picture

dim, short = 5000, 500
landscape = nwedge.WedgeLandscape(dim, short, wedges=1, dtype=torch.float64)
assert landscape.axes is not None
point = torch.randn(dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
point[landscape.axes[0]] = 0  # on the wedge: the loss is 0
long = torch.ones(dim, dtype=torch.bool)
long[landscape.axes[0]] = False

drawn = geometry.random(landscape, point, 2, torch.Generator().manual_seed(1))
known = torch.zeros_like(drawn)
known[:, long] = drawn[:, long]  # the same directions without their short part
sides = [torch.linspace(-40, 40, 41)] * 2
random, along = (nwedge.cut(landscape, geometry.Plane(*axes), sides, origin=point) for axes in (drawn, known))

radius = np.hypot(random.c0, random.c1)
expected = np.sqrt(short / dim) * radius
deviation = float((abs(random.loss - expected) / expected.where(radius > 0)).max())
print(
    f"random plane: the loss is √(s/D) r, to {deviation:.1%}; plane of long directions: {float(along.loss.max()):.3g}"
)
assert deviation < 0.15, "a random plane shows a round well"
assert float(along.loss.max()) == 0, "though 9 of 10 directions are long"

picture = Picture(
    title="A plane along two random directions, and one along two long ones",
    kind="plane",
    cuts={"two random directions": random},
    beside={"two long directions": along},
    axes=("distance along the first direction", "along the second"),
    footer=(f"{dim} dimensions, {short} of them short.",),
)
write(Path(), picture)
