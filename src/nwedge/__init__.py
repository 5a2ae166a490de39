"""nwedge: the large-scale structure of neural network loss landscapes, measured alike on models, networks, controls.

Names are loaded on first use, so that `import nwedge` imports no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwedge import geometry as geometry
    from nwedge.claims.examine import examine as examine
    from nwedge.claims.examine import examine_optima as examine_optima
    from nwedge.diagnosis.diagnose import diagnose as diagnose
    from nwedge.landscape import Landscape as Landscape
    from nwedge.landscape import Predictive as Predictive
    from nwedge.landscape import Separable as Separable
    from nwedge.landscape import evaluate as evaluate
    from nwedge.landscape import gradient as gradient
    from nwedge.landscape import hvp as hvp
    from nwedge.landscapes.networks.network import NetworkLandscape as NetworkLandscape
    from nwedge.landscapes.restricted import restrict as restrict
    from nwedge.landscapes.wedges import WedgeLandscape as WedgeLandscape
    from nwedge.methods.alignment import align as align
    from nwedge.methods.alignment import aligned_module as aligned_module
    from nwedge.methods.curvature import short_directions as short_directions
    from nwedge.methods.cutting import cut as cut
    from nwedge.methods.descent import descend as descend
    from nwedge.methods.estimation import estimate as estimate
    from nwedge.methods.probes import radial_width as radial_width
    from nwedge.methods.refinement import refine as refine
    from nwedge.methods.sheets import m_tunnel as m_tunnel
    from nwedge.methods.trajectories import trajectory as trajectory
    from nwedge.methods.tunnels import tunnel as tunnel
    from nwedge.sweeping import sweep_over as sweep_over
    from nwedge.testing import check_landscape as check_landscape

__version__ = "0.1.0"

_HOMES = {
    "Landscape": "nwedge.landscape",
    "NetworkLandscape": "nwedge.landscapes.networks.network",
    "Predictive": "nwedge.landscape",
    "Separable": "nwedge.landscape",
    "WedgeLandscape": "nwedge.landscapes.wedges",
    "align": "nwedge.methods.alignment",
    "aligned_module": "nwedge.methods.alignment",
    "check_landscape": "nwedge.testing",
    "cut": "nwedge.methods.cutting",
    "descend": "nwedge.methods.descent",
    "diagnose": "nwedge.diagnosis.diagnose",
    "estimate": "nwedge.methods.estimation",
    "evaluate": "nwedge.landscape",
    "examine": "nwedge.claims.examine",
    "examine_optima": "nwedge.claims.examine",
    "gradient": "nwedge.landscape",
    "hvp": "nwedge.landscape",
    "m_tunnel": "nwedge.methods.sheets",
    "radial_width": "nwedge.methods.probes",
    "refine": "nwedge.methods.refinement",
    "restrict": "nwedge.landscapes.restricted",
    "short_directions": "nwedge.methods.curvature",
    "sweep_over": "nwedge.sweeping",
    "trajectory": "nwedge.methods.trajectories",
    "tunnel": "nwedge.methods.tunnels",
}

__all__ = ["geometry", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "geometry":
        return importlib.import_module("nwedge.geometry")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nwedge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
