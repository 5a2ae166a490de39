"""A wall on the straight line, and the tunnel around it.

Two networks that were trained alike from two starts. On the straight line between them the loss rises; a path with one
bend, trained to be low, joins them. That such a path exists says little by itself, since it was trained to be low: a
[claim](../claims.md#tunnels) also asks whether chance would find one.
"""

import matplotlib.pyplot as plt
import torch

import nwedge
from nwedge.landscapes.networks import architectures, data

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(2, torch.Generator().manual_seed(0))
found = nwedge.descend(landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1))
tunnel = nwedge.tunnel(landscape, *found.points, steps=400, generator=torch.Generator().manual_seed(2))
print(f"barrier on the line {tunnel.line_barrier:.3f} nats, on the tunnel {tunnel.barrier:.3f}")
assert tunnel.barrier < tunnel.line_barrier / 5

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(tunnel.t, tunnel.line_losses, color="tab:gray", label="straight line")
axes.plot(tunnel.t, tunnel.losses, color="tab:blue", label="tunnel with one bend")
axes.set(xlabel="position from one optimum to the other", ylabel="training loss, nats", ylim=(0, None))
axes.legend()
figure.savefig("line_and_tunnel.svg")
