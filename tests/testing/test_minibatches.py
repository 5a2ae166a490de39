"""Views that are no landscapes, shared or unseeded draws, and expectations that are not the loss are caught."""

from types import SimpleNamespace

import pytest
import torch

from nwedge.testing import LandscapeError, check_landscape

DIM, EXAMPLES, BATCH = 6, 12, 4


class Regression:
    """Least squares through tanh on 12 examples, in batches of 4."""

    def __init__(self, dtype=torch.float64):
        draws = torch.randn(EXAMPLES, DIM + 1, generator=torch.Generator().manual_seed(7), dtype=torch.float64).to(
            dtype
        )
        self.dim, self.dtype, self.device, self.calls = DIM, dtype, torch.device("cpu"), 0
        self.x, self.y = draws[:, :-1], draws[:, -1]

    def errors(self, points):
        return ((points @ self.x.T).tanh() - self.y) ** 2

    def loss(self, points):
        return self.errors(points).mean(1)

    def initial(self, count, generator):
        return torch.randn(count, DIM, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        generators = [generator] if isinstance(generator, torch.Generator) else generator
        return View(self, torch.stack([torch.randperm(EXAMPLES, generator=g)[:BATCH] for g in generators]))

    def epoch(self, generator):
        return [View(self, rows[None]) for rows in torch.randperm(EXAMPLES, generator=generator).split(BATCH)]

    def count(self):
        self.calls += 1
        return self.calls


class View:
    """The examples `rows`: (1, 4) for all points, or (batch, 4)."""

    def __init__(self, base, rows):
        self.base, self.rows, self.dim, self.dtype, self.device = base, rows, base.dim, base.dtype, base.device
        self.initial, self.minibatch, self.count = base.initial, base.minibatch, base.count

    def loss(self, points):
        return self.base.errors(points).gather(1, self.rows.expand(len(points), -1)).mean(1)


def views(change):
    """Every view of an honest landscape, changed by `change(view)`."""
    return {"minibatch": lambda self, generator: change(Regression.minibatch(self, generator))}


def replaced(**changes):
    """Views some of whose attributes are replaced; those that are None are missing."""

    def change(view):
        names = ("dim", "dtype", "device", "loss", "initial", "minibatch")
        attributes = {name: getattr(view, name) for name in names} | changes
        return SimpleNamespace(**{name: value for name, value in attributes.items() if value is not None})

    return views(change)


def with_loss(loss):
    """Views with the loss `loss(view, points)`."""
    return views(lambda view: replace_loss(view, lambda points: loss(view, points)))


def replace_loss(view, loss):
    return replaced(loss=loss)["minibatch"](view.base, torch.Generator())


def in_other_precision(view):
    other = torch.float32 if view.dtype == torch.float64 else torch.float64
    return replaced(dtype=other)["minibatch"](view.base, torch.Generator())


def half_detached(points):
    return torch.cat([points[:, :3].detach(), points[:, 3:]], 1)


def first_draw_for_all(self, generator):
    return Regression.minibatch(self, generator if isinstance(generator, torch.Generator) else generator[:1])


def first_gradient_for_all(self, generator):
    own = Regression.minibatch(self, generator)
    first = View(self, own.rows[:1])
    return replace_loss(own, lambda p: own.loss(p).detach() + first.loss(p) - first.loss(p).detach())


def unseeded(self, generator):
    return View(self, (torch.arange(BATCH)[None] + self.count()) % EXAMPLES)


BROKEN = {
    "dim": (replaced(dim=5), "minibatches.*views of dim 6; got 5"),
    "dtype": (views(in_other_precision), "minibatches.*views of dtype torch.float..; got torch.float.."),
    "no initial": (replaced(initial=None), "attributes in a minibatch.*`initial`"),
    "no minibatch": (replaced(minibatch=None), "attributes in a minibatch.*`minibatch`"),
    "loss shape": (with_loss(lambda view, p: view.loss(p).sum()), "one loss a point in a minibatch"),
    "detached": (with_loss(lambda view, p: view.loss(p).detach()), "gradient in a minibatch.*attached"),
    "gradient": (with_loss(lambda view, p: view.loss(half_detached(p))), "gradient in a minibatch.*differences"),
    "redrawn": (with_loss(lambda view, p: view.loss(p) + 1e-3 * view.count()), "repetition in a minibatch"),
    "batch": (with_loss(lambda view, p: view.loss(p) + p.mean()), "batch independence in a minibatch"),
    "unseeded": ({"minibatch": unseeded}, "same view from the same generator state"),
    "first draw for all": ({"minibatch": first_draw_for_all}, "loss of row i .* its own generator alone"),
    "first gradient for all": ({"minibatch": first_gradient_for_all}, "gradient of row i .* its own generator alone"),
    "epoch in part": ({"epoch": lambda self, g: Regression.epoch(self, g)[:2]}, "expectation.*views of an epoch"),
    "epoch twice": ({"epoch": lambda self, g: [Regression.minibatch(self, g) for _ in range(3)]}, "views of an epoch"),
    "sum for mean": (with_loss(lambda view, p: BATCH * view.loss(p)), "expectation.*4 standard errors"),
    "first examples only": ({"minibatch": lambda self, g: View(self, torch.arange(BATCH)[None])}, "expectation"),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_minibatches(name, dtype):
    changes, words = BROKEN[name]
    with pytest.raises(LandscapeError, match=words):
        check_landscape(type("Broken", (Regression,), changes)(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_honest_minibatches_pass(dtype):
    for seed in range(2):
        check_landscape(Regression(dtype), seed=seed)


class Dropout(Regression):
    """Each view drops half of the coordinates: its expectation is not the loss."""

    def minibatch(self, generator):
        generators = [generator] if isinstance(generator, torch.Generator) else generator
        kept = torch.stack([torch.rand(DIM, generator=g) > 0.5 for g in generators])
        view = replace_loss(Regression.minibatch(self, generators), lambda points: Regression.loss(self, points * kept))
        vars(view).update(self.words)
        return view


def test_a_bias_must_be_declared():
    check_landscape(type("Declared", (Dropout,), {"words": {"unbiased": False}})())
    with pytest.raises(LandscapeError, match="expectation"):
        check_landscape(type("Silent", (Dropout,), {"words": {}})())


def test_an_epoch_is_not_asked_of_everyone():
    check_landscape(type("NoEpoch", (Regression,), {"epoch": property()})())
