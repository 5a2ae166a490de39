"""The contract of a landscape as a kit, for the package's own landscapes and for anyone's."""

from nwedge.testing.case import LandscapeError
from nwedge.testing.contract import check_landscape

__all__ = ["LandscapeError", "check_landscape"]
