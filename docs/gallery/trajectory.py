"""A training in its principal plane, and how far off the plane it is.

The way of a training through weight space, projected to the plane that its checkpoints are nearest to, over the loss
in that plane. A plane holds the shadow of a path: how far each checkpoint lies off it is drawn, too.
"""

from pathlib import Path

import torch

import nwedge
from nwedge.landscapes.networks import architectures, data
from nwedge.report.pictures.document import write
from nwedge.report.pictures.picture import Picture

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(1, torch.Generator().manual_seed(0))
steps = (0, 5, 10, 20, 40, 80, 150, 300, 450, 600)
run = nwedge.descend(
    landscape, start, lr=0.05, momentum=0.9, steps=600, keep=steps, generator=torch.Generator().manual_seed(1)
)
way = nwedge.trajectory(run.trajectory[0], steps=steps)
position, off = way.dataset.position, way.dataset.off_plane
margin = 0.25 * float(way.dataset.distance.max())
sides = [
    torch.linspace(float(position[:, axis].min()) - margin, float(position[:, axis].max()) + margin, 31)
    for axis in (0, 1)
]
seen = nwedge.cut(landscape, way.plane, sides, origin=way.origin)
first_two = float(way.dataset.explained[:2].sum())
variance = float(way.dataset.variance.sum())
print(
    f"the plane holds {first_two:.1%} of the squared distances from the last checkpoint, {variance:.1%} of the variance"
)
print(f"the farthest checkpoint lies {float(off.max()):.2f} off it")
squares = (position**2).sum("axis") + off**2
assert abs(squares - way.dataset.distance**2).max() < 1e-3 * squares.max(), "in the plane and off it: Pythagoras"
assert first_two > 0.8
assert float(off.max()) > 0.01 * float(way.dataset.distance.max()), "the path is not in the plane"

picture = Picture(
    title="A training in its principal plane",
    kind="trajectory",
    cuts={"training data": seen},
    trajectory=way.dataset,
    axes=("principal axis 1", "principal axis 2"),
)
write(Path(), picture)
