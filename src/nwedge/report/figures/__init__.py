"""One file per claim: `figure` draws stored results, `CAPTION` says how to read it, `CAVEATS` what could turn it.

A new claim is one new file and one line in `DRAWINGS`; a claim without a file still has its tables in the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import xarray as xr
from matplotlib.figure import Figure

from nwedge.report.figures import (
    averaging,
    ensembling,
    intrinsic_dimension,
    m_tunnels,
    no_obstacles,
    radial_wells,
    sections,
    short_directions,
    tunnel_width,
    tunnels,
    two_halves,
)


class Drawing(Protocol):
    """What a module of this folder offers to the report."""

    @property
    def CAPTION(self) -> str:
        """What one sees, and how to read it."""
        ...

    @property
    def CAVEATS(self) -> str:
        """What could make the claim come out otherwise."""
        ...

    def figure(self, datasets: Mapping[str, xr.Dataset], verdicts: Sequence[Mapping[str, Any]]) -> Figure:
        """The figure of a claim from one Dataset per landscape, with a leading dimension `seed`, and its verdicts."""
        ...


DRAWINGS: dict[str, Drawing] = {
    "no-obstacles": no_obstacles,
    "sections": sections,
    "radial-wells": radial_wells,
    "tunnel-width": tunnel_width,
    "tunnels": tunnels,
    "two-halves": two_halves,
    "m-tunnels": m_tunnels,
    "short-directions": short_directions,
    "intrinsic-dimension": intrinsic_dimension,
    "averaging": averaging,
    "ensembling": ensembling,
}
