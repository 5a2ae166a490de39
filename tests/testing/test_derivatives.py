"""Wrong gradients and Hessian-vector products are caught, and kinks are not taken for wrong derivatives."""

import pytest
import torch

from nwedge import WedgeLandscape
from nwedge.testing import LandscapeError, check_landscape

DIM = 6


class Attached:
    """sum tanh(A P)^2: smooth, curved, differentiated by torch."""

    def __init__(self, dtype=torch.float64):
        self.dim, self.dtype, self.device = DIM, dtype, torch.device("cpu")
        draws = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        self.a = draws.to(dtype) / DIM**0.5

    def loss(self, points):
        return ((points @ self.a.T).tanh() ** 2).sum(1)

    def initial(self, count, generator):
        return torch.randn(count, DIM, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self


class Own(Attached):
    """The same with its own derivatives."""

    def gradient(self, points):
        t = (points @ self.a.T).tanh()
        return (2 * t * (1 - t**2)) @ self.a

    def loss_and_gradient(self, points):
        return self.loss(points).detach(), self.gradient(points)

    def hvp(self, points, vectors):
        t = (points @ self.a.T).tanh()
        curvature = 2 * (1 - t**2) * (1 - 3 * t**2)
        return (curvature * (vectors @ self.a.T)) @ self.a


class BlackBox(Own):
    """The same, its loss detached."""

    def loss(self, points):
        return super().loss(points).detach()


def half_detached(points):
    return torch.cat([points[:, :3].detach(), points[:, 3:]], 1)


def scaled(factor, method):
    def broken(self, *args):
        return factor * getattr(Own, method)(self, *args)

    return {method: broken}


SMALL, LARGE = 1 + 1e-4, 1.2
EITHER, BOTH = "central differences", (torch.float64, torch.float32)
DOUBLE = (torch.float64,)
BROKEN = {
    "detached": (
        Attached,
        {"loss": lambda self, p: Attached.loss(self, p).detach()},
        "attached.*got a detached loss",
        BOTH,
    ),
    "half detached": (Attached, {"loss": lambda self, p: Attached.loss(self, half_detached(p))}, "random direct", BOTH),
    "NaN": (
        Attached,
        {"loss": lambda self, p: Attached.loss(self, p) + (0 * p[:, 0]).sqrt()},
        "finite gradients",
        BOTH,
    ),
    "gradient shape": (Own, {"gradient": lambda self, p: p[0]}, r"`gradient` of shape \(4, 6\); got \(6,\)", BOTH),
    "gradient dtype": (Own, {"gradient": lambda self, p: p.half()}, r"`gradient` of dtype.*float16", BOTH),
    "gradient against loss": (Own, scaled(LARGE, "gradient"), "own `gradient` to be the derivative", BOTH),
    "gradient slightly": (Own, scaled(SMALL, "gradient"), "own `gradient` to be the derivative", DOUBLE),
    "losses of both": (
        Own,
        {"loss_and_gradient": lambda self, p: (2 * self.loss(p), self.gradient(p))},
        "losses.*separ",
        BOTH,
    ),
    "gradients of both": (
        Own,
        {"loss_and_gradient": lambda self, p: (self.loss(p), 2 * self.gradient(p))},
        "ients.*separ",
        BOTH,
    ),
    "shape of both": (Own, {"loss_and_gradient": lambda self, p: (self.loss(p), p[0])}, r"shape \(4, 6\)", BOTH),
    "black box": (BlackBox, scaled(LARGE, "gradient"), EITHER, BOTH),
    "black box slightly": (BlackBox, scaled(SMALL, "gradient"), EITHER, DOUBLE),
    "black box too steep": (BlackBox, scaled(1e4, "gradient"), EITHER, BOTH),
    "black box too flat": (BlackBox, scaled(1e-4, "gradient"), EITHER, BOTH),
    "black box zero": (BlackBox, scaled(0.0, "gradient"), EITHER, BOTH),
    "black box uphill": (BlackBox, scaled(-1.0, "gradient"), EITHER, BOTH),
    "hvp shape": (Own, {"hvp": lambda self, p, v: v[:, :2]}, r"`hvp` of shape \(8, 6\); got \(8, 2\)", BOTH),
    "hvp NaN": (Own, {"hvp": lambda self, p, v: v * torch.nan}, "finite Hessian-vector products", BOTH),
    "hvp against loss": (Own, scaled(LARGE, "hvp"), "own `hvp` to be the second derivative", BOTH),
    "hvp slightly": (Own, scaled(SMALL, "hvp"), "own `hvp` to be the second derivative", DOUBLE),
    "hvp not linear": (BlackBox, {"hvp": lambda self, p, v: Own.hvp(self, p, v).abs()}, "hvp to be linear", BOTH),
    "hvp normalised": (BlackBox, {"hvp": lambda self, p, v: v / v.norm(dim=1, keepdim=True)}, "hvp to be linear", BOTH),
    "hvp not symmetric": (BlackBox, {"hvp": lambda self, p, v: v.cumsum(1)}, "symmetric Hessian", BOTH),
    "hvp by differences": (BlackBox, scaled(SMALL, "hvp"), "hvp to agree with central differences", DOUBLE),
    "hvp zero": (BlackBox, scaled(0.0, "hvp"), "hvp to agree with central differences", DOUBLE),
}
CASES = [(name, dtype) for name, (*_, dtypes) in BROKEN.items() for dtype in dtypes]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_broken_derivatives(name, dtype):
    base, changes, words, _ = BROKEN[name]
    for seed in range(3):
        with pytest.raises(LandscapeError, match=f"^the law of (gradient|curvature) is broken: .*{words}"):
            check_landscape(type("Broken", (base,), changes)(dtype), seed=seed)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("kind", [Attached, Own, BlackBox])
def test_right_derivatives_pass(kind, dtype):
    for seed in range(2):
        check_landscape(kind(dtype), seed=seed)


@pytest.mark.parametrize(("dim", "dtype"), [(20_000, torch.float64), (200, torch.float32)])
def test_a_part_of_many_coordinates_is_enough(dim, dtype):
    """One coordinate in a hundred of the gradient is missing."""

    class Wide(Attached):
        def __init__(self):
            self.dim, self.dtype, self.device = dim, dtype, torch.device("cpu")

        def initial(self, count, generator):
            return torch.randn(count, dim, generator=generator, dtype=dtype)

        def loss(self, points):
            part = dim // 100
            return (torch.cat([10 * points[:, :part].detach(), points[:, part:]], 1) ** 2).mean(1)

    with pytest.raises(LandscapeError, match="gradient to agree"):
        check_landscape(Wide())


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize(
    ("profile", "dim", "short"), [("distance", 1000, 2), ("squared", 200, 20), ("saturating", 2000, 400)]
)
def test_kinks_pass(profile, dim, short, dtype):
    """The complete family: the nearest wedge changes within any step that is not tiny."""
    for seed in range(2):
        check_landscape(WedgeLandscape(dim, short, profile=profile, dtype=dtype), seed=seed)


class Rough(Attached):
    """A level of 1 with ripples of slope 1 or -1: kinks every 1e-6 in float64 and every 1e-4 in float32."""

    def loss(self, points):
        width = 1e-6 if self.dtype == torch.float64 else 1e-4
        return 1 + width * (points / width - (points / width).round()).abs().mean(1)


@pytest.mark.parametrize("dtype", BOTH)
def test_steps_that_cross_kinks_say_nothing(dtype):
    for seed in range(2):
        check_landscape(Rough(dtype), seed=seed)


class Powers(Attached):
    """offset + sum (P_i / scale)^4, with derivatives that are wrong by factors."""

    def __init__(self, dtype=torch.float64, *, dim=DIM, scale=1.0, offset=0.0, slope=1.0, curvature=1.0):
        self.dim, self.dtype, self.device = dim, dtype, torch.device("cpu")
        self.scale, self.offset, self.slope, self.curvature = scale, offset, slope, curvature

    def initial(self, count, generator):
        return self.scale * torch.randn(count, self.dim, generator=generator, dtype=self.dtype)

    def loss(self, points):
        return self.offset + ((points / self.scale) ** 4).sum(1).detach()

    def gradient(self, points):
        return self.slope * 4 * (points / self.scale) ** 3 / self.scale

    def hvp(self, points, vectors):
        return self.curvature * 12 * (points / self.scale) ** 2 * vectors / self.scale**2


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": torch.float32, "slope": 0.0},  # differences far from straight, though nothing is claimed
        {"dtype": torch.float32, "slope": 1.2, "dim": 1000, "offset": 1e6},  # seen along the gradient alone
        {"scale": 1e-4, "curvature": 1.001},  # seen with steps far below the scale alone
        {"scale": 1e4, "slope": 1.001},
        {"scale": 1e-4, "slope": 1.001},
        {"scale": 1e4, "slope": 1.2, "dtype": torch.float32},
        {"scale": 1e-4, "slope": 1.2, "dtype": torch.float32},
    ],
)
def test_scales_and_offsets_do_not_hide_errors(options):
    right = {key: value for key, value in options.items() if key not in ("slope", "curvature")}
    for seed in range(2):
        check_landscape(Powers(**right), seed=seed)
        with pytest.raises(LandscapeError, match="central differences"):
            check_landscape(Powers(**options), seed=seed)


