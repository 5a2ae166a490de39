"""Random directions in weight space: plain ones, and ones as long as the weights in every filter or tensor."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int32
from torch import Generator, Tensor

from nwedge._checks import Space, check_choice, check_integer, check_point
from nwedge._random import normal
from nwedge.geometry.filters import Filters

OTHERS = ("zero", "filters")


def filter_normalised(
    landscape: Space, point: Float[Tensor, " dim"], count: int, generator: Generator, *, others: str = "zero"
) -> Float[Tensor, "count dim"]:
    """Gaussian directions whose part in every filter is as long as the point's, d_f = g_f |P_f| / |g_f|.

    A filter f is what makes one output: a slice of a convolution's kernel, a row of a dense layer's matrix or of an
    embedding. Tied weights are one. Where all weights of a filter are 0, so is the direction; so it is in weights that
    are frozen while others are not.

    Args:
        landscape: a network, which says by `filters` which weights belong together.
        point: shape (dim,).
        count: how many.
        generator: of the Gaussian draws g.
        others: "zero" leaves biases and parameters of normalisation where they are, as in the paper; "filters" takes
            each such tensor as one more filter.

    Returns:
        Directions, shape (count, dim), signed, with mean 0.

    Raises:
        ValueError, TypeError: a landscape without filters, a point that is not the landscape's or not finite, or one
            at which all filters are 0.

    Source: Li, Xu, Taylor, Studer and Goldstein 2018, arXiv 1712.09913, section 4.
    """
    filters = _filters(landscape)
    return _as_long_as(landscape, point, count, generator, filters, filters.filters, others)


def layer_normalised(
    landscape: Space, point: Float[Tensor, " dim"], count: int, generator: Generator, *, others: str = "zero"
) -> Float[Tensor, "count dim"]:
    """Gaussian directions whose part in every tensor is as long as the point's, d_t = g_t |P_t| / |g_t|.

    Arguments, result and errors are those of `filter_normalised`, with whole tensors in the place of filters.
    """
    filters = _filters(landscape)
    return _as_long_as(landscape, point, count, generator, filters, filters.layers, others)


def random(
    landscape: Space, point: Float[Tensor, " dim"], count: int, generator: Generator
) -> Float[Tensor, "count dim"]:
    """Directions of norm 1, uniform on the sphere, g / |g|: coordinates along them are distances. Shape (count, dim).

    Args:
        landscape: any landscape.
        point: where they will be followed, shape (dim,): they do not depend on it.
        count: how many.
        generator: of the Gaussian draws g.

    Raises:
        ValueError, TypeError: a point that is not the landscape's, or a count below 1.
    """
    drawn = _drawn(landscape, point, count, generator)
    return drawn / drawn.norm(dim=1, keepdim=True)


def _filters(landscape: Space) -> Filters:
    filters = getattr(landscape, "filters", None)
    if not isinstance(filters, Filters):
        raise TypeError(
            f"{type(landscape).__name__} has no filters or tensors to normalise by: use nwedge.geometry.random, which "
            "takes any landscape"
        )
    return filters


def _drawn(landscape: Space, point: Tensor, count: int, generator: Generator) -> Tensor:
    check_integer("count", count, 1)
    check_point(landscape, point)
    return normal((count, landscape.dim), generator, dtype=landscape.dtype, device=landscape.device)


def _as_long_as(
    landscape: Space,
    point: Tensor,
    count: int,
    generator: Generator,
    filters: Filters,
    groups: Int32[Tensor, " dim"],
    others: str,
) -> Tensor:
    check_choice("others", others, OTHERS)
    drawn = _drawn(landscape, point, count, generator)
    if not bool(point.isfinite().all()):
        raise ValueError("point must be finite; got NaN or infinity: choose a checkpoint before it diverged")
    groups = groups if others == "zero" else filters.with_others(groups)
    lengths = _lengths(groups)
    wanted = lengths(point)
    directions = torch.stack([row * _share(wanted, lengths(row))[groups].to(row) for row in drawn])
    if not bool(directions.any(1).all()):
        raise ValueError(
            "a direction normalised at this point has norm 0, since all of its filters are 0: use "
            "nwedge.geometry.random, or others='filters' where biases are not 0"
        )
    return directions


def _lengths(groups: Tensor) -> Callable[[Tensor], Tensor]:
    """From a vector to the norm of its part in each group, in float64; a last group holds what belongs to none (-1).

    Sums of sorted weights, group by group: on a GPU, too, equal vectors have equal norms, bit for bit.
    """
    count = int(groups.max()) + 2
    order = (groups % count).argsort(stable=True)
    sizes = torch.bincount(groups % count, minlength=count)
    return lambda vector: torch.segment_reduce(vector.double().square()[order], "sum", lengths=sizes).sqrt()


def _share(wanted: Tensor, lengths: Tensor) -> Tensor:
    """What each group's draw is multiplied by: 0 for what belongs to no group."""
    share = torch.where(lengths > 0, wanted / lengths, 0.0)
    share[-1] = 0.0
    return share
