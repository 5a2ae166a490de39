"""Training in random planes: success from a dimension on.

The network is trained inside random d-dimensional planes through its start. In planes of few dimensions it hardly
learns, in those of many it reaches a low loss, and which plane was drawn hardly matters. On one wedge of the model the
dimension from which planes succeed is s, the number of short directions; the
[how-to](../how-to/intrinsic-dimension.md) takes it with an interval.
"""

import matplotlib.pyplot as plt
import torch

import nwedge
from nwedge.landscapes.networks import architectures, data
from nwedge.methods.sections import section

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (32,)), *data.load("digits"))
start = landscape.initial(1, torch.Generator().manual_seed(0)).expand(4, -1)
dimensions = (5, 10, 20, 40, 80, 160, 320)
losses = [
    section(
        landscape, start, d, seeds=range(4), lr=(0.03, 0.1), steps=300, generator=torch.Generator().manual_seed(d)
    ).losses
    for d in dimensions
]
means = torch.stack(losses).mean(1)
print(*(f"d = {d}: {mean:.3f}" for d, mean in zip(dimensions, means, strict=True)), sep="\n")
assert means[0] > 1.5, "planes of few dimensions hold no good network"
assert means[-1] < 0.2, "planes of many do"
assert (means.diff() < 0).all()

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for d, row in zip(dimensions, losses, strict=True):
    axes.plot([d] * len(row), row, "o", color="tab:blue", alpha=0.6)
axes.plot(dimensions, means, color="tab:blue")
axes.set(xscale="log", yscale="log", xlabel="dimension d of the random plane", ylabel="training loss reached, nats")
figure.savefig("subspace.svg")