def test_two_coordinates_of_many_that_are_slightly_off_are_enough():
    class Off(Powers):
        def gradient(self, points):
            slopes = super().gradient(points)
            return torch.cat([1.02 * slopes[:, :2], slopes[:, 2:]], 1)

    points = torch.ones(4, 20_000, dtype=torch.float64)
    with pytest.raises(LandscapeError, match="random directions"):
        check_landscape(Off(dim=20_000), points=points)


@pytest.mark.parametrize("dtype", BOTH)
def test_a_wrong_gradient_at_zero_is_caught(dtype):
    class Tilted(BlackBox):
        def loss(self, points):
            return points.detach().sum(1)

        def gradient(self, points):
            return 1.2 * torch.ones_like(points)

    with pytest.raises(LandscapeError, match="central differences"):
        check_landscape(Tilted(dtype), points=torch.zeros(2, DIM, dtype=dtype))


@pytest.mark.parametrize("dtype", BOTH)
def test_losses_must_be_finite_around_the_points(dtype):
    class Grid(Attached):
        def loss(self, points):
            return torch.where((points == points.round()).all(1), points.sum(1), torch.nan)

        def initial(self, count, generator):
            return super().initial(count, generator).round()

    with pytest.raises(LandscapeError, match="finite losses close to the points"):
        check_landscape(Grid(dtype))
