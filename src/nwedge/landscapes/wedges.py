"""The wedge model: a loss that grows with the distance to the nearest of many wedges."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from nwedge._checks import check_choice, check_integer, check_points, check_positive
from nwedge._random import normal
from nwedge.landscape import HELD, Landscape
from nwedge.landscapes.families import Complete, Sampled, nearest_squares
from nwedge.landscapes.orientation import draw_axes, draw_bases, draw_rotation, short_counts
from nwedge.landscapes.profiles import PROFILES, distance_outside, profile_derivatives, profile_loss
from nwedge.landscapes.tilted import TiltedLandscape

ELEMENTS_AT_ONCE = 2**24
"""Numbers per temporary array while the nearest wedges are sought; more points are handled in chunks."""


class WedgeLandscape:
    """The wedge model of FJ19: the low-loss set is a union of n-wedges, long in n and short in s = dim - n directions.

    With P_S the coordinates of P along the short directions of wedge S, the distance is
    d(P) = max(0, min over S of |P_S| - thickness).

    * The complete family (`wedges=None`) has one wedge for every choice of s axes and stores none of them:
      min |P_S|^2 is the sum of the s smallest P_i^2.
    * The sampled family has `wedges` wedges, each with its own random set of short axes.
    * Randomly oriented, the complete family is rotated as one, and each sampled wedge has its own random subspace.

    The loss is d ("distance"), d^2 ("squared") or 1 - exp(-d^2 / (2 width^2)) ("saturating"); its gradient and Hessian
    are 0 at distance 0 wherever they do not exist.

    Args:
        dim: the dimension of the space.
        short: the number s of short directions, from 0 to dim; for sampled wedges also one number per wedge.
        wedges: the number of sampled wedges; None for the complete family.
        oriented: "axes" for axis-aligned wedges, "random" for randomly oriented ones.
        thickness: the half-width of every wedge.
        profile: "distance", "squared" or "saturating".
        width: the distance at which "saturating" levels off.
        noise: the standard deviation sigma of the minibatch tilt sigma xi.P, xi ~ N(0, I), along each axis.
        scale: the standard deviation of each coordinate of the initial points.
        seed: fixes the sampled wedges and the orientation, together with dim, short and wedges alone.
        dtype: torch.float32 or torch.float64.
        device: where the points live.

    Attributes:
        axes: the short axes of the sampled axis-aligned wedges, shape (wedges, most), padded with -1; else None.
        bases: the orthonormal bases of the sampled wedges one below the other, or the rotation of the complete family,
            whose rows are its axes, shape (rows, dim); None for axis-aligned wedges.

    Raises:
        TypeError, ValueError: an argument out of its range, `short` not one per wedge, or more than 1 GiB to be stored.

    Source: Fort and Jastrzebski, "Large Scale Structure of Neural Network Loss Landscapes", NeurIPS 2019,
    arXiv 1906.04724 (FJ19); that paper has the axis-aligned complete family and the distance profile.
    """

    def __init__(
        self,
        dim: int,
        short: int | Sequence[int],
        *,
        wedges: int | None = None,
        oriented: str = "axes",
        thickness: float = 0.0,
        profile: str = "distance",
        width: float = 1.0,
        noise: float = 0.0,
        scale: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        check_choice("oriented", oriented, ("axes", "random"))
        check_choice("profile", profile, PROFILES)
        check_choice("dtype", dtype, (torch.float32, torch.float64))
        check_positive("thickness", thickness, zero=True)
        check_positive("width", width)
        check_positive("noise", noise, zero=True)
        check_positive("scale", scale)
        check_integer("seed", seed, 0)
        if wedges is None and isinstance(short, Sequence):
            raise ValueError(
                "a sequence of short counts needs as many sampled wedges: pass wedges, or short as a number"
            )
        counts = short_counts(dim, short, 1 if wedges is None else wedges)
        self.dim, self.dtype, self.device = dim, dtype, torch.device(device)
        self.short = counts if isinstance(short, Sequence) else short
        self.wedges, self.oriented, self.seed = wedges, oriented, seed
        self.thickness, self.profile, self.width = thickness, profile, width
        self.noise, self.scale = noise, scale
        self.axes, self.bases = None, None
        if wedges is None:
            self._family = Complete(counts[0])
            if oriented == "random":
                self.bases = draw_rotation(dim, seed).to(self.device, dtype)
        elif oriented == "axes":
            self.axes = draw_axes(dim, counts, wedges, seed).to(self.device)
            self._family = Sampled(self.axes)
        else:
            self.bases = draw_bases(dim, counts, wedges, seed).to(self.device, dtype)
            self._family = Sampled(_consecutive(counts).to(self.device))
        widest = max(dim, wedges or 0, 0 if self.bases is None else len(self.bases))
        self._chunk = max(1, ELEMENTS_AT_ONCE // widest)

    def loss(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The loss of each point, shape (batch,).

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        return profile_loss(self._squares(points), self.profile, self.thickness, self.width)

    def distance(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The distance of each point to the nearest wedge, whatever the profile, shape (batch,); differentiable.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        return distance_outside(self._squares(points), self.thickness)

    @torch.no_grad()
    def loss_and_gradient(
        self, points: Float[Tensor, "batch dim"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch dim"]]:
        """The losses and gradients in one pass, detached: phi(q) and 2 phi'(q) c_S, as `hessian_sum` names them.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        parts = [self._losses_and_gradients(part) for part in points.split(self._chunk)]
        if len(parts) == 1:
            return parts[0]
        losses, gradients = zip(*parts, strict=True)
        return torch.cat(losses), torch.cat(gradients)

    def hessian_sum(
        self, points: Float[Tensor, "batch dim"], held: int = HELD
    ) -> Callable[[Float[Tensor, "vector dim"]], Float[Tensor, "vector dim"]]:
        """The sum of the Hessians at the points, as a function of vectors: H v, shape (vector, dim), for each row v.

        With c_S the coordinates of P that are short in its nearest wedge, and 0 elsewhere, q = |c_S|^2 and phi the
        profile as a function of q, H v = sum over P of 2 phi'(q) v_S + 4 phi''(q) (c_S.v) c_S. The nearest wedges are
        sought once, and a product is then two matrix products, where what they leave fits into `held` bytes.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        check_points(self, points)
        parts = points.split(self._chunk)
        size = (2 * len(points) + len(parts)) * self.dim * points.element_size()
        kept = [self._bend(part) for part in parts] if size <= held else None

        @torch.no_grad()
        def products(vectors: Tensor) -> Tensor:
            coordinates = self._coordinates(vectors)
            product = torch.zeros_like(coordinates)
            for along, short, across in map(self._bend, parts) if kept is None else kept:
                product.addcmul_(coordinates, along).addmm_(coordinates @ short.T, across)
            return product if self.bases is None else product @ self.bases

        return products

    def initial(self, count: int, generator: Generator) -> Float[Tensor, "count dim"]:
        """`count` points drawn from N(0, scale^2) per coordinate, shape (count, dim)."""
        return self.scale * normal((count, self.dim), generator, dtype=self.dtype, device=self.device)

    def minibatch(self, generator: Generator | Sequence[Generator]) -> Landscape:
        """The landscape plus a random tilt noise xi.P, xi ~ N(0, I), whose mean is 0; without noise, the landscape.

        One generator: one xi for all points. A sequence: one xi for each row of a batch, which must have as many rows.
        """
        return TiltedLandscape(self, self.noise, generator) if self.noise > 0 else self

    @torch.no_grad()
    def nearest(self, points: Float[Tensor, "batch dim"]) -> Int64[Tensor, "batch most"]:
        """The short axes of the nearest wedge in increasing order, padded with -1 where wedges are unequal.

        Raises:
            ValueError: the wedges are randomly oriented, or the points are of another shape or device.
            TypeError: points of another dtype.
        """
        if self.oriented == "random":
            raise ValueError("randomly oriented wedges have no short axes: short_basis(points) gives a basis instead")
        found = self._chunked(self._family.nearest, points)
        return found.sort(dim=1).values if self.wedges is None else found

    @torch.no_grad()
    def nearest_wedge(self, points: Float[Tensor, "batch dim"]) -> Int64[Tensor, " batch"]:
        """The index of the nearest sampled wedge, shape (batch,).

        Raises:
            ValueError: the family is complete, or the points are of another shape or device.
            TypeError: points of another dtype.
        """
        family = self._sampled()
        return self._chunked(lambda coordinates: family.find(coordinates)[1], points)

    @torch.no_grad()
    def containing(self, points: Float[Tensor, "batch dim"], tolerance: float) -> Bool[Tensor, "batch wedges"]:
        """Which sampled wedges lie within `tolerance` of each point, shape (batch, wedges).

        Raises:
            ValueError: the family is complete, a tolerance below 0, or points of another shape or device.
            TypeError: points of another dtype.
        """
        check_positive("tolerance", tolerance, zero=True)
        family = self._sampled()
        return self._chunked(
            lambda coordinates: distance_outside(family.squares(coordinates), self.thickness) <= tolerance, points
        )

    @torch.no_grad()
    def short_basis(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch most dim"]:
        """An orthonormal basis B of the short directions of the nearest wedge, so that B P = 0 on it.

        Returns:
            One basis per point, shape (batch, short, dim), dense; rows of zeros at the end where wedges are unequal.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        rows = self._chunked(self._family.nearest, points)
        if self.bases is not None:
            basis = self.bases[rows.clamp(min=0)]
        else:
            basis = torch.zeros(*rows.shape, self.dim, dtype=self.dtype, device=self.device)
            basis.scatter_(2, rows.clamp(min=0)[..., None], 1.0)
        return basis.masked_fill_((rows < 0)[..., None], 0.0)

    def _squares(self, points: Tensor) -> Tensor:
        """The squared norm of the nearest wedge's short coordinates, differentiable on that wedge alone."""
        return self._chunked(lambda coordinates: nearest_squares(coordinates, self._family), points)

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        coordinates = self._coordinates(points)
        squares, key = self._family.find(coordinates)
        loss, slope, _ = profile_derivatives(squares, self.profile, self.thickness, self.width)
        gradient = self._family.part(coordinates, coordinates, key).mul_(2 * slope[:, None])
        return loss, gradient if self.bases is None else gradient @ self.bases

    @torch.no_grad()
    def _bend(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the Hessians' sum, the diagonal, shape (dim,), and two factors of the rest, (batch, dim) each."""
        coordinates = self._coordinates(points)
        squares, key = self._family.find(coordinates)
        _, slope, bend = profile_derivatives(squares, self.profile, self.thickness, self.width)
        short = self._family.part(coordinates, coordinates, key)
        mask = self._family.part(torch.ones_like(coordinates), coordinates, key)
        return 2 * slope @ mask, short, 4 * bend[:, None] * short

    def _chunked(self, one: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
        check_points(self, points)
        if len(points) <= self._chunk:
            return one(self._coordinates(points))
        return torch.cat([one(self._coordinates(part)) for part in points.split(self._chunk)])

    def _coordinates(self, points: Tensor) -> Tensor:
        return points if self.bases is None else points @ self.bases.T

    def _sampled(self) -> Sampled:
        if not isinstance(self._family, Sampled):
            raise ValueError(
                "the complete family has no list of wedges: pass wedges to sample some, or use nearest(points)"
            )
        return self._family


def _consecutive(counts: Sequence[int]) -> Int64[Tensor, "wedges most"]:
    """The row numbers of each wedge's basis where all bases stand one below the other, padded with -1."""
    ends = torch.tensor(counts).cumsum(0)[:, None]
    starts = ends - torch.tensor(counts)[:, None]
    rows = starts + torch.arange(max(counts))
    return rows.masked_fill(rows >= ends, -1)
