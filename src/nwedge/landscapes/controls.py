"""Controls: landscapes without wedges, on which claims about wedges must fail.

They keep a measurement honest: one that also "finds" wedges, tunnels or short directions here finds them anywhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points, check_positive
from nwedge._random import derive, normal, uniform
from nwedge.landscapes.profiles import safe_sqrt


class Control(ABC):
    """What controls share: a loss without noise, and initial points drawn from N(0, 1) per coordinate.

    Args:
        dim: the dimension of the space.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Raises:
        TypeError, ValueError: an argument out of its range.
    """

    def __init__(self, dim: int, dtype: torch.dtype, device: torch.device | str) -> None:
        check_integer("dim", dim, 1)
        check_choice("dtype", dtype, (torch.float32, torch.float64))
        self.dim, self.dtype, self.device = dim, dtype, torch.device(device)

    @abstractmethod
    def _loss(self, points: Tensor) -> Tensor:
        """The loss of points that have been checked."""

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The loss of each point, shape (batch,).

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        return self._loss(points)

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` independent initial points, shape (count, dim)."""
        return normal((count, self.dim), generator, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> "Control":
        """The landscape itself, which has no noise."""
        return self

    def _normal(self, *shape: int, generator: Generator) -> Tensor:
        """Normal draws that are the same for every dtype."""
        draws = normal(shape, generator, dtype=torch.float64, device=generator.device)
        return draws.to(self.device, self.dtype)


class QuadraticBowl(Control):
    """One full-rank convex basin: sum of lambda_i (P_i - c_i)^2 / 2, lambda log-spaced from `low` to `high`.

    Every direction is short. It must fail "sections" (no plane of less than the full dimension reaches the bottom),
    "radial-wells" (no direction longer than the others that probes miss), "tunnels" (there is one optimum and no wall),
    "short-directions" (their number is the same everywhere) and "averaging" (it works at every stable rate).

    Args:
        dim: the dimension of the space.
        low: the smallest curvature.
        high: the largest curvature.
        seed: fixes the order of the curvatures and the centre, drawn from N(0, 1).
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        centre: the minimum c, shape (dim,), where the loss is 0.
        curvatures: lambda, the eigenvalues of the Hessian, shape (dim,); the axes are its eigenvectors.

    Raises:
        TypeError, ValueError: an argument out of its range, or `low` above `high`.
    """

    def __init__(
        self,
        dim: int,
        *,
        low: float = 0.1,
        high: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(dim, dtype, device)
        check_positive("low", low)
        check_positive("high", high)
        check_integer("seed", seed, 0)
        if low > high:
            raise ValueError(f"low must not exceed high; got low={low}, high={high}")
        generator = derive(seed, "bowl", dim)
        spaced = low * (high / low) ** torch.linspace(0, 1, dim, dtype=torch.float64)
        self.curvatures = spaced[torch.randperm(dim, generator=generator)].to(self.device, dtype)
        self.centre = self._normal(dim, generator=generator)

    def _loss(self, points: Tensor) -> Tensor:
        return (points - self.centre).square() @ self.curvatures / 2


class IsolatedMinima(Control):
    """Minima in round basins of their own: the squared distance to the nearest of many random points.

    Every direction is short at every minimum and nothing joins them. It must fail "sections" and "radial-wells"
    (nothing is long), "tunnels", "two-halves" and "m-tunnels" (no low-loss path leads from one to another) and
    "short-directions" (their number does not grow between minima).

    Args:
        dim: the dimension of the space.
        minima: their number.
        seed: fixes the minima, drawn from N(0, 1) per coordinate.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        minima: the minima, shape (minima, dim); the loss is 0 and the Hessian twice the identity there.

    Raises:
        TypeError, ValueError: an argument out of its range.
    """

    def __init__(
        self,
        dim: int,
        *,
        minima: int = 40,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(dim, dtype, device)
        check_integer("minima", minima, 1)
        check_integer("seed", seed, 0)
        self.minima = self._normal(minima, dim, generator=derive(seed, "isolated", dim))

    def _loss(self, points: Tensor) -> Tensor:
        with torch.no_grad():  # without the matrix product, whose rounding can pick the wrong one of two near minima
            nearest = torch.cdist(points, self.minima, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
        return (points - self.minima[nearest]).square().sum(1)


class Horseshoe(Control):
    """A ring-shaped valley with a hill on the straight way: K (r - rho)^2 / 2 + c (1 - cos theta) + |rest|^2 / 2.

    (r, theta) are polar in the first two coordinates. Descent goes round; the straight line from its start to its
    optimum crosses the inside of the ring and, with the default numbers, rises by 3 to 8 times the drop, 5 on average.
    It must fail "no-obstacles".

    cos theta = x / r is undefined at r = 0: within rho / 100 of it x / (rho / 100) stands for it, so that the loss is
    continuous and its gradient finite.

    Args:
        dim: the dimension of the space, at least 2.
        stiffness: K, the curvature across the ring.
        radius: rho, the radius of the ring.
        hill: c, half the height of the start above the optimum.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        optimum: the minimum (rho, 0, ..., 0), shape (dim,), where the loss is 0; the Hessian there is diagonal:
            K, c / rho^2, 1, ..., 1.

    Raises:
        TypeError, ValueError: an argument out of its range.
    """

    def __init__(
        self,
        dim: int,
        *,
        stiffness: float = 20.0,
        radius: float = 1.0,
        hill: float = 0.5,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(dim, dtype, device)
        check_integer("dim", dim, 2)
        check_positive("stiffness", stiffness)
        check_positive("radius", radius)
        check_positive("hill", hill)
        self.stiffness, self.radius, self.hill = stiffness, radius, hill
        self.optimum = torch.zeros(dim, dtype=dtype, device=self.device)
        self.optimum[0] = radius

    def _loss(self, points: Tensor) -> Tensor:
        r = safe_sqrt(points[:, :2].square().sum(1))
        cosine = points[:, 0] / r.clamp(min=self.radius / 100)
        ring = self.stiffness * (r - self.radius).square() / 2
        return ring + self.hill * (1 - cosine) + points[:, 2:].square().sum(1) / 2

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """Points on the ring at |theta| in [0.75, 0.95] pi on a random side, the rest drawn from N(0, 0.1^2)."""
        points = 0.1 * super().initial(count, generator)
        turn, side = uniform((2, count), generator, dtype=self.dtype, device=self.device)
        angle = torch.pi * (0.75 + 0.2 * turn) * torch.where(side < 0.5, -1.0, 1.0)
        points[:, 0], points[:, 1] = self.radius * angle.cos(), self.radius * angle.sin()
        return points


class Groove(Control):
    """A single short direction: (u.P)^2 with a random unit vector u, so curvature 2 along u and 0 elsewhere.

    A wedge with s = 1. It must fail "radial-wells": the rise along a random direction varies with the direction as much
    as a single squared coordinate does, so the well is not round.

    Args:
        dim: the dimension of the space.
        seed: fixes the short direction.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        direction: u, shape (dim,); the loss is 0 on its complement.

    Raises:
        TypeError, ValueError: an argument out of its range.
    """

    def __init__(
        self, dim: int, *, seed: int = 0, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(dim, dtype, device)
        check_integer("seed", seed, 0)
        direction = self._normal(dim, generator=derive(seed, "groove", dim))
        self.direction = direction / direction.norm()

    def _loss(self, points: Tensor) -> Tensor:
        return (points @ self.direction).square()


class FlatBall(Control):
    """A flat ball in a bowl: max(0, |P| - r)^2 / 2, centred at the origin.

    One short direction, the radial one, at the optima that training finds on the sphere; yet a random plane must come
    within r of the origin, so d_lim = D (1 - r^2 / R^2), a large part of D. It must fail "intrinsic-dimension".

    Args:
        dim: the dimension D of the space.
        radius: r; None for sqrt(dim) / 2, half the distance R of the initial points.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        radius: r; the loss is 0 where |P| <= r.

    Raises:
        TypeError, ValueError: an argument out of its range.
    """

    def __init__(
        self,
        dim: int,
        *,
        radius: float | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(dim, dtype, device)
        self.radius = dim**0.5 / 2 if radius is None else radius
        check_positive("radius", self.radius)

    def _loss(self, points: Tensor) -> Tensor:
        return torch.relu(safe_sqrt(points.square().sum(1)) - self.radius).square() / 2
