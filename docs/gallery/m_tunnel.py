"""An m-tunnel: one low sheet through three optima.

Three trainings from different starts, and a sheet of two dimensions over them whose inner vertices were trained to be
low. At random points of the sheet the loss is far below that at the same points of the flat triangle.
"""

import matplotlib.pyplot as plt
import torch

import nwedge
from nwedge.geometry import Sheet
from nwedge.landscapes.networks import architectures, data

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(3, torch.Generator().manual_seed(0))
optima = nwedge.descend(
    landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1)
).points
sheet = nwedge.m_tunnel(landscape, optima, steps=400, generator=torch.Generator().manual_seed(2))
flat, low = (
    nwedge.evaluate(landscape, one.sample(300, torch.Generator().manual_seed(3))) for one in (Sheet(optima), sheet)
)
print(f"highest loss at 300 random points: flat triangle {flat.max():.3f} nats, sheet {low.max():.3f}")
assert low.max() < flat.mean() / 2

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
bins = torch.logspace(-3, 0.5, 60).tolist()
axes.hist(flat.tolist(), bins, color="tab:gray", label="flat triangle")
axes.hist(low.tolist(), bins, color="tab:blue", label="trained sheet")
axes.set(xscale="log", xlabel="training loss at a random point, nats", ylabel="points")
axes.legend()
figure.savefig("m_tunnel.svg")
