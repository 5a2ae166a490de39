"""How sharp is it? The spectrum of the Hessian at an optimum.

Few directions are short: most eigenvalues are near 0, some negative. How many are short has no value without a level,
so the count is drawn against the threshold.
"""

import matplotlib.pyplot as plt
import torch

import nwedge
from nwedge.landscapes.networks import architectures, data

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10, (16,)), *data.load("digits"), dtype=torch.float64)
start = landscape.initial(1, torch.Generator().manual_seed(0))
found = nwedge.descend(landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1))
thresholds = torch.logspace(-4, 0.5, 40).tolist()
sharp = nwedge.short_directions(landscape, found.points[0], thresholds, generator=torch.Generator().manual_seed(2))
print(f"{landscape.dim} weights, {(sharp.top > 0.01).sum()} eigenvalues above .01, the largest {sharp.top[0]:.2f}")
assert sharp.method == "exact"
assert (sharp.counts.diff() <= 0).all()
assert (sharp.top > 0.01).sum() < landscape.dim / 5, "most directions are long"

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.step(thresholds, sharp.counts, where="post", color="tab:blue")
axes.set(xscale="log", yscale="symlog", xlabel="curvature threshold", ylabel="eigenvalues above it", ylim=(0, None))
figure.savefig("spectrum.svg")
