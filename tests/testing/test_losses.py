"""Broken attributes, initial points and losses are caught, each with the sentence of its law."""

import pytest
import torch

from nwedge.testing import LandscapeError, check_landscape

DIM = 6


class Bowl:
    def __init__(self, dtype=torch.float64):
        self.dim, self.dtype, self.device, self.calls = DIM, dtype, torch.device("cpu"), 0

    def loss(self, points):
        return (points**2).sum(1)

    def initial(self, count, generator):
        return torch.randn(count, DIM, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self

    def count(self):
        """1, 2, 3, ...: what no pure landscape may depend on."""
        self.calls += 1
        return self.calls


def place(points):
    """0, 1, 2, ... along the batch."""
    return torch.arange(len(points)).to(points)


ATTRIBUTES = {
    "dim": (6.0, "dim to be a positive int; got 6.0"),
    "dtype": ("float64", "dtype to be torch.float32 or torch.float64; got 'float64'"),
    "device": ("cpu", "device to be a torch.device; got 'cpu'"),
    "initial": (3, "`initial` to be callable; got 3"),
    "minibatch": (None, "`minibatch` to be callable; got None"),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_broken_attributes(name):
    value, words = ATTRIBUTES[name]
    landscape = Bowl()
    setattr(landscape, name, value)
    with pytest.raises(LandscapeError) as caught:
        check_landscape(landscape)
    assert str(caught.value) == f"the law of attributes is broken: expected {words}"


@pytest.mark.parametrize("name", ["dim", "dtype", "device"])
def test_missing_attributes(name):
    landscape = Bowl()
    delattr(landscape, name)
    with pytest.raises(LandscapeError, match=f"expected an attribute `{name}`; got a Bowl without it"):
        check_landscape(landscape)


BROKEN = {
    "turned": ({"initial": lambda self, n, g: torch.zeros(DIM, n).double()}, r"initial.*\(3, 6\); got \(6, 3\)"),
    "single precision": (
        {"initial": lambda self, n, g: torch.zeros(n, DIM)},
        "initial points.*float64; got torch.float32",
    ),
    "no tensor": ({"initial": lambda self, n, g: [[0.0] * DIM] * n}, "torch.Tensor; got list"),
    "unseeded": ({"initial": lambda self, n, g: torch.zeros(n, DIM).double() + self.count()}, "same generator state"),
    "elsewhere": (
        {"initial": lambda self, n, g: torch.zeros(n, DIM, dtype=self.dtype, device="meta")},
        "initial points.*on device cpu; got meta",
    ),
    "NaN points": ({"initial": lambda self, n, g: torch.full((n, DIM), torch.nan).double()}, "finite coordinates"),
    "NaN losses": ({"loss": lambda self, p: p.sum(1) / 0}, "one loss a point.*finite losses; got .*inf"),
    "one a batch": ({"loss": lambda self, p: p.sum()}, r"one loss a point.*\(4,\); got \(\)"),
    "column": ({"loss": lambda self, p: p.sum(1, keepdim=True)}, r"one loss a point.*\(4,\); got \(4, 1\)"),
    "squeezed": ({"loss": lambda self, p: p.sum(1).squeeze()}, r"the loss of 1 point\(s\) of shape \(1,\); got \(\)"),
    "single loss": ({"loss": lambda self, p: p.sum(1).float()}, "one loss a point.*float64; got torch.float32"),
    "calls": ({"loss": lambda self, p: (p**2).sum(1) * (1 + 1e-6 * self.count())}, "law of repetition"),
    "mean of the batch": ({"loss": lambda self, p: (p**2).sum(1) + p.mean()}, "batch independence.*alone"),
    "place in the batch": ({"loss": lambda self, p: (p**2).sum(1) + place(p)}, "batch independence"),
    "neighbours": ({"loss": lambda self, p: (p**2).sum(1) + p.roll(1, 0).sum(1) - p.sum(1)}, "batch independence"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_losses_and_initial_points(name):
    changes, words = BROKEN[name]
    with pytest.raises(LandscapeError, match=words):
        check_landscape(type("Broken", (Bowl,), changes)())


def test_a_loss_that_knows_its_place_is_caught_where_one_alone_agrees():
    class Sorted(Bowl):
        """Alone and in a batch of 4 each point has its own loss, unless the batch is turned."""

        def loss(self, points):
            turned = len(points) > 1 and bool(points[0, 0] < points[-1, 0])
            return (points**2).sum(1) + turned * place(points)

    points = torch.arange(4.0, 0, -1, dtype=torch.float64)[:, None].expand(4, DIM)
    with pytest.raises(LandscapeError, match="another place of the batch"):
        check_landscape(Sorted(), points=points)


def test_float32_forgives_rounding_but_no_more():
    def changed(size):
        return type("Changed", (Bowl,), {"loss": lambda self, p: (p**2).sum(1) * (1 + size * (self.count() % 2))})

    check_landscape(changed(1e-7)(torch.float32))
    with pytest.raises(LandscapeError, match="repetition"):
        check_landscape(changed(1e-3)(torch.float32))


def test_training_must_be_able_to_start():
    class Far(Bowl):
        """Finite near the origin alone."""

        def loss(self, points):
            return torch.where(points.abs().amax(1) > 0.01, torch.inf, (points**2).sum(1))

    with pytest.raises(LandscapeError, match=r"initial points.*finite losses"):
        check_landscape(Far(), points=torch.zeros(2, DIM, dtype=torch.float64))
