"""A training in its principal plane, and how far off the plane it is.

The way of a training through weight space, projected to the plane that its checkpoints are nearest to, over the loss
in that plane. A plane holds the shadow of a path: the size of each mark is the checkpoint's distance from the plane.
"""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LogNorm

import nwedge
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.trajectories import trajectory

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(1, torch.Generator().manual_seed(0))
steps = (0, 5, 10, 20, 40, 80, 150, 300, 450, 600)
run = nwedge.descend(
    landscape, start, lr=0.05, momentum=0.9, steps=600, keep=steps, generator=torch.Generator().manual_seed(1)
)
way = trajectory(run.trajectory[0], steps=steps)
position, off = way.dataset.position, way.dataset.off_plane
margin = 0.25 * float(way.dataset.distance.max())
sides = [
    torch.linspace(float(position[:, axis].min()) - margin, float(position[:, axis].max()) + margin, 31)
    for axis in (0, 1)
]
seen = nwedge.cut(landscape, way.plane, sides, origin=way.origin)
first_two = float(way.dataset.explained[:2].sum())
print(f"the plane explains {first_two:.1%}; the farthest checkpoint lies {float(off.max()):.2f} off it")
squares = (position**2).sum("axis") + off**2
assert abs(squares - way.dataset.distance**2).max() < 1e-3 * squares.max(), "in the plane and off it: Pythagoras"
assert first_two > 0.8
assert float(off.max()) > 0.01 * float(way.dataset.distance.max()), "the path is not in the plane"

figure, axes = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
levels = torch.logspace(-2.5, 1, 22).tolist()
drawing = axes.contourf(seen.c0, seen.c1, seen.loss.T, levels=levels, norm=LogNorm(), extend="both")
axes.plot(position[:, 0], position[:, 1], color="white", linewidth=1)
marks = axes.scatter(position[:, 0], position[:, 1], 10 + 300 * off / off.max(), color="white", edgecolor="black")
for step, (x, y) in zip(steps, position.values, strict=True):
    if step in (0, 40, 600):
        axes.annotate(f"step {step}", (x, y), xytext=(6, 8), textcoords="offset points", color="white")
axes.set(xlabel="principal axis 1", ylabel="principal axis 2", aspect="equal")
figure.colorbar(drawing, label="training loss, nats", ticks=[0.01, 0.1, 1, 10])
figure.savefig("trajectory.png", dpi=120)
