"""Which points share a wedge: those that straight lines of low loss connect."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def clusters(barriers: Float[np.ndarray, "points points"], most: float) -> list[list[int]]:
    """The connected components of the graph that joins two points whose barrier is at most `most`.

    Args:
        barriers: of every pair, a symmetric matrix; NaN joins nothing.
        most: the highest barrier that counts as low.

    Returns:
        The members of each cluster in order, the largest cluster first, equal ones by their first member.
    """
    joined = csr_array(np.nan_to_num(barriers, nan=np.inf) <= most)
    _, label = connected_components(joined, directed=False)
    found: list[list[int]] = [np.flatnonzero(label == one).tolist() for one in np.unique(label)]
    return sorted(found, key=lambda members: (-len(members), members))


def predicted_average(
    losses: Float[np.ndarray, " points"],
    middles: Float[np.ndarray, "points points"],
    members: Sequence[Sequence[int]],
) -> float:
    r"""The loss at the average of points that the wedge model predicts from the middles of their pairs.

    Let b_ij = L((P_i + P_j) / 2) - (L_i + L_j) / 2. On one wedge the loss is taken for quadratic, so that of K points

        L(mean) = mean_i L_i + 4 / K^2 sum_{i<j} b_ij.

    Points of another wedge lie far from it in its short directions only, each independently of the others, so that
    their squared distances add up: the squared distance of the midpoint of P_c and P_j is a quarter of that of P_j,
    that of the average is 1 / K^2 of their sum. The loss at the average is that of the nearest wedge c,

        L(mean) = mean_i L_i + min_c [4 / K^2 (sum_{i<j in c} b_ij + sum_{j not in c} mean_{i in c} b_ij)].

    Args:
        losses: L_i.
        middles: L((P_i + P_j) / 2), a symmetric matrix.
        members: of each wedge, as `clusters` finds them.
    """
    bumps = middles - (losses[:, None] + losses) / 2
    count = len(losses)

    def raised(inside: Sequence[int]) -> float:
        outside = [point for point in range(count) if point not in inside]
        within = bumps[np.ix_(inside, inside)]
        across = bumps[np.ix_(inside, outside)].mean(0).sum() if outside else 0.0
        return float(4 / count**2 * (np.triu(within, 1).sum() + across))

    return float(losses.mean()) + min(raised(list(inside)) for inside in members)
