"""Landscapes that change what is not theirs are caught: points, modules, global state, later losses."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from nwedge.testing import LandscapeError, check_landscape

DIM = 6


class Bowl:
    """It holds a module, directly and within another object."""

    def __init__(self):
        self.dim, self.dtype, self.device, self.shift = DIM, torch.float64, torch.device("cpu"), 0.0
        self.model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
        self.strategy = Strategy()

    def loss(self, points):
        return (points**2).sum(1) + self.shift

    def initial(self, count, generator):
        return torch.randn(count, DIM, generator=generator, dtype=torch.float64)

    def minibatch(self, generator):
        return self

    def predict(self, points):
        return points.softmax(1)[:, None]

    def accuracy(self, points):
        return points.new_ones(len(points))

    def gradient(self, points):
        return 2 * points

    def hvp(self, points, vectors):
        return 2 * vectors


class Strategy:
    def __init__(self):
        self.inner = nn.Linear(2, 2)


def after(act, method):
    """The method of the honest landscape, after `act(landscape, ...)`."""

    def broken(self, *args):
        act(self, *args)
        return getattr(Bowl, method)(self, *args)

    return {method: broken}


def torch_draw(*_):
    torch.rand(1)


def numpy_draw(*_):
    np.random.rand()  # noqa: NPY002 - the mistake that is to be caught


def python_draw(*_):
    random.random()


def double_points(self, points, *_):
    points.detach().mul_(2)


def nudge(self, *_):
    with torch.no_grad():
        self.model[0].weight += 1e-6


def normalise(self, *_):
    self.model.train()(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
    self.model.eval()


def drift(self, *_):
    self.shift = self.shift + 1e-3


def disable_gradients(*_):
    torch.set_grad_enabled(not torch.is_grad_enabled())


BROKEN = {
    "torch": (after(torch_draw, "loss"), "loss to leave torch's global random state"),
    "NumPy": (after(numpy_draw, "loss"), "loss to leave NumPy's global random state"),
    "Python": (after(python_draw, "loss"), "loss to leave Python's global random state"),
    "initial": (after(python_draw, "initial"), "initial to leave Python's"),
    "gradient": (after(torch_draw, "gradient"), "gradient to leave torch's"),
    "hvp": (after(torch_draw, "hvp"), "hvp to leave torch's"),
    "minibatch": (after(torch_draw, "minibatch"), "minibatch and its loss to leave torch's"),
    "predict": (after(torch_draw, "predict"), "predict to leave torch's"),
    "accuracy": (after(torch_draw, "accuracy"), "accuracy to leave torch's"),
    "points in loss": (after(double_points, "loss"), "loss to leave the points as they are"),
    "points in gradient": (after(double_points, "gradient"), "gradient to leave the points"),
    "points in hvp": (after(double_points, "hvp"), "hvp to leave the points"),
    "points in predict": (after(double_points, "predict"), "predict to leave the points"),
    "weights": (after(nudge, "loss"), "loss to leave the tensors of `model`"),
    "running statistics": (after(normalise, "loss"), "loss to leave the tensors of `model`"),
    "mode": (after(lambda self, *_: self.model.train(), "loss"), "the training mode of `model`"),
    "frozen": (after(lambda self, *_: self.model.requires_grad_(False), "loss"), "requires_grad in `model`"),
    "gradients": (
        after(lambda self, *_: self.model[0](torch.ones(1, 2)).sum().backward(), "gradient"),
        "gradient to leave the gradients in `model`",
    ),
    "inner module": (after(lambda self, *_: self.strategy.inner.eval(), "loss"), "mode of `strategy.inner`"),
    "default dtype": (after(lambda *_: torch.set_default_dtype(torch.float16), "loss"), "torch's default dtype"),
    "gradient mode": (after(disable_gradients, "gradient"), "torch's gradient mode"),
    "drift": (after(drift, "minibatch"), "minibatches to leave the loss as it is"),
}


@pytest.fixture(autouse=True)
def _restored():
    dtype, enabled = torch.get_default_dtype(), torch.is_grad_enabled()
    yield
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(enabled)


@pytest.mark.parametrize("name", BROKEN)
def test_what_changes_is_named(name):
    changes, words = BROKEN[name]
    with pytest.raises(LandscapeError, match=f"^the law of purity is broken: expected .*{words}"):
        check_landscape(type("Broken", (Bowl,), changes)())


def test_nothing_changes_in_an_honest_landscape():
    check_landscape(Bowl())


def test_a_landscape_may_work_in_a_forked_random_state():
    def forked(self, points):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return (points**2).sum(1) + torch.rand(1, dtype=torch.float64)

    check_landscape(type("Forked", (Bowl,), {"loss": forked})())
