"""A plane through three optima.

Three trainings of one network from different starts, and the loss on the plane through them. They lie in three holes
with walls between; a little beyond each the loss is lower still. That the holes are not joined *in this plane* does not
mean that they are not joined: see [the m-tunnel](m_tunnel.md) over the same optima, which leaves the plane.
"""

from pathlib import Path

import torch

import nwedge
from nwedge.geometry.planes import plane_through
from nwedge.landscapes.networks import architectures, data
from nwedge.report.pictures.document import write
from nwedge.report.pictures.picture import Picture

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(3, torch.Generator().manual_seed(0))
optima = nwedge.descend(
    landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1)
).points
a, b, c = optima
plane = plane_through(a, b, c)
places = torch.stack([torch.stack([(one - a) @ plane.axes[0], (one - a) @ plane.axes[1]]) for one in optima])
margin = 0.3 * float((b - a).norm())
low, high = places.min(0).values - margin, places.max(0).values + margin
sides = [torch.linspace(*ends, 41) for ends in zip(low.tolist(), high.tolist(), strict=True)]
seen = nwedge.cut(landscape, plane, sides, origin=a)

at_optima = [float(seen.loss.interp(c0=x, c1=y)) for x, y in places.tolist()]
center = places.mean(0).tolist()
at_center = float(seen.loss.interp(c0=center[0], c1=center[1]))
print(f"loss near the optima {max(at_optima):.3f} nats at most, at their mean {at_center:.3f}")
assert at_center > 5 * max(at_optima)
assert abs(seen.attrs["angle"] - 90) < 1e-3, "the axes are orthogonal, so distances in the picture are distances"

picture = Picture(
    title="The plane through three optima of a digits network",
    kind="plane",
    cuts={"training data": seen},
    marks={f"seed {seed}": tuple(place) for seed, place in enumerate(places.tolist())},
    axes=("distance along the line through seeds 0 and 1", "distance from it"),
)
write(Path(), picture)
