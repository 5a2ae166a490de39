"""Averaging weights: within one training, and across two.

Two points of one training, 100 steps apart, lie close to each other: the average of their weights is as good as they
are. Two trainings from different starts lie on different wedges: their average lies on neither. If the
hidden units of one are first put in the order of the other's, the average is good again: most of the wall was one
between permuted copies.
"""

import matplotlib.pyplot as plt
import torch

import nwedge
from nwedge.landscapes.networks import architectures, data

landscape = nwedge.NetworkLandscape(architectures.mlp(64, 10), *data.load("digits"))
start = landscape.initial(2, torch.Generator().manual_seed(0))
a, b = nwedge.descend(
    landscape, start, lr=0.1, momentum=0.9, steps=600, generator=torch.Generator().manual_seed(1)
).points
later = nwedge.descend(landscape, a[None], lr=0.1, momentum=0.9, steps=100, generator=torch.Generator().manual_seed(2))
aligned = nwedge.align(landscape, a, b, generator=torch.Generator().manual_seed(3))
candidates = {
    "one network": a,
    "average with itself, 100 steps later": (a + later.points[0]) / 2,
    "average of two trainings": (a + b) / 2,
    "the same, units aligned": (a + aligned) / 2,
}
assert landscape.held_out is not None
accuracies = landscape.held_out.accuracy(torch.stack(list(candidates.values()))).tolist()
one, later, across, matched = accuracies
for name, accuracy in zip(candidates, accuracies, strict=True):
    print(f"{name}: {accuracy:.3f}")
assert abs(later - one) < 0.02
assert across < one - 0.05
assert matched > across + 0.05

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.barh(list(candidates), accuracies, color=["tab:gray", "tab:blue", "tab:red", "tab:green"])
axes.set(xlabel="held-out accuracy", xlim=(0, 1))
axes.invert_yaxis()
figure.savefig("average.svg")
