"""How far a loss may be off: relative to its size, and below a floor relative to the floor."""

from jaxtyping import Float
from torch import Tensor

from nwedge._checks import check_positive


def check_tolerance(tolerance: float, floor: float) -> None:
    """Refuse (ValueError) a tolerance or a floor that is not positive."""
    check_positive("tolerance", tolerance)
    check_positive("floor", floor)


def allowed(losses: Float[Tensor, "*batch"], tolerance: float, floor: float) -> Float[Tensor, "*batch"]:
    """The largest error, tolerance * max(|loss|, floor); NaN where a loss is NaN."""
    return tolerance * losses.abs().clamp(min=floor)
