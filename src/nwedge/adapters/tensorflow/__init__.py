"""Landscapes in TensorFlow: the wedge model, and Keras models on any data."""

from nwedge.adapters.foreign import missing

try:
    import tensorflow as _tensorflow  # noqa: F401 - the modules below need it
except ModuleNotFoundError as error:
    raise ImportError(missing("TensorFlow", "tensorflow")) from error

from nwedge.adapters.tensorflow.keras import KerasLandscape
from nwedge.adapters.tensorflow.wedges import TensorFlowWedges

__all__ = ["KerasLandscape", "TensorFlowWedges"]
