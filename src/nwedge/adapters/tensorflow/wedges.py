"""The wedge model, written in TensorFlow: losses, gradients and Hessian-vector products in closed form."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import torch
from jaxtyping import Float
from torch import Tensor

from nwedge.adapters.foreign import ForeignLandscape
from nwedge.adapters.tensorflow.bridge import DTYPES, device_name, to_tensorflow, to_torch
from nwedge.adapters.tensorflow.families import Complete, Sampled
from nwedge.adapters.tensorflow.profiles import profile_loss
from nwedge.landscapes import families
from nwedge.landscapes.wedges import ELEMENTS_AT_ONCE, WedgeLandscape


class TensorFlowWedges(ForeignLandscape, WedgeLandscape):
    """The wedge model of FJ19 as `nwedge.WedgeLandscape`, with its losses and derivatives written in TensorFlow.

    With c the coordinates of P, or its products with the bases, c_S those that are short in the nearest wedge and
    0 elsewhere, q = |c_S|^2 and phi the profile as a function of q,

    loss phi(q), gradient 2 phi'(q) c_S, product H v = 2 phi'(q) v_S + 4 phi''(q) (c_S.v) c_S.

    The wedges are those of `WedgeLandscape` for equal dim, short, wedges and seed. Its `nearest`, `nearest_wedge`,
    `containing`, `short_basis`, `initial` and `minibatch` are inherited. Everything is compiled once for all batch
    sizes.

    On a GPU, TensorFlow by default multiplies float32 matrices in TF32, about 1e-3 exact; the user's setting is left
    as it is: `tf.config.experimental.enable_tensor_float_32_execution(False)` makes products exact to float32.

    Args:
        dim: the dimension of the space.
        short: the number s of short directions, from 0 to dim; for sampled wedges also one number per wedge.
        wedges: the number of sampled wedges; None for the complete family.
        oriented: "axes" for axis-aligned wedges, "random" for randomly oriented ones.
        thickness: the half-width of every wedge.
        profile: "distance", "squared" or "saturating".
        width: the distance at which "saturating" levels off.
        noise: the standard deviation of the minibatch tilt along each axis.
        scale: the standard deviation of each coordinate of the initial points.
        seed: fixes the sampled wedges and the orientation.
        dtype: torch.float32 or torch.float64.
        device: where the points live, "cpu" or a GPU that torch and TensorFlow both see.

    Raises:
        TypeError, ValueError: as `WedgeLandscape`; or a device that TensorFlow does not see.

    Source: Fort and Jastrzebski, "Large Scale Structure of Neural Network Loss Landscapes", NeurIPS 2019,
    arXiv 1906.04724.
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
        name = device_name(torch.device(device))
        super().__init__(
            dim,
            short,
            wedges=wedges,
            oriented=oriented,
            thickness=thickness,
            profile=profile,
            width=width,
            noise=noise,
            scale=scale,
            seed=seed,
            dtype=dtype,
            device=device,
        )
        nearest = _Nearest(self, self._family, name)
        self._profiled = _Profiled(nearest, profile, thickness, width)
        self._distance = _Profiled(nearest, "distance", thickness, width)

    def distance(self, points: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """The distance of each point to the nearest wedge, whatever the profile, shape (batch,); differentiable.

        Raises:
            ValueError, TypeError: points whose shape, dtype or device is not the landscape's.
        """
        return self._distance.loss(points)

    def _losses(self, points: Tensor) -> Tensor:
        return self._profiled._losses(points)

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self._profiled._losses_and_gradients(points)

    def _products(self, points: Tensor, vectors: Tensor) -> Tensor:
        return self._profiled._products(points, vectors)


class _Nearest:
    """The coordinates of points, and which of them are short in the nearest wedge.

    Args:
        landscape: whose wedges they are.
        family: its family in torch.
        device: TensorFlow's name of its device.

    Attributes:
        chunk: points whose temporary arrays hold at most `ELEMENTS_AT_ONCE` numbers.
    """

    def __init__(self, landscape: WedgeLandscape, family: families.Complete | families.Sampled, device: str) -> None:
        self.dim, self.dtype, self.device, self.place = landscape.dim, landscape.dtype, landscape.device, device
        bases = landscape.bases
        axes = self.dim if bases is None else len(bases)
        with tf.device(device):
            self._bases = None if bases is None else to_tensorflow(bases)
            self._family = (
                Complete(family.short, axes)
                if isinstance(family, families.Complete)
                else Sampled(family.sets, axes, DTYPES[self.dtype])
            )
        self.chunk = max(1, ELEMENTS_AT_ONCE // max(self.dim, axes, self._family.numbers))

    def short(self, points: tf.Tensor, *vectors: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Which coordinates are short, (batch, axes), and the coordinates of points and vectors, 0 where long."""
        coordinates = [self.coordinates(each) for each in (points, *vectors)]
        short = self._family.short_axes(coordinates[0])
        return short, [tf.where(short, each, tf.zeros_like(each)) for each in coordinates]

    def coordinates(self, points: tf.Tensor) -> tf.Tensor:
        """The points themselves, or their products with the bases."""
        return points if self._bases is None else tf.matmul(points, self._bases, transpose_b=True)

    def embedded(self, short: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
        """The vectors with these short coordinates: the transpose of `coordinates`."""
        coordinates = tf.where(short, coordinates, tf.zeros_like(coordinates))
        return coordinates if self._bases is None else tf.matmul(coordinates, self._bases)


class _Profiled(ForeignLandscape):
    """A profile of the distance to the nearest wedge, as compiled functions of a batch of any size."""

    def __init__(self, nearest: _Nearest, profile: str, thickness: float, width: float) -> None:
        self.dim, self.dtype, self.device = nearest.dim, nearest.dtype, nearest.device
        self._chunk = nearest.chunk

        def profiled(coordinates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            squares = tf.reduce_sum(tf.square(coordinates), 1, keepdims=True)
            return profile_loss(squares, profile, thickness, width)

        def loss(points: tf.Tensor) -> tf.Tensor:
            _, (coordinates,) = nearest.short(points)
            return profiled(coordinates)[0][:, 0]

        def loss_and_gradient(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            short, (coordinates,) = nearest.short(points)
            value, slope, _ = profiled(coordinates)
            return value[:, 0], nearest.embedded(short, 2 * slope * coordinates)

        def product(points: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
            short, (coordinates, along) = nearest.short(points, vectors)
            _, slope, bend = profiled(coordinates)
            rise = 2 * tf.reduce_sum(coordinates * along, 1, keepdims=True)
            return nearest.embedded(short, 2 * slope * along + (2 * bend * rise) * coordinates)

        self._loss, self._both, self._product = (
            _compiled(function, nearest, inputs)
            for function, inputs in ((loss, 1), (loss_and_gradient, 1), (product, 2))
        )

    def _losses(self, points: Tensor) -> Tensor:
        return self._in_chunks(self._loss, points)

    def _losses_and_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self._in_chunks(self._both, points)

    def _products(self, points: Tensor, vectors: Tensor) -> Tensor:
        return self._in_chunks(self._product, points, vectors)

    def _in_chunks(self, function: Callable[..., Any], *rows: Tensor) -> Any:
        parts = zip(*(each.split(self._chunk) for each in rows), strict=True)
        results = [tf.nest.map_structure(to_torch, function(*map(to_tensorflow, part))) for part in parts]
        return results[0] if len(results) == 1 else tf.nest.map_structure(lambda *each: torch.cat(each), *results)


def _compiled(function: Callable[..., Any], nearest: _Nearest, inputs: int) -> Callable[..., Any]:
    """A function of batches of points, traced once for all batch sizes, on the device of the points."""

    def placed(*rows: tf.Tensor) -> Any:
        with tf.device(nearest.place):
            return function(*rows)

    row = tf.TensorSpec((None, nearest.dim), DTYPES[nearest.dtype])
    return tf.function(placed, input_signature=[row] * inputs, autograph=False)
