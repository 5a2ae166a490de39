"""Landscapes in JAX: the wedge model, and networks that are pure functions of a pytree."""

from nwedge.adapters.foreign import missing

try:
    import jax as _jax  # noqa: F401 - the modules below need it
except ModuleNotFoundError as error:
    raise ImportError(missing("JAX", "jax")) from error

from nwedge.adapters.jax.network import JaxLandscape
from nwedge.adapters.jax.wedges import JaxWedges

__all__ = ["JaxLandscape", "JaxWedges"]
